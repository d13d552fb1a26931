"""How is it made sure that a connection of httpcore's goes outside? The address is checked when it is used."""

import asyncio
from collections.abc import Iterable

import httpcore
from typing_extensions import override

from embedge.adapters.outside_addresses import outside_addresses

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
            return await outside_addresses(host, port)
    except TimeoutError as late:
        raise httpcore.ConnectTimeout(f"{host} could not be resolved in time") from late
    except OSError as fault:
        raise httpcore.ConnectError(str(fault)) from fault
