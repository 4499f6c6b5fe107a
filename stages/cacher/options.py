"""What a config may set for a cacher stage. Light: the parent reads it too."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class CacherOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How finely poses are told apart, and how much room their pictures may take, and where."""

    quality: Annotated[int, Meta(ge=0, le=100)] = 85
    """JPEG quality of the stored pictures; 100 stores them without loss. Below, alpha within 3 of
    transparent or opaque counts as that, and is exact otherwise."""

    ram_gb: Annotated[float, Meta(gt=0.0, le=1024.0)] = 0.25
    """Memory for stored pictures, in gigabytes; beyond it the least recently used one goes."""

    database: (
        Annotated[
            str,
            Meta(
                min_length=1,
                extra={"allowed": "the path of a file, which is made", "file": "to be made"},
            ),
        ]
        | None
    ) = None
    """A file that keeps pictures beyond the end of the session, behind those in memory. Several
    sessions may share it. Left out: memory alone."""

    database_gb: Annotated[float, Meta(ge=0.05, le=4096.0)] = 4.0
    """What the file may take of the disk, in gigabytes, its log included."""

    between_share: Annotated[float, Meta(ge=0.0, le=0.45)] = 0.25
    """Which part of `ram_gb`, and of `database_gb`, is for pictures that an interpolation makes;
    for the avatar's it is what is left. Nobody's pictures push out others within their part; while
    there is room to spare all may use it. 0: none of them are kept."""

    larger_share: Annotated[float, Meta(ge=0.0, le=0.45)] = 0.25
    """Which part is for pictures larger than the avatar's, in the same way."""

    quantiser: Literal["perceptual", "uniform", "easyvtuber"] = "perceptual"
    """Which poses share a picture: those within the same step of every parameter. `perceptual`
    gives each parameter steps as fine as it changes the picture, `uniform` gives all the same;
    `easyvtuber` simplifies as the program of that name does."""

    error: Annotated[float, Meta(ge=0.01, le=20.0)] = 0.125
    """For `perceptual`: how much rounding one parameter may change the picture, in 8-bit levels
    (root of the mean square over the frame). More error, more hits and coarser motion."""

    levels: Annotated[int, Meta(ge=2, le=1000)] = 50
    """For `uniform`: steps into which one unit of a pose parameter is divided. More steps, finer
    motion and fewer hits."""

    simplify: Annotated[int, Meta(ge=0, le=8)] = 4
    """For `easyvtuber`: its level; higher, more hits and a simpler face."""

    snap_within: Annotated[float, Meta(ge=0.0, le=20.0)] = 1.5
    """A pose whose own picture is not stored is answered with the nearest stored one if that
    differs by no more than this (as `error`, estimated), no parameter by more than 0.1, and it is
    not the one just shown. 0: never."""

    stale_within: Annotated[float, Meta(ge=0.0, le=20.0)] = 0.0
    """While the avatar draws, show the nearest stored picture at once if it differs by no more than
    this (as `error`, estimated). 0: never."""

    pacing: Literal["even", "lowest_latency"] = "even"
    """`even` shows a stored picture after one that was drawn as long after its pose as drawing
    usually takes, and ever sooner in a run of stored ones; `lowest_latency` at once."""

    steps: Annotated[int, Meta(ge=1, le=4)] | None = None
    """Steps of the way to each pose whose stored pictures are shown as well, so that an
    interpolation behind need not make these. Left out: its scale, 1 without one."""
