"""The avatar: a picture of a character, in any pose.

    from stages.avatar import load_poser

    koma = load_poser("koma")
    koma.pose({"head_y": 0.5, "mouth_aaa": 1.0})

Everything heavy is imported when it is called: the pipeline reads the options of a stage too.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.avatar.posing import PicturePoser

__all__ = ["load_poser"]


def load_poser(picture: "str | Path | bytes" = "default") -> "PicturePoser":
    """Return a poser of a picture: the name of a shipped one, a path, or the bytes of a file.

    Boxes in `NAME.yaml` beside a picture's file correct what is found in its face. Raises
    `PictureRejected` or `FeaturesRejected`, which say what is wrong and how to mend it.
    """
    from stages.avatar.posing import PicturePoser

    return PicturePoser.load(picture)
