"""How do bytes travel over HTTP? Over kept connections, redirects refused, answers capped, nothing inside reached."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from embedge.adapters.late_httpx import httpx
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from embedge.core.route import Target

# 2048 vectors of 4096 float32 in base64 are 45 MB.
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
_MOST_URLS = 256


class HttpxTransport:
    """The Transport port over httpx: plain calls by a transport of ours, HTTP/2 and proxies by httpx's client."""

    def __init__(self) -> None:
        """Make each way when it is first needed: its TLS context alone takes tens of milliseconds."""
        self._ways: dict[tuple[bool, bool], _Way] = {}

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
        response = await self._way(target).send(_asked(target, request))
        try:
            return WireResponse(response.status_code, dict(response.headers), await _read(response))
        finally:
            await response.aclose()

    def _way(self, target: Target) -> _Way:
        """Return the way of all targets of its kind: a private target's connections are never another's."""
        kind = (target.private, target.http2)
        if kind not in self._ways:
            plain = not target.http2 and not _has_proxy()
            self._ways[kind] = _plain(target) if plain else _by_httpx(target)
        return self._ways[kind]

    async def close(self) -> None:
        """Close every connection."""
        while self._ways:
            _, way = self._ways.popitem()
            await way.close()


@dataclass(frozen=True, slots=True)
class _Way:
    """How targets of a kind are sent to. The body of what `send` returns is still to be read."""

    send: Callable[[httpx.Request], Awaitable[httpx.Response]]
    close: Callable[[], Awaitable[None]]


def _has_proxy() -> bool:
    from urllib.request import getproxies  # noqa: PLC0415 (httpx asks the same; a start is not to pay for it)

    return any(scheme in ("http", "https", "all") for scheme in getproxies())


def _plain(target: Target) -> _Way:
    from embedge.adapters import http_connections as direct  # noqa: PLC0415 (it loads httpx)

    opened = direct.open_anywhere if target.private else direct.open_outside
    kept = direct.KeptConnections(opened, httpx.create_ssl_context, _LARGEST_ANSWER_BYTES)
    return _Way(kept.handle_async_request, kept.aclose)


def _by_httpx(target: Target) -> _Way:
    from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415 (most processes never need them)

    from embedge.adapters.network_guard import OutsideOnly  # noqa: PLC0415 (it loads httpcore)

    limits = httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=60)
    # All tenants share the client, so a server's cookies would tie one's calls to another's.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    client = httpx.AsyncClient(limits=limits, follow_redirects=False, cookies=no_cookies, http2=target.http2)
    if not target.private:
        # httpx has no place for a backend of one's own, httpcore has. A client that was given a transport would not
        # look for proxies in the environment; through those it is the proxy that connects, and that may reach inside.
        pool = cast("Any", client)._transport._pool  # noqa: SLF001
        pool._network_backend = OutsideOnly(pool._network_backend)  # noqa: SLF001
    return _Way(partial(client.send, stream=True), client.aclose)


def _asked(target: Target, request: WireRequest) -> httpx.Request:
    """Return the request as httpx has it. Raises: httpx.InvalidURL, UnicodeError."""
    # Base64 of floats packs to three quarters, and unpacking a hundred vectors takes milliseconds.
    always = {"user-agent": f"python-httpx/{httpx.__version__}", "accept-encoding": "identity"}
    limits_s = {
        "connect": target.connect_timeout_s,
        "pool": target.connect_timeout_s,
        "read": target.read_timeout_s,
        "write": target.read_timeout_s,
    }
    return httpx.Request(
        "POST",
        _url(target.endpoint, request.path),
        headers=always | dict(request.headers),
        content=request.body,
        extensions={"timeout": limits_s},
    )


@lru_cache(_MOST_URLS)
def _url(endpoint: str, path: str) -> httpx.URL:
    """Put the path before the endpoint's query, where it has one: Azure's carries an `api-version`."""
    base, mark, query = endpoint.partition("?")
    return httpx.URL(base.rstrip("/") + path + mark + query)


async def _read(response: httpx.Response) -> bytes:
    parts, size_bytes = list[bytes](), 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > _LARGEST_ANSWER_BYTES:
            raise NoAnswer
    return b"".join(parts)
