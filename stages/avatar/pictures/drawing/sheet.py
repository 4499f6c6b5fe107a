"""The SVG document that a character is drawn on."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from stages.avatar.pictures.drawing.pen import SIZE, Point, num

Stops = Sequence[tuple[float, str, float]]  # offset, colour, opacity


@dataclass
class Sheet:
    """An SVG document as it is being drawn.

    A paint is a colour, or what `paint` and `glow` return. The names of paints and clips are
    unique in a sheet.
    """

    title: str
    defs: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    def paint(self, name: str, stops: Stops, line: tuple[float, float, float, float]) -> str:
        """A linear gradient from (x1, y1) to (x2, y2), as a fill."""
        x1, y1, x2, y2 = map(num, line)
        units = 'gradientUnits="userSpaceOnUse"'
        ends = f'{units} x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
        return self._gradient("linearGradient", name, stops, f" {ends}")

    def glow(self, name: str, stops: Stops) -> str:
        """A radial gradient that fits the shape it fills."""
        return self._gradient("radialGradient", name, stops)

    def _gradient(self, kind: str, name: str, stops: Stops, where: str = "") -> str:
        marks = "".join(
            f'<stop offset="{num(at)}" stop-color="{colour}" stop-opacity="{num(alpha)}"/>'
            for at, colour, alpha in stops
        )
        self.defs.append(f'<{kind} id="{name}"{where}>{marks}</{kind}>')
        return f"url(#{name})"

    def clip(self, name: str, data: str) -> str:
        """The area of a path, for `within`."""
        self.defs.append(f'<clipPath id="{name}"><path d="{data}"/></clipPath>')
        return f"url(#{name})"

    def fill(self, data: str, paint: str, alpha: float = 1.0) -> None:
        """A filled area without an outline."""
        self.body.append(f'<path d="{data}" fill="{paint}"{_opacity(alpha)}/>')

    def line(self, data: str, paint: str, width: float, alpha: float = 1.0) -> None:
        """A line of one width with round ends."""
        self.body.append(
            f'<path d="{data}" fill="none" stroke="{paint}" stroke-width="{num(width)}"'
            f' stroke-linecap="round" stroke-linejoin="round"{_opacity(alpha)}/>'
        )

    def shape(self, data: str, paint: str, ink: str, width: float = 1.2) -> None:
        """A filled area with its outline."""
        self.body.append(
            f'<path d="{data}" fill="{paint}" stroke="{ink}" stroke-width="{num(width)}"'
            ' stroke-linejoin="round"/>'
        )

    def oval(
        self, at: Point, radii: Point, paint: str, alpha: float = 1.0, turn: float = 0
    ) -> None:
        """A filled ellipse around `at`, turned clockwise by `turn` degrees."""
        spin = f' transform="rotate({num(turn)} {num(at[0])} {num(at[1])})"' if turn else ""
        self.body.append(
            f'<ellipse cx="{num(at[0])}" cy="{num(at[1])}" rx="{num(radii[0])}"'
            f' ry="{num(radii[1])}" fill="{paint}"{_opacity(alpha)}{spin}/>'
        )

    @contextmanager
    def group(self, attribute: str) -> Iterator[None]:
        """What is drawn in the block shares an attribute."""
        self.body.append(f"<g {attribute}>")
        yield
        self.body.append("</g>")

    def within(self, clip: str) -> AbstractContextManager[None]:
        """What is drawn in the block is cut away outside of the clip."""
        return self.group(f'clip-path="{clip}"')

    @contextmanager
    def both_sides(self) -> Iterator[None]:
        """What is drawn in the block stands there again, mirrored at the picture's middle line."""
        start = len(self.body)
        yield
        again = self.body[start:]
        with self.group(f'transform="matrix(-1 0 0 1 {SIZE} 0)"'):
            self.body += again

    def svg(self) -> str:
        """The document's text."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}">'
        inner = "\n".join([f"<title>{self.title}</title>", "<defs>", *self.defs, "</defs>"])
        return "\n".join([head, inner, *self.body, "</svg>", ""])


def _opacity(alpha: float) -> str:
    return "" if alpha >= 1 else f' opacity="{num(alpha)}"'
