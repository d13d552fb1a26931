"""Does one address ask too often? Counted in this process alone, in bounded memory.

The generic cell rate algorithm: a second's worth may come at once. Whoever has a network of IPv6 has 2**64 addresses,
so those of one /64 count together.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network

_SECOND_US = 1_000_000
_MOST_ADDRESSES = 10_000
_LONGEST_NAME = 64
_NETWORK_BITS = 64


def counted_as(address: str) -> str | None:
    """Return under which name an address counts; None for this machine's own, which count nowhere."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST_NAME]
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return None
    return str(ip_network((ip, _NETWORK_BITS), strict=False)) if isinstance(ip, IPv6Address) else str(ip)


class AddressRates:
    """What each address has asked lately; those that were quiet longest are forgotten first."""

    def __init__(self, per_second: int) -> None:
        """Take how many requests of one address pass in a second."""
        self._increment_us = max(1, _SECOND_US // per_second)
        self._arrivals_us: OrderedDict[str, int] = OrderedDict()

    def wait_us(self, address: str, now_us: int) -> int:
        """Count one request and return 0, or how long it has to wait: then it is not counted."""
        name = counted_as(address)
        if name is None:
            return 0
        arrival_us = max(self._arrivals_us.get(name, 0), now_us) + self._increment_us
        wait_us = arrival_us - now_us - _SECOND_US
        if wait_us > 0:
            return min(wait_us, _SECOND_US)
        self._arrivals_us[name] = arrival_us
        self._arrivals_us.move_to_end(name)
        if len(self._arrivals_us) > _MOST_ADDRESSES:
            self._arrivals_us.popitem(last=False)
        return 0
