"""How is a connection to DynamoDB opened? A socket that never blocks, under TLS where somebody is to be trusted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from traceback import walk_tb
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Address: TypeAlias = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def open_socket(host: str, port: int, trusted: ssl.SSLContext | None) -> socket.socket:
    """Connect to the first address of the host that answers, and see its certificate. Raises: OSError, ValueError."""
    failure = OSError(f"{host} has no address")
    for address in await _addresses(host, port):
        try:
            connected = await _connected(address)
        except OSError as refused:
            failure = refused
        else:
            return connected if trusted is None else await _secured(connected, host, trusted)
    raise failure


async def _addresses(host: str, port: int) -> Sequence[_Address]:
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)  # asks nobody
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connected(address: _Address) -> socket.socket:
    family, kind, protocol, _, where = address
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made


async def _secured(connected: socket.socket, host: str, trusted: ssl.SSLContext) -> ssl.SSLSocket:
    loop = asyncio.get_running_loop()
    try:
        secured = trusted.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
    except BaseException as error:  # it was reset meanwhile
        connected.close()
        _close_half_wrapped(error)
        raise
    try:
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(secured.fileno(), loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(secured.fileno(), loop.add_writer, loop.remove_writer)
            else:
                return secured
    except BaseException:
        secured.close()
        raise


def _close_half_wrapped(error: BaseException) -> None:
    """Close what was being wrapped, which Python 3.11 leaves open, and nobody but the error still has."""
    for frame, _ in walk_tb(error.__traceback__):
        half_wrapped: object = frame.f_locals.get("self")
        if isinstance(half_wrapped, ssl.SSLSocket):
            half_wrapped.close()


async def _ready(
    number: int, watch: Callable[[int, Callable[[], None]], object], ignore: Callable[[int], object]
) -> None:
    """Wait until a socket, by its number, is ready for what is watched."""
    ready = asyncio.Event()
    watch(number, ready.set)
    try:
        await ready.wait()
    finally:
        ignore(number)
