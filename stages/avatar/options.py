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

    poser: Literal["warp"] = "warp"
    """What moves the picture. `warp` needs neither weights nor a GPU."""
