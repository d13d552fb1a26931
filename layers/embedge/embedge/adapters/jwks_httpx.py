"""How are an issuer's keys fetched? By https alone, from where the configuration says, quickly, at most 64 KB."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from embedge.adapters.late_httpx import httpx
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from embedge.core.issuer import PublishedKeys

_LIMIT_S = 2.0
_LARGEST_BYTES = 64 * 1024


class HttpxKeyDocuments:
    """The KeyDocuments port over httpx. No connection is kept: it would be dead when it is needed again."""

    async def fetch(self, published: PublishedKeys) -> bytes:
        """Return what is there. Raises: ServiceUnavailable for anything but a small answer with the status 200."""
        if not published.url.startswith("https://"):
            raise _not_had()
        try:
            async with (
                asyncio.timeout(_LIMIT_S),
                _client(published) as client,
                client.stream("GET", published.url, headers={"accept": "application/json"}) as response,
            ):
                return await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, UnicodeError) as error:
            raise _not_had() from error


def _client(published: PublishedKeys) -> httpx.AsyncClient:
    client = httpx.AsyncClient(follow_redirects=False, timeout=_LIMIT_S)
    if not published.private:
        from embedge.adapters.network_guard import OutsideOnly  # noqa: PLC0415 (it loads httpcore)

        # As in transport_httpx, where it says why so.
        pool = cast("Any", client)._transport._pool  # noqa: SLF001
        pool._network_backend = OutsideOnly(pool._network_backend)  # noqa: SLF001
    return client


async def _read(response: httpx.Response) -> bytes:
    if response.status_code != 200:  # noqa: PLR2004 (HTTP's own number)
        raise _not_had()
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise _not_had()
    return bytes(body)


def _not_had() -> ServiceUnavailable:
    return ServiceUnavailable("The keys of this token's issuer could not be fetched.", retry_after_s=5)
