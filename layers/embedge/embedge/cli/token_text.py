"""How is a token shown to an operator? What it says, and what a router makes of it."""

import json
from collections.abc import Iterator

from embedge.cli.times import utc
from embedge.core.request import Principal
from embedge.core.token_form import TokenForm
from embedge.errors import EmbedgeError

_TIMES = ("iat", "nbf", "exp")
# datetime's last year is 9999.
_LATEST_S = 253_402_300_799


def token_lines(form: TokenForm, verdict: Principal | EmbedgeError) -> Iterator[str]:
    """Yield the header and the claims, a name a line, and then the verdict."""
    for name, value in (*form.header.items(), *form.claims.items()):
        readable = name in _TIMES and isinstance(value, int | float) and 0 <= value <= _LATEST_S
        when = f"  ({utc(value)})" if readable and isinstance(value, int | float) else ""
        yield f"{name:<8} {json.dumps(value)}{when}"
    yield ""
    if isinstance(verdict, EmbedgeError):
        yield f"Refused: {verdict.message}"
        return
    scopes = " ".join(sorted(verdict.scopes)) or "none"
    models = ", and ".join(" or ".join(models) for models in (verdict.models, *verdict.narrower_models))
    yield f"Taken: tenant {verdict.tenant}, scopes {scopes}, models {models}, tier {verdict.tier}"
    if verdict.exempt:
        yield "No rate binds it."
    yield f"Known as {verdict.token_id} of {verdict.issuer}"
