"""What a config may set for an interpolation stage. Light: the parent reads it too."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class InterpolationOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How many frames are given for each one read, when, and how they are made."""

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

    method: Literal["auto", "flow", "rife"] = "auto"
    """How frames in between are made. `flow`: optical flow, on the CPU. `rife`: a network, whose
    weights docs/interpolation.md says how to get. `auto`: the network if its weights are there and
    it was quick enough when it was tried at the start, and while it stays quick enough. Without
    weights or a back end it is flow in any case."""

    models: Annotated[str, Meta(extra={"allowed": "the path of a folder", "file": "folder"})] = ""
    """The folder with the model packs, or one pack. Left out: $AYATSURI_MODELS, or
    `ayatsuri/models` in the user's folder for data."""

    version: Literal["", "v4.25.lite", "v4.26", "v4.25", "v4.22.lite", "v4.6"] = ""
    """Which version of RIFE. Left out: the first of these that is there, the quickest first."""

    precision: Literal["fp32", "fp16"] = "fp32"
    """Which packs. Half precision is for GPUs; a CPU computes in full precision anyway."""

    backend: Literal["auto", "openvino", "onnxruntime", "cuda", "directml"] = "auto"
    """What runs the network. `auto`: the fastest for the CPU that is installed."""

    device_id: Annotated[int, Meta(ge=0, le=63)] = 0
    """Which GPU, where the back end is one for GPUs."""

    @property
    def runs_networks(self) -> bool:
        """Whether it may use many cores at once."""
        return self.method != "flow"

    @property
    def least_slots(self) -> int:
        """How many slots its ring must have."""
        return self.scale + 1
