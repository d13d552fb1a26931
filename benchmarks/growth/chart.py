"""How do curves look as a picture? Panels side by side, axes logarithmic: what is proportional is a straight line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 560, 380
_LEFT, _TOP, _RIGHT, _BOTTOM = 74, 70, 540, 322
_PAPER, _INK, _FAINT, _GRID = "white", "#222222", "#777777", "#e4e4e4"
_COLOURS = ("#2a7f62", "#c8553d", "#3a5a98", "#8a6d3b")

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what is shown, of what, and its curves by their names."""

    title: str
    across: str
    curves: Mapping[str, Curve]


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to a place: decades from `least` to `most` lie between two pixels."""

    least: int
    most: int
    first: float
    last: float

    @classmethod
    def over(cls, values: Sequence[float], first: float, last: float) -> "_Scale":
        positive = [value for value in values if value > 0] or [1.0]
        least, most = floor(log10(min(positive)) + 1e-9), ceil(log10(max(positive)) - 1e-9)
        return cls(least, max(most, least + 1), first, last)

    def place(self, value: float) -> float:
        share = (log10(max(value, 10**self.least)) - self.least) / (self.most - self.least)
        return self.first + share * (self.last - self.first)

    def decades(self) -> list[float]:
        return [10.0**power for power in range(self.least, self.most + 1)]


def draw(panels: Sequence[Panel], file: Path) -> None:
    """Write a PNG."""
    image = Image.new("RGB", (_WIDTH * len(panels), _HEIGHT), _PAPER)
    for number, panel in enumerate(panels):
        _panel(ImageDraw.Draw(image), panel, _WIDTH * number)
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, "PNG", optimize=True)


def _panel(pen: ImageDraw.ImageDraw, panel: Panel, at: int) -> None:
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    points = [point for curve in panel.curves.values() for point in curve]
    across = _Scale.over([x for x, _ in points], at + _LEFT, at + _RIGHT)
    up = _Scale.over([y for _, y in points], _BOTTOM, _TOP)
    pen.text((at + _LEFT, 12), panel.title, _INK, font)
    for value in up.decades():
        pen.line((at + _LEFT, up.place(value), at + _RIGHT, up.place(value)), _GRID)
        pen.text((at + _LEFT - 8, up.place(value)), _short(value), _FAINT, small, anchor="rm")
    for value in across.decades():
        pen.line((across.place(value), _TOP, across.place(value), _BOTTOM), _GRID)
        pen.text((across.place(value), _BOTTOM + 8), _short(value), _FAINT, small, anchor="mt")
    pen.text(((at * 2 + _LEFT + _RIGHT) / 2, _BOTTOM + 30), panel.across, _FAINT, small, anchor="mt")
    left = at + _LEFT
    for (name, curve), colour in zip(panel.curves.items(), _COLOURS, strict=False):
        pen.text((left, 38), name, colour, small)
        left += round(pen.textlength(name, small)) + 22
        placed = [(across.place(x), up.place(y)) for x, y in curve]
        pen.line(placed, colour, 2)
        for x, y in placed:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour)


def _short(value: float) -> str:
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"
