"""python -m stages.avatar.pictures.drawing [NAME]: renders one character, or all of them."""

import argparse

from stages.avatar.picture import SHIPPED
from stages.avatar.pictures.drawing.ito.character import ITO
from stages.avatar.pictures.drawing.koma.character import KOMA
from stages.avatar.pictures.drawing.render import write

CHARACTERS = {character.name: character for character in (ITO, KOMA)}


def main() -> None:
    """Write the files beside the other shipped pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.avatar.pictures.drawing",
        description="Draw the shipped characters: NAME.svg, NAME.png and NAME.yaml.",
    )
    parser.add_argument("name", nargs="?", choices=CHARACTERS, help="default: every character")
    name = parser.parse_args().name
    for character in [CHARACTERS[name]] if name else CHARACTERS.values():
        write(character, SHIPPED)


if __name__ == "__main__":
    main()
