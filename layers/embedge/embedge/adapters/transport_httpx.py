"""How do bytes travel over HTTP? One pooled client, redirects refused, answers capped."""

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from embedge.core.route import Target
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse

# 2048 vectors of 4096 float32 in base64 are 45 MB.
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024


class HttpxTransport:
    """The Transport port over httpx."""

    def __init__(self) -> None:
        """Make the client when it is first needed: its TLS context alone takes tens of milliseconds."""
        self._client: httpx.AsyncClient | None = None

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
        async with self._made().stream(
            "POST",
            target.endpoint + request.path,
            content=request.body,
            headers=dict(request.headers),
            timeout=timeout,
        ) as response:
            return WireResponse(response.status_code, dict(response.headers), await _read(response))

    def _made(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=60)
            # All tenants share the client, so a server's cookies would tie one's calls to another's.
            no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            self._client = httpx.AsyncClient(limits=limits, follow_redirects=False, cookies=no_cookies)
        return self._client

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise NoAnswer
    return bytes(body)
