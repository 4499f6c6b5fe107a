"""What a config may set for a join stage: nothing."""

from msgspec import Struct


class JoinOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A join has no options: it copies the frames of several rings into one, in order of pose."""
