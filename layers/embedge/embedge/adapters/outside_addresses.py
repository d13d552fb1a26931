"""Which addresses has a host, where all of them lie outside? They are looked up and checked when they are used.

Whoever writes a route decides where requests go; a name that resolves to this machine, to the metadata service or into
the team's own network would be a way in.
"""

import asyncio
import socket

from embedge.core.address import is_outside


class LiesInside(OSError):
    """An address of the host lies inside."""


async def outside_addresses(host: str, port: int) -> list[str]:
    """Return every address, in the resolver's order. Raises: LiesInside where one is not outside; OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise OSError(f"{host} could not be resolved") from fault
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    # A name that leads inside and outside is not one to guess about.
    if not all(is_outside(address) for address in addresses):
        raise LiesInside(f"{host} lies inside, and its target is not private")
    return addresses
