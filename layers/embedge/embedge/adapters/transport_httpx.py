"""How do bytes travel over HTTP? Over pooled connections, redirects refused, answers capped, nothing inside reached."""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

from embedge.adapters.late_httpx import httpx
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse

if TYPE_CHECKING:
    from embedge.core.route import Target

# 2048 vectors of 4096 float32 in base64 are 45 MB.
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024


class HttpxTransport:
    """The Transport port over httpx."""

    def __init__(self) -> None:
        """Make each client when it is first needed: its TLS context alone takes tens of milliseconds."""
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        """POST once. Raises: NotSent where no connection was had; TimedOut, NoAnswer after that."""
        try:
            async with asyncio.timeout(target.read_timeout_s):  # httpx's own starts anew with every byte
                return await self._send(target, request)
        except (httpx.LocalProtocolError, UnicodeError, OverflowError):
            raise NotSent from None  # it cannot be written, and their messages quote it: a key, perhaps
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.InvalidURL,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
        ) as fault:
            raise NotSent from fault
        except (TimeoutError, httpx.TimeoutException) as fault:
            raise TimedOut from fault
        except httpx.HTTPError as fault:
            raise NoAnswer from fault

    async def _send(self, target: Target, request: WireRequest) -> WireResponse:
        timeout = httpx.Timeout(target.read_timeout_s, connect=target.connect_timeout_s, pool=target.connect_timeout_s)
        async with self._client(target).stream(
            "POST",
            _url(target.endpoint, request.path),
            content=request.body,
            headers=dict(request.headers),
            timeout=timeout,
        ) as response:
            return WireResponse(response.status_code, dict(response.headers), await _read(response))

    def _client(self, target: Target) -> httpx.AsyncClient:
        """Return the client of all targets of its kind: a private target's connections are never another's."""
        kind = (target.private, target.http2)
        if kind not in self._clients:
            self._clients[kind] = _made(private=target.private, http2=target.http2)
        return self._clients[kind]

    async def close(self) -> None:
        """Close every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()


def _made(*, private: bool, http2: bool) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=60)
    # All tenants share the client, so a server's cookies would tie one's calls to another's.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    client = httpx.AsyncClient(limits=limits, follow_redirects=False, cookies=no_cookies, http2=http2)
    if not private:
        from embedge.adapters.network_guard import OutsideOnly  # noqa: PLC0415 (it loads httpcore)

        # httpx has no place for a backend of one's own, httpcore has. A client that was given a transport would not
        # look for proxies in the environment; through those it is the proxy that connects, and that may reach inside.
        pool = cast("Any", client)._transport._pool  # noqa: SLF001
        pool._network_backend = OutsideOnly(pool._network_backend)  # noqa: SLF001
    return client


def _url(endpoint: str, path: str) -> str:
    """Put the path before the endpoint's query, where it has one: Azure's carries an `api-version`."""
    base, mark, query = endpoint.partition("?")
    return base.rstrip("/") + path + mark + query


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise NoAnswer
    return bytes(body)
