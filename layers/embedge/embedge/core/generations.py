"""What of the cache has been purged, and how often?

A number that is part of every key. Whoever adds one makes unfindable all that was kept under the old one, at once and
with one write. Each part's number only rises, and so does their sum: no key ever comes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass

GENERATIONS = "GENERATIONS"
EVERYTHING = "everything"
# What cannot be read may have been a purge: nothing that was ever kept is under this number.
UNREADABLE = 2**62


@dataclass(frozen=True, slots=True)
class Generations:
    """How often each part was purged, by its name; what was never purged has no entry."""

    counts: Mapping[str, int]

    def of(self, tenant: str | None, space: bytes) -> int:
        """Return the number of a tenant's entries (None: of those that all share) in the space of that id."""
        if not self.counts:
            return 0
        parts = (EVERYTHING, space_part(space), *(() if tenant is None else (tenant_part(tenant),)))
        return sum(self.counts.get(part, 0) for part in parts)


NOTHING_PURGED = Generations({})


def tenant_part(tenant: str) -> str:
    """Return the name of all that is kept for a tenant alone."""
    return f"tenant#{tenant}"


def space_part(space: bytes) -> str:
    """Return the name of all that is kept in the space of that id, whoever's it is."""
    return f"space#{space.hex()}"


def read_generation(document: str | None) -> int | None:
    """Read what is kept of one part, None: it was never purged. Return None where that is no number."""
    if document is None:
        return 0
    return int(document) if document.isascii() and document.isdecimal() and len(document) < 20 else None  # noqa: PLR2004 (digits of 2**62)
