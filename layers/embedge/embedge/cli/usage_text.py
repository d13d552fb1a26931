"""How does usage look as a table with a chart, as CSV, and as JSON?"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from embedge.api.usage_answer import counted
from embedge.cli.terminal import chart, table, usd
from embedge.core.usage import Counts
from embedge.core.usage_groups import Group, total

Form: TypeAlias = Literal["table", "csv", "json"]
_HEAD = ("requests", "inputs", "hits", "misses", "served", "billed", "cost", "saved", "cache cost", "net saved")


def usage_text(form: Form, by: str, groups: Sequence[Group], days: Mapping[str, int]) -> str:
    """Return what each group has used, without a line's end after the last. `days` are what each cost."""
    return _FORMS[form](by, groups, days)


def _table(by: str, groups: Sequence[Group], days: Mapping[str, int]) -> str:
    if not groups:
        return "Nothing was asked for in these days."
    rows = [(group.names[0] or "-", *_cells(group.counts)) for group in groups]
    everything = ("all", *_cells(total(group.counts for group in groups)))
    lines = table([(by, *_HEAD), *rows, everything])
    return "\n".join([*lines, "", "cost by day, in US dollars", *chart(list(days.items()))])


def _cells(counts: Counts) -> tuple[str, ...]:
    numbers = (counts.requests, counts.inputs, counts.hits, counts.misses, counts.served, counts.billed)
    money = (counts.cost, counts.saved, counts.spent, counts.net())
    return (*(f"{number:,}" for number in numbers), *map(usd, money))


def _csv(by: str, groups: Sequence[Group], days: Mapping[str, int]) -> str:
    del days
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([by, *counted(Counts())])
    writer.writerows([_harmless(group.names[0]), *counted(group.counts).values()] for group in groups)
    return written.getvalue().rstrip("\n")


def _harmless(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula: callers choose them.

    https://owasp.org/www-community/attacks/CSV_Injection (read 2026-11)
    """
    return f"'{name}" if name[:1] in {"=", "+", "-", "@", "\t", "\r"} else name


def _json(by: str, groups: Sequence[Group], days: Mapping[str, int]) -> str:
    del days
    return json.dumps([{by: group.names[0], **counted(group.counts)} for group in groups], indent=2, ensure_ascii=False)


_FORMS: dict[Form, Callable[[str, Sequence[Group], Mapping[str, int]], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
}
