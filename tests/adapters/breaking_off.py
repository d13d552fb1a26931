"""In which ways does a server's answer break off, or never end, once the request has been heard?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.adapters.http_stub import Heard, Reply

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"


async def _reset_at_once(reply: Reply, _: Heard) -> None:
    reply.reset()


async def _close_at_once(reply: Reply, _: Heard) -> None:
    reply.close()


async def _reset_in_the_head(reply: Reply, _: Heard) -> None:
    await reply.send(_HEAD[:-3])
    reply.reset()


async def _reset_after_the_head(reply: Reply, _: Heard) -> None:
    await reply.send(_HEAD, b"", pause_s=0.01)
    reply.reset()


async def _half_a_body(reply: Reply, _: Heard) -> None:
    await reply.send(_HEAD + b"half")
    reply.close()


async def _half_a_chunk(reply: Reply, _: Heard) -> None:
    await reply.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf")
    reply.close()


async def _no_http(reply: Reply, _: Heard) -> None:
    await reply.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    reply.close()


BREAKING_OFF = (
    _reset_at_once,
    _close_at_once,
    _reset_in_the_head,
    _reset_after_the_head,
    _half_a_body,
    _half_a_chunk,
    _no_http,
)


async def _silence(_: Reply, __: Heard) -> None:
    await asyncio.sleep(60)


async def _half_and_silence(reply: Reply, _: Heard) -> None:
    await reply.send(_HEAD + b"half")
    await asyncio.sleep(60)


async def _trickle(reply: Reply, _: Heard) -> None:
    """Send a byte now and then: each in time, and all of them 20 seconds."""
    await reply.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 1000, pause_s=0.02)


NEVER_DONE = (_silence, _half_and_silence, _trickle)
