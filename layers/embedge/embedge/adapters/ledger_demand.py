"""Who asks so much in this process that a lease is worth it?"""

from collections import OrderedDict
from dataclasses import dataclass

from embedge.ports import Clock

_PAUSE_S = 60
_MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class _Recent:
    """What the last requests took: how many, how much each, and when the last was."""

    requests: int
    nano_usd: int
    last_s: float


class Demand:
    """What each tenant's requests take."""

    def __init__(self, clock: Clock, busy_requests: int) -> None:
        """Take the time, and after how many requests without a pause of a minute a tenant is busy."""
        self._busy_requests = busy_requests
        self._clock = clock
        self._tenants: OrderedDict[str, _Recent] = OrderedDict()

    def note(self, tenant: str, nano_usd: int) -> None:
        """Note a request that takes so much."""
        now_s = self._clock.now_s()
        recent = self._tenants.get(tenant)
        if recent is None or now_s - recent.last_s > _PAUSE_S:
            recent = self._tenants[tenant] = _Recent(0, nano_usd, now_s)
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > _MOST_REMEMBERED:
            self._tenants.popitem(last=False)
        recent.requests += 1
        recent.nano_usd = (7 * recent.nano_usd + nano_usd) // 8
        recent.last_s = now_s

    def mean(self, tenant: str) -> int:
        """Return what the last requests of the tenant took, on average."""
        recent = self._tenants.get(tenant)
        return 0 if recent is None else recent.nano_usd

    def typical(self, tenant: str) -> int | None:
        """Return what a request of the tenant takes typically; None while it is not busy, or takes nothing."""
        recent = self._tenants.get(tenant)
        return recent.nano_usd or None if recent and recent.requests > self._busy_requests else None
