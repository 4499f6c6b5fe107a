"""What a config may set for an interpolation stage. Light: the parent reads it too."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class InterpolationOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How many frames are given for each one read, and when."""

    scale: Annotated[int, Meta(ge=1, le=4)] = 2
    """Frames given for each frame read. 1 passes frames on as they are."""

    pacing: Literal["even", "lowest_latency"] = "even"
    """`even` spreads the frames evenly in time, which costs up to one period of age;
    `lowest_latency` gives each as soon as it is made."""

    reading: Literal["newest", "every"] = "newest"
    """`newest` passes frames over that it has no time for; `every` takes one after the other, which
    makes sense only where whoever gives poses waits for their frames."""

    pause_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 0.4
    """Frames whose poses are further apart than this are not one movement: nothing is made in
    between."""

    method: Literal["flow"] = "flow"
    """How frames in between are made. `flow`: optical flow, on the CPU."""

    @property
    def least_slots(self) -> int:
        """How many slots its ring must have."""
        return self.scale + 1
