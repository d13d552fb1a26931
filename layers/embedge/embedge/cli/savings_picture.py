"""How does a report of the cache's savings look as a picture? Two bars a day: saved, and spent."""

from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.terminal import usd
from embedge.core.savings import Report, Savings
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_SIZE = (960, 400)
_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 60, 940, 350
_PAPER, _INK, _LINE, _SAVED, _SPENT = "white", "#222222", "#cccccc", "#2a7f62", "#c8553d"
_FEWEST_BETWEEN_DATES = 70


def draw(report: Report, file: Path) -> None:
    """Write a PNG. Raises: EmbedgeError where Pillow is not installed."""
    try:
        # Here, because no other command needs it.
        from PIL import Image, ImageDraw  # noqa: PLC0415
    except ImportError as error:
        raise EmbedgeError("A picture needs Pillow: pip install 'embedge[chart]'") from error
    image = Image.new("RGB", _SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    total = report.total
    said = f"saved ${usd(total.counts.saved)}, cache ${usd(total.counts.spent)}, net ${usd(total.counts.net())}"
    pen.text((_LEFT, 16), f"{report.days[0].name} to {report.days[-1].name}: {said}", _INK)
    pen.text((_LEFT, 34), "saved by the cache", _SAVED)
    pen.text((_LEFT + 140, 34), "spent on the cache", _SPENT)
    _bars(pen, report.days)
    image.save(file, "PNG")


def _bars(pen: "ImageDraw", days: tuple[Savings, ...]) -> None:
    most = max(max(day.counts.saved, day.counts.spent) for day in days) or 1
    for part in range(5):
        height = _BOTTOM - (_BOTTOM - _TOP) * part // 4
        pen.line((_LEFT, height, _RIGHT, height), _LINE)
        pen.text((8, height - 6), f"${usd(most * part // 4)}", _INK)
    step = (_RIGHT - _LEFT) / len(days)
    dated = -(-_FEWEST_BETWEEN_DATES // max(1, int(step)))
    for number, day in enumerate(days):
        left = _LEFT + number * step
        for place, nano_usd, colour in ((0.1, day.counts.saved, _SAVED), (0.5, day.counts.spent, _SPENT)):
            top = _BOTTOM - (_BOTTOM - _TOP) * nano_usd / most
            if nano_usd:
                pen.rectangle((left + step * place, top, left + step * (place + 0.4), _BOTTOM), colour)
        if number % dated == 0:
            pen.text((left, _BOTTOM + 8), day.name, _INK)
