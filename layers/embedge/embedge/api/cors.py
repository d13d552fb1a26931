"""Which pages in a browser may read the answers? The origins that the deployment names; where it names none, none.

Outside the envelope, so that its headers are on every answer, those to our own faults too. A preflight carries no token
(https://fetch.spec.whatwg.org/#cors-preflight-fetch) and is answered in an envelope of its own. Cookies are never asked
for: the token is in a header, so `*` gives nobody's rights to a page.
"""

from collections.abc import Callable
from typing import cast

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from embedge.api.error_table import error_answer
from embedge.errors import InvalidValue

# Chrome remembers a preflight for no longer: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age
_REMEMBERED_S = 7200


class Cors(CORSMiddleware):
    """ASGI middleware around the envelope."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...], enveloped: Callable[[ASGIApp], ASGIApp]) -> None:
        """Take what is inside, who may ask, and what puts the headers of every answer on a preflight's."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            # What is asked for is allowed: openai's SDKs send a dozen `x-stainless-` headers, and new ones every year.
            allow_headers=("*",),
            # All headers, which `*` means where no cookies are sent.
            expose_headers=("*",),
            max_age=_REMEMBERED_S,
        )
        self._enveloped = enveloped

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or put the headers on what the API answers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _is_preflight(scope["method"], headers):
            await self._enveloped(self.preflight_response(headers))(scope, receive, send)
        else:
            await self.simple_response(scope, receive, send, headers)

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the answer to a preflight; a refusal in the shape of all errors."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:  # noqa: PLR2004 (HTTP's own number)
            return answer
        why = cast("bytes", answer.body).decode()
        refused = InvalidValue(f"{why}. Pages may send GET and POST, from the origins that this deployment names.")
        error = error_answer(refused, "")
        headers = {"vary": answer.headers["vary"], **error.headers}
        return Response(error.body, error.status, headers, "application/json")


def _is_preflight(method: str, headers: Headers) -> bool:
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers
