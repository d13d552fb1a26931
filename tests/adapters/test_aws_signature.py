"""Is a request signed as botocore signs it, and is it the request that botocore would send?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.aws_signature import Signer
from embedge.core.aws_access import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


@given(
    st.builds(Credentials, _WORDS, _WORDS, st.just("") | _WORDS),
    st.sampled_from(["us-east-1", "eu-central-1"]),
    st.sampled_from(["dynamodb.us-east-1.amazonaws.com", "127.0.0.1:8000"]),
    st.binary(max_size=200),
    st.integers(0, 4_000_000_000),
)
def test_the_signature_is_botocores(credentials: Credentials, region: str, host: str, body: bytes, now_s: int) -> None:
    operation = "UpdateItem" if now_s % 2 else "BatchGetItem"
    head, _, sent = Signer(credentials, region, host).request(operation, body, now_s).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert (first, sent, headers["Content-Length"]) == ("POST / HTTP/1.1", body, str(len(body)))
    assert headers["Authorization"] == _as_botocore_signs(credentials, region, headers, body, now_s)


def test_a_days_key_is_not_kept_for_the_next_day() -> None:
    credentials = Credentials("id", "secret", "")
    signer = Signer(credentials, "us-east-1", "h")
    for now_s in (0, 86_399, 86_400, 0):
        alone = Signer(credentials, "us-east-1", "h").request("Query", b"{}", now_s)
        assert signer.request("Query", b"{}", now_s) == alone


def test_credentials_are_in_no_representation() -> None:
    assert "secret" not in repr(Credentials("id", "a secret", "a secret token"))


def _as_botocore_signs(
    credentials: Credentials, region: str, headers: Mapping[str, str], body: bytes, now_s: int
) -> str:
    """Sign what was sent, at the time that it says, with botocore's own code."""
    signed = {name: headers[name] for name in ("Content-Type", "X-Amz-Target", "X-Amz-Date")}
    request = AWSRequest("POST", f"http://{headers['Host']}/", signed, body)
    with pytest.MonkeyPatch.context() as clock:  # botocore asks its own clock
        clock.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(now_s, UTC))
        token = credentials.session_token or None
        theirs = BotocoreCredentials(credentials.access_key_id, credentials.secret_access_key, token)
        auth.SigV4Auth(theirs, "dynamodb", region).add_auth(request)
    authorization: Any = request.headers["Authorization"]
    return authorization
