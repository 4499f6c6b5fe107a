"""What a config may set for an avatar stage. Light: the parent reads it too."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class AvatarOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which character is drawn, and by what."""

    picture: Annotated[
        str,
        Meta(
            min_length=1,
            extra={"allowed": "the name of a shipped picture or a path", "file": "name or path"},
        ),
    ] = "default"
    """The character: the name of a shipped picture, or the path of a 512 x 512 PNG with alpha,
    relative to the config file."""

    character: Annotated[
        str,
        Meta(
            extra={"allowed": "the name of a trained character or a path", "file": "name or folder"}
        ),
    ] = ""
    """A trained character: the path of its folder or pack, or its name in the folder of models. It
    brings its own picture and networks; `picture` and `poser` count only without one."""

    poser: Literal["warp", "tha3", "tha4_student"] = "warp"
    """What moves the picture. `warp` needs neither weights nor a GPU; `tha3` are the networks of
    Talking Head Anime 3, whose weights docs/weights.md says how to get; `tha4_student` is the
    `character`, or the one of that name in the folder of models."""

    stand_in: bool = True
    """Run `warp` where weights or a back end are missing, and say so. `false`: do not start."""

    models: Annotated[str, Meta(extra={"allowed": "the path of a folder", "file": "folder"})] = ""
    """The folder with the model packs, or one pack. Left out: $AYATSURI_MODELS, or
    `ayatsuri/models` in the user's folder for data."""

    structure: Literal["separable", "standard"] = "separable"
    """Which THA3 networks: `standard` takes about eight times the work."""

    student_mode: Literal["auto", "exact", "fast", "coarse"] = "auto"
    """How a trained character is drawn on the CPU. `exact`: every pixel; `fast`: where something is
    seen; `coarse`: as fast, with some layers in half precision. `auto` is `fast`."""

    precision: Literal["fp32", "fp16"] = "fp32"
    """Which packs. Half precision is for GPUs; a CPU computes in full precision anyway."""

    backend: Literal["auto", "openvino", "onnxruntime", "cuda", "directml"] = "auto"
    """What runs the networks. `auto`: the fastest for the CPU that is installed; a trained
    character needs none there."""

    device_id: Annotated[int, Meta(ge=0, le=63)] = 0
    """Which GPU, where the back end is one for GPUs."""

    eyebrows: bool = True
    """`false` lets the eyebrows rest, for one network less."""

    cache_gb: Annotated[float, Meta(ge=0.0, le=1024.0)] = 0.5
    """Memory for what the networks made of brows and face, in gigabytes; beyond it the least
    recently used result goes. 0 keeps the last one alone."""

    cache_place: Literal["device", "ram"] = "device"
    """Where that is kept: on the device of the networks, or in the host's memory."""

    lanes: Annotated[int, Meta(ge=1, le=16)] = 1
    """How many poses may be drawn at once when they come faster than one at a time can be drawn,
    each by its share of the threads. With 2, THA3 makes about a fifth more frames on two cores,
    each of which takes three quarters longer. Every lane takes the memory of a poser, and its
    share of `cache_gb`."""

    @property
    def runs_networks(self) -> bool:
        """Whether it can use many cores at once."""
        return self.poser != "warp" or bool(self.character)
