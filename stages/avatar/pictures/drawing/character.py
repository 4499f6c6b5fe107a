"""What a character is to whoever renders it."""

from collections.abc import Callable
from typing import NamedTuple

from stages.avatar.pictures.drawing.eyes import Eyes
from stages.avatar.pictures.drawing.sheet import Sheet


class Character(NamedTuple):
    """A name for the files, the measures behind the boxes, and the drawing."""

    name: str
    eyes: Eyes
    draw: Callable[[], Sheet]
