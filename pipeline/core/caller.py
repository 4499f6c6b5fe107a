"""The source of poses of a core's session: the program that called `get_core`, not a stage."""

from msgspec import Struct


class CallerOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A caller has no options: it writes poses into its ring when it likes."""
