"""Is another process fetching this very text? Where a route says so, one of them fetches, and the others wait briefly.

A lease is taken when the money is held, so who has it can pay; it lasts two seconds, and is given back by nobody. Who
does not get it looks for the vector until then, and fetches it after all. Whatever fails, a lease costs time, never an
answer.
"""

import asyncio
from collections.abc import Collection, Mapping

from embedge.core.batching import Plan, plan_calls
from embedge.core.route import Route
from embedge.core.vector_codec import StoredVector
from embedge.ports import Cache, Leases

LEASE_S = 2
# Each lease is a write of its own; a stampede is on a few texts.
MOST_LEASED = 16
_FIRST_PAUSE_S = 0.025
_LONGEST_PAUSE_S = 0.25
_GROWTH = 1.5


async def narrow(plan: Plan, route: Route, leases: Leases) -> Plan:
    """Return the plan without what another process is fetching; the rest is this one's to fetch now."""
    misses = [miss for call in plan.calls for miss in call.misses]
    if not route.stampede_lease or len(misses) > MOST_LEASED:
        return plan
    taken = await leases.take([miss.key for miss in misses], LEASE_S)
    return plan if len(taken) == len(misses) else plan_calls((miss for miss in misses if miss.key in taken), route)


async def wait(
    cache: Cache, dimensions: int, keys: Collection[bytes], deadline_s: float, tenant: str
) -> Mapping[bytes, StoredVector]:
    """Look for what others are fetching until all of it is there, their leases are over, or the deadline passes."""
    loop, found, pause_s = asyncio.get_running_loop(), dict[bytes, StoredVector](), _FIRST_PAUSE_S
    until_s = min(deadline_s, loop.time() + LEASE_S)
    while len(found) < len(keys) and loop.time() + pause_s <= until_s:
        await asyncio.sleep(pause_s)
        found |= await cache.get_many([key for key in keys if key not in found], dimensions, tenant)
        pause_s = min(pause_s * _GROWTH, _LONGEST_PAUSE_S)
    return found
