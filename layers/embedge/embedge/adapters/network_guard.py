"""How is it made sure that a connection goes outside? The address is checked when it is used, whatever its name said.

Whoever writes a route decides where requests go; a name that resolves to this machine, to the metadata service or into
the team's own network would be a way in.
"""

import asyncio
import socket
from collections.abc import Iterable

import httpcore
from typing_extensions import override

from embedge.core.address import is_outside

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class OutsideOnly(httpcore.AsyncNetworkBackend):
    """Connects as another backend does, but only to addresses that lie outside."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        """Take who connects."""
        self._inner = inner

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers. Raises: ConnectError where one lies inside."""
        failure = httpcore.ConnectError(f"no address of {host} could be connected to")
        for address in await _addresses(host, port, timeout):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as refused:
                failure = refused
        raise failure

    @override
    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _addresses(host: str, port: int, timeout_s: float | None) -> list[str]:
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as late:
        raise httpcore.ConnectTimeout(f"{host} could not be resolved in time") from late
    except (OSError, UnicodeError) as fault:
        raise httpcore.ConnectError(f"{host} could not be resolved") from fault
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    # A name that leads inside and outside is not one to guess about.
    if not all(is_outside(address) for address in addresses):
        raise httpcore.ConnectError(f"{host} lies inside, and its target is not private")
    return addresses
