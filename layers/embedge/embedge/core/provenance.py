"""Whose is an entry of the cache, and who made it?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER_BYTES = 16


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is kept beside entries: their `owner` (`Wanted.owner`; none for who never asks), and each one's target."""

    owner: bytes = bytes(OWNER_BYTES)
    targets: Mapping[bytes, str] = field(default_factory=dict[bytes, str])


UNKNOWN = Provenance()


@dataclass(frozen=True, slots=True)
class Doomed:
    """Which entries are to be deleted: those of an owner who begins and ends so, written before `before_s`.

    Entries that do not say whose they are, as older releases wrote them, are left to expire.
    """

    begins: bytes
    ends: bytes
    before_s: int

    def holds(self, owner: bytes, written_s: int) -> bool:
        """Tell whether an entry is one of them."""
        marked = len(owner) == OWNER_BYTES and owner != UNKNOWN.owner
        return marked and owner.startswith(self.begins) and owner.endswith(self.ends) and written_s < self.before_s


@dataclass(frozen=True, slots=True)
class Swept:
    """A piece of a sweep: how many entries were looked at and deleted, and after which key the next piece begins."""

    seen: int
    deleted: int
    last: bytes | None
