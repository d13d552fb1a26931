"""How do tables and bars look in a terminal?"""

from collections.abc import Iterable, Sequence

_NANO = 10**9
_BAR_WIDTH = 32
_EIGHTHS = " ▏▎▍▌▋▊▉"


def usd(nano_usd: int) -> str:
    """Return dollars, with as many digits as a small sum needs."""
    digits = 2 if abs(nano_usd) >= 100 * _NANO else 6 if abs(nano_usd) >= _NANO // 10_000 or not nano_usd else 9
    return f"{nano_usd / _NANO:.{digits}f}"


def table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Return rows as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        padded = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *padded))


def chart(days: Sequence[tuple[str, int]]) -> Iterable[str]:
    """Return a bar for each day's money, to the same scale; what was lost is a bar of another kind."""
    most = max((abs(nano_usd) for _, nano_usd in days), default=0) or 1
    sums = [usd(nano_usd) for _, nano_usd in days]
    width = max(map(len, sums), default=0)
    for (day, nano_usd), amount in zip(days, sums, strict=True):
        yield f"{day}  {amount.rjust(width)}  {_bar(nano_usd, most)}".rstrip()


def _bar(nano_usd: int, most: int) -> str:
    eighths = round(8 * _BAR_WIDTH * abs(nano_usd) / most)
    if nano_usd < 0:
        return "░" * max(1, eighths // 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
