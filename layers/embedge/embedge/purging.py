"""How is a part of the cache purged? At once, by adding one to its generation; and really, by a sweep over all entries.

A process hears of a purge within 15 seconds, a request that it is serving then may take as long again. So the sweep
takes what was written until `HEARD_OF_S` after the purge, and begins no earlier.
"""

from dataclasses import dataclass

from embedge.core.cache_key import owner_of_space, owner_of_tenant
from embedge.core.generations import EVERYTHING, GENERATIONS, read_generation, space_part, tenant_part
from embedge.core.provenance import Doomed
from embedge.errors import EmbedgeError
from embedge.ports import ControlTable

HEARD_OF_S = 45
_MOST_TRIES = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the cache: its name in Control, and how the owners of its entries begin and end."""

    name: str
    begins: bytes = b""
    ends: bytes = b""

    def doomed(self, before_s: int) -> Doomed:
        """Return which entries a sweep takes."""
        return Doomed(self.begins, self.ends, before_s)


ALL = Part(EVERYTHING)


def of_tenant(tenant: str) -> Part:
    """Return what a tenant alone can find."""
    return Part(tenant_part(tenant), begins=owner_of_tenant(tenant))


def of_space(space: bytes) -> Part:
    """Return what lies in the space of that id."""
    return Part(space_part(space), ends=owner_of_space(space))


async def purge(control: ControlTable, part: Part) -> int:
    """Make unfindable what is kept of a part, and return its new generation. Of two who do it at once, both count.

    Raises: ServiceUnavailable, where it may have been purged; doing it again harms nobody. EmbedgeError.
    """
    for _ in range(_MOST_TRIES):
        seen = (await control.query(GENERATIONS)).get(part.name)
        generation = read_generation(seen)
        if generation is None:
            raise EmbedgeError(f"What Control holds of {part.name} under {GENERATIONS} is no number. Delete that item.")
        if await control.replace(GENERATIONS, part.name, seen, str(generation + 1)):
            return generation + 1
    raise EmbedgeError("Too many are purging this at the same time. Please try again.")
