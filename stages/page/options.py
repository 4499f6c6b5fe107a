"""What a config may set for a page stage. Light: the parent reads it too."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class PageOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the page is served, and for whom."""

    host: Annotated[str, Meta(min_length=1, extra={"allowed": "an address of this machine"})] = (
        "127.0.0.1"
    )
    """The address to listen on. `127.0.0.1`: this machine only. Any other opens the page to the
    network, and then a token is needed."""

    port: Annotated[int, Meta(ge=0, le=65535)] | Literal["auto"] = "auto"
    """The port, 0 for any free one. `auto` is 8571, or a free one if that is taken; the log and the
    session file say which."""

    token: (
        Annotated[
            str,
            Meta(pattern=r"^[A-Za-z0-9_-]{12,128}$", extra={"allowed": "12 to 128 of A-Za-z0-9_-"}),
        ]
        | None
    ) = None
    """What a visitor must show, in the address (`?token=`). Left out: nothing on `127.0.0.1`, a
    new random one elsewhere."""

    open_browser: bool = False
    """Open the page in the browser at start."""

    quality: Annotated[int, Meta(ge=1, le=100)] = 90
    """JPEG quality of the frames that are sent to browsers."""

    record_s: Annotated[float, Meta(ge=1.0, le=60.0)] = 10.0
    """How many seconds can be recorded afterwards. About 3 MB each, while a page is open."""
