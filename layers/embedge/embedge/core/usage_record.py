"""What does a line of the log say that somebody has used? The metrics blob of a request that was added up.

It is the record of usage; rows are its summary. Numbers come in lists of one, and money in dollars, which as a float is
exact to the nano-dollar up to four million.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from embedge.core.request import Observation
from embedge.core.usage import Counts, RowName, row_of

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one request came to, whose row it belongs to, by which user, and when it was logged.

    `watched`: the tenant had alarms of its own.
    """

    row: RowName
    counts: Counts
    user: str
    at_ms: int
    watched: bool = False


def read_record(line: str) -> UsageRecord | None:
    """Read a line; None where it is not a record of usage."""
    if '"usage_day"' not in line or '"_aws"' not in line:
        return None
    try:
        read: object = json.loads(line)
    except ValueError:
        return None
    return _record(cast("dict[str, object]", read)) if isinstance(read, dict) else None


def _record(blob: Mapping[str, object]) -> UsageRecord | None:
    words = {name: blob.get(name, "") for name in ("tenant", "usage_day", "model", "bot", "project", "user")}
    written = blob.get("_aws")
    at_ms = cast("dict[str, object]", written).get("Timestamp") if isinstance(written, dict) else None
    if not isinstance(at_ms, int) or not words["tenant"] or not words["usage_day"]:
        return None
    said = {name: word for name, word in words.items() if isinstance(word, str)}
    if len(said) != len(words):
        return None
    seen = Observation(said["tenant"], bot=said["bot"], project=said["project"], model=said["model"])
    return UsageRecord(row_of(seen, said["usage_day"]), _counts(blob), said["user"], at_ms, blob.get("watched") == 1)


def _counts(blob: Mapping[str, object]) -> Counts:
    return Counts(
        requests=_whole(blob, "requests"),
        inputs=_whole(blob, "inputs"),
        hits=_whole(blob, "hits"),
        misses=_whole(blob, "misses"),
        served=_whole(blob, "tokens_served"),
        billed=_whole(blob, "tokens_billed"),
        cost=_whole(blob, "cost_usd", _NANO),
        saved=_whole(blob, "saved_usd", _NANO),
        spent=_whole(blob, "cache_spent_usd", _NANO),
    )


def _whole(blob: Mapping[str, object], name: str, scale: int = 1) -> int:
    value = blob.get(name, 0)
    numbers = cast("list[object]", value) if isinstance(value, list) else [value]
    return sum(round(number * scale) for number in numbers if isinstance(number, int | float))
