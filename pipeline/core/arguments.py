"""What a core is asked for, and what callers give it: checked once, at the door."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stages.pose import HIGH, LOW, SIZE

HEIGHT = WIDTH = 512
ModelVersion = Literal["v3", "v4", "v4_student", "builtin"]


class CoreError(RuntimeError):
    """The core cannot do what was asked; it stays usable."""


class CoreOptions(Struct, kw_only=True, frozen=True):
    """The options of `get_core`, by the names of its documentation, spelt right."""

    device_id: int = 0
    use_tensorrt: bool = True
    model_version: ModelVersion = "v3"
    model_name: str | None = None
    model_dir: str | None = None
    model_separable: bool = True
    model_half: bool = True
    model_cache: bool = True
    model_vram_cache: bool = True
    model_cache_size: float = 1.0
    model_use_eyebrow: bool = True
    use_cacher: bool = True
    cacher_on_database: bool = False
    cacher_quality: int = 85
    cacher_ram_size: float = 2.0
    cacher_db_path: str | None = None
    use_interpolation: bool = True
    interpolation_scale: int = 2
    interpolation_half: bool = True
    processes: bool = True

    @property
    def images(self) -> int:
        """How many pictures `inference` returns."""
        return self.interpolation_scale if self.use_interpolation else 1


def check_options(options: CoreOptions) -> None:
    """Raise `CoreError` for a value that no core can have."""
    if options.interpolation_scale not in (2, 3, 4):
        raise CoreError(
            f"interpolation_scale is 2, 3 or 4, not {options.interpolation_scale!r}; "
            "use_interpolation=False gives one picture"
        )
    if not 0 <= options.cacher_quality <= 100:
        raise CoreError(f"cacher_quality is 0 to 100, not {options.cacher_quality!r}")
    for name in ("cacher_ram_size", "model_cache_size"):
        if not getattr(options, name) > 0:
            raise CoreError(
                f"{name} is a number of gigabytes above 0, not {getattr(options, name)!r}"
            )
    if options.model_version not in ("v3", "v4", "v4_student", "builtin"):
        raise CoreError(
            f'model_version is "v3", "v4_student" or "builtin", not {options.model_version!r}'
        )
    if not isinstance(options.device_id, int) or not 0 <= options.device_id < 64:
        raise CoreError(f"device_id counts GPUs from 0, not {options.device_id!r}")
    if options.model_dir is not None and not Path(options.model_dir).is_dir():
        raise CoreError(f"model_dir: there is no folder {options.model_dir}")
    if options.cacher_db_path is not None and not os.fspath(options.cacher_db_path):
        raise CoreError("cacher_db_path is the path of a file, not an empty text")


def checked_image(image: Any) -> NDArray[np.uint8]:
    """Return the picture given to `setImage`: BGRA uint8 (512, 512, 4). Raises `CoreError`."""
    if not isinstance(image, np.ndarray):
        raise CoreError(
            f"setImage takes an array of BGRA pixels, not {type(image).__name__}"
            + ("; cv2.imread gives None for a file it cannot read" if image is None else "")
        )
    if image.dtype != np.uint8:
        raise CoreError(f"setImage takes uint8 pixels, not {image.dtype}")
    if image.ndim == 3 and image.shape[2] == 3:
        raise CoreError(
            "the picture has no alpha channel: read it with cv2.IMREAD_UNCHANGED, and give it one"
        )
    if image.shape != (HEIGHT, WIDTH, 4):
        raise CoreError(f"setImage takes a picture of shape (512, 512, 4), not {image.shape}")
    picture = np.array(image, np.uint8, order="C")
    picture[picture[..., 3] == 0] = 0
    return picture


def checked_poses(poses: Any) -> list[NDArray[np.float32]]:
    """Return what was given to `inference` as poses of (45,) float32. Raises `CoreError`.

    One pose, (1, 45) or (45,), or a list of them: the last is the one shown, those before it are
    where the pictures in between lie.
    """
    given = poses if isinstance(poses, (list, tuple)) and _is_list_of_poses(poses) else [poses]
    return [_checked_pose(pose) for pose in given]


def _is_list_of_poses(poses: Any) -> bool:
    return bool(len(poses)) and not all(isinstance(number, (int, float)) for number in poses)


def _checked_pose(given: Any) -> NDArray[np.float32]:
    try:
        pose = np.asarray(given, np.float32)
    except (TypeError, ValueError) as error:
        raise CoreError(f"a pose is {SIZE} numbers, not {type(given).__name__}") from error
    if pose.shape not in ((1, SIZE), (SIZE,)):
        raise CoreError(f"a pose is float32 of shape (1, {SIZE}), not {pose.shape}")
    pose = pose.reshape(SIZE)
    if not np.isfinite(pose).all():
        index = int(np.argmin(np.isfinite(pose)))
        raise CoreError(f"parameter {index} of the pose is {pose[index]}")
    clamped: NDArray[np.float32] = np.clip(pose, LOW, HIGH, dtype=np.float32)
    return clamped
