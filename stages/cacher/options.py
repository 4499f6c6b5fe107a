"""What a config may set for a cacher stage. Light: the parent reads it too."""

from typing import Annotated

from msgspec import Meta, Struct


class CacherOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How finely poses are told apart, and how much memory their pictures may take."""

    quality: Annotated[int, Meta(ge=0, le=100)] = 85
    """JPEG quality of the stored pictures; 100 stores them without loss. Below, alpha within 3 of
    transparent or opaque counts as that, and is exact otherwise."""

    ram_gb: Annotated[float, Meta(gt=0.0, le=1024.0)] = 0.25
    """Memory for stored pictures, in gigabytes; beyond it the least recently used one goes."""

    levels: Annotated[int, Meta(ge=2, le=255)] = 50
    """Steps into which one unit of a pose parameter is divided. Poses that fall into the same steps
    share a stored picture: more steps, finer motion and fewer hits."""
