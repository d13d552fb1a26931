"""What has changed in Control since a process looked last? One document says it, so that one read is enough.

Whoever changes a partition that processes keep (a tenant, a revocation, the keys) adds its name here afterwards. The
document has the number of all changes there ever were, and the names of the last ones; who is further behind than
those takes everything for changed.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

CHANGES = "CHANGES"
LAST = "last"
# One read unit of DynamoDB, for the whole item.
_MOST_BYTES = 3_500


@dataclass(frozen=True, slots=True)
class Changes:
    """How many there were, and which partitions the last of them were about, the newest at the end."""

    count: int
    recent: tuple[str, ...]

    def since(self, count: int) -> Collection[str] | None:
        """Return which partitions have changed since there were so many changes; None: it may be any.

        Fewer than there were once is a table that was put back to an earlier state.
        """
        missed = self.count - count
        if not 0 <= missed <= len(self.recent):
            return None
        return self.recent[len(self.recent) - missed :]

    def and_of(self, partition: str) -> str:
        """Return the document that says one more."""
        recent = [*self.recent, partition]
        while len(recent) > 1 and sum(len(name.encode()) + 4 for name in recent) > _MOST_BYTES:
            del recent[0]
        return json.dumps({"count": self.count + 1, "recent": recent}, separators=(",", ":"), ensure_ascii=False)


NO_CHANGES = Changes(0, ())


def read_changes(document: str | None) -> Changes | None:
    """Read the document, None: there never was a change. Return None where it says nothing that can be understood."""
    if document is None:
        return NO_CHANGES
    try:
        read: object = json.loads(document)
    except (ValueError, RecursionError):
        return None
    fields = cast("dict[object, object]", read) if isinstance(read, dict) else {}
    count, recent = fields.get("count"), fields.get("recent")
    if not isinstance(count, int) or not isinstance(recent, list):
        return None
    names = cast("list[object]", recent)
    return Changes(count, tuple(name for name in names if isinstance(name, str)))
