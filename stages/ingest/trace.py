"""A recorded trace: poses one after the other, read from a file and checked."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.pose import HIGH, LOW, SIZE


class TraceRejected(ValueError):
    """A trace cannot be used. The message is one sentence: what, where, and the mend."""


def load_trace(path: Path) -> NDArray[np.float32]:
    """Return the poses of a trace, (n, 45) float32 with n >= 1, bounded to their ranges.

    A `.npy` file holds one array; any other is JSON, a list of lists of 45 numbers. Raises
    `TraceRejected`.
    """
    poses = _array_in(path)
    if poses.ndim != 2 or poses.shape[0] == 0 or poses.shape[1] != SIZE:
        raise TraceRejected(
            f"{path} holds an array of shape {poses.shape}; a trace is n rows of {SIZE} numbers"
        )
    broken = np.flatnonzero(~np.isfinite(poses).all(axis=1))
    if broken.size:
        raise TraceRejected(
            f"{path} has a number that is not finite in row {broken[0]} (counted from 0); "
            "record it again or take the row out"
        )
    return np.clip(poses, LOW, HIGH)


def _array_in(path: Path) -> NDArray[np.float32]:
    try:
        if path.suffix == ".npy":
            # Without pickle: a trace is data, and a pickle would be a program.
            return _as_numbers(np.load(path, allow_pickle=False))
        return _as_numbers(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TraceRejected(f"no trace at {path}; check the path") from None
    except OSError as error:
        raise TraceRejected(f"{path} cannot be read ({error.strerror or error})") from error
    except RecursionError:
        raise TraceRejected(f"{path} is nested too deep for a list of lists") from None
    # json.JSONDecodeError and UnicodeDecodeError are ValueErrors; NumPy raises EOFError for an
    # empty .npy and TypeError for rows that are not numbers.
    except (ValueError, TypeError, EOFError, OverflowError) as error:
        raise TraceRejected(
            f"{path} is not a list of lists of {SIZE} numbers ({error}); give JSON like "
            "[[0, ...], ...] or a float32 .npy"
        ) from error


def _as_numbers(rows: object) -> NDArray[np.float32]:
    poses = np.asarray(rows)
    if poses.dtype.kind not in "fiu":
        raise TypeError(f"its values are of type {poses.dtype}")
    return poses.astype(np.float32)
