"""How does a report of the cache's savings look in a terminal?"""

from collections.abc import Iterable, Sequence

from embedge.core.savings import Report, Savings

_NANO = 10**9
_BAR_WIDTH = 32
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEAD = ("", "requests", "inputs", "hits", "misses", "hit rate", "saved", "cache cost", "net")


def text(report: Report) -> str:
    """Return the report, without a line's end after the last."""
    if not report.total.counts.requests:
        return "Nothing was asked for in these days."
    models = _table([_HEAD, *map(_cells, report.models), _cells(report.total)])
    return "\n".join([*models, "", "net by day, in US dollars", *_chart(report.days)])


def usd(nano_usd: int) -> str:
    """Return dollars, with as many digits as a small sum needs."""
    digits = 2 if abs(nano_usd) >= 100 * _NANO else 6
    return f"{nano_usd / _NANO:.{digits}f}"


def _cells(one: Savings) -> tuple[str, ...]:
    counts = one.counts
    how_many = map(str, (counts.requests, counts.inputs, counts.hits, counts.misses))
    money = map(usd, (counts.saved, counts.spent, counts.net()))
    return one.name, *how_many, f"{100 * counts.hit_rate():.1f} %", *money


def _table(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        padded = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *padded))


def _chart(days: Sequence[Savings]) -> Iterable[str]:
    """A bar for each day, to the same scale; what was lost is a bar of another kind."""
    most = max(abs(day.counts.net()) for day in days) or 1
    sums = [usd(day.counts.net()) for day in days]
    width = max(map(len, sums))
    for day, net in zip(days, sums, strict=True):
        yield f"{day.name}  {net.rjust(width)}  {_bar(day.counts.net(), most)}".rstrip()


def _bar(nano_usd: int, most: int) -> str:
    eighths = round(8 * _BAR_WIDTH * abs(nano_usd) / most)
    if nano_usd < 0:
        return "░" * max(1, eighths // 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
