"""Is every row of the table answered as it says, and does every message keep to its rules?"""

from __future__ import annotations

import re

import pytest

from embedge.api.error_table import OUR_FAULT, TABLE
from tests.api.client import error_of
from tests.api.provocations import PROVOCATIONS, SECRET, Provocation

ALL = pytest.mark.parametrize("provocation", [pytest.param(one, id=one.name) for one in PROVOCATIONS])


def test_every_row_is_provoked() -> None:
    assert {one.kind for one in PROVOCATIONS} == {*TABLE, None}
    assert len({one.name for one in PROVOCATIONS}) == len(PROVOCATIONS)


@ALL
async def test_a_client_sees_what_the_row_says(provocation: Provocation) -> None:
    row = OUR_FAULT if provocation.kind is None else TABLE[provocation.kind]
    response = await provocation.send()
    error = error_of(response)
    seen = (response.status_code, error["type"], error["param"], error["code"])
    assert seen == (row.status, row.type, provocation.param, row.code)
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get("www-authenticate") == ("Bearer" if row.status == 401 else None)
    assert ("allow" in response.headers) == (row.status == 405)


@ALL
async def test_a_client_is_told_when_to_try_again_or_not_to(provocation: Provocation) -> None:
    row = OUR_FAULT if provocation.kind is None else TABLE[provocation.kind]
    headers = (await provocation.send()).headers
    if row is OUR_FAULT:  # nobody knows whether it helps
        assert not {"retry-after", "retry-after-ms", "x-should-retry"} & headers.keys()
    elif row.retry and row.status in {429, 502, 503, 504} and "x-should-retry" not in headers:
        assert headers["retry-after"].isdecimal()
        assert 1 <= int(headers["retry-after"]) <= 60
        assert 1 <= int(headers["retry-after-ms"]) <= 60_000
        assert (int(headers["retry-after"]) - 1) * 1000 < int(headers["retry-after-ms"])
    else:
        assert headers["x-should-retry"] == "false"
        assert not {"retry-after", "retry-after-ms"} & headers.keys()


@ALL
async def test_clients_that_classify_by_text_classify_rightly(provocation: Provocation) -> None:
    """The phrases are those of litellm's exception mapping, read 2026-08."""
    error = error_of(await provocation.send())
    message, code = error["message"], error["code"]
    refused_token = {"invalid_api_key", "token_expired", "token_revoked"}
    assert ("Incorrect API key provided" in message) == (code in refused_token)
    too_long = re.search(r"This model's maximum context length is \d+ tokens", message)
    assert (too_long is not None) == (code == "context_length_exceeded")
    assert ("rate limit" in message.lower()) == (code == "rate_limit_exceeded")


@ALL
async def test_a_message_is_whole_sentences_and_repeats_nothing(provocation: Provocation) -> None:
    response = await provocation.send()
    message = error_of(response)["message"]
    for text in (SECRET, SECRET.replace(" ", ""), SECRET[::-1], "eyJ", "sk-"):
        assert text not in response.text
    assert message[0].isupper() or message[0] == "'"
    assert message[-1] in ".…" or message.endswith(response.headers["x-request-id"])
    assert message.isprintable()
    assert len(message) < 400
