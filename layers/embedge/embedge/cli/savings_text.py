"""How does a report of the cache's savings look in a terminal?"""

from embedge.cli.terminal import chart, table, usd
from embedge.core.savings import Report, Savings

_HEAD = ("", "requests", "inputs", "hits", "misses", "hit rate", "saved", "cache cost", "net")


def text(report: Report) -> str:
    """Return the report, without a line's end after the last."""
    if not report.total.counts.requests:
        return "Nothing was asked for in these days."
    models = table([_HEAD, *map(_cells, report.models), _cells(report.total)])
    days = chart([(day.name, day.counts.net()) for day in report.days])
    return "\n".join([*models, "", "net by day, in US dollars", *days])


def _cells(one: Savings) -> tuple[str, ...]:
    counts = one.counts
    how_many = map(str, (counts.requests, counts.inputs, counts.hits, counts.misses))
    money = map(usd, (counts.saved, counts.spent, counts.net()))
    return one.name, *how_many, f"{100 * counts.hit_rate():.1f} %", *money
