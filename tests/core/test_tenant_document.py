"""Does a tenant's document mean what its operator has said, and nothing where nobody has said anything?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.request import NO_LIMIT, Limits, ModelRate
from embedge.core.tenant_document import Block, TenantDocument, blocks_in, is_blocked, parse_block, parse_tenant
from embedge.errors import InvalidValue

DEFAULTS = Limits(60, 1000, 10**9, 10**10, NO_LIMIT)

_rates = st.none() | st.integers(1, 10**12) | st.just(NO_LIMIT)
_money = st.none() | st.integers(0, NO_LIMIT - 10**9) | st.just(NO_LIMIT)
_documents = st.builds(
    TenantDocument,
    version=st.integers(1, 2**53 - 1),
    day_nano_usd=_money,
    month_nano_usd=_money,
    total_nano_usd=_money,
    requests_per_minute=_rates,
    tokens_per_minute=_rates,
    models=st.lists(st.from_regex(r"[a-z*/-]{1,20}", fullmatch=True), max_size=5).map(tuple),
    model_rates=st.lists(
        st.builds(
            ModelRate, st.from_regex(r"[a-z*]{1,9}", fullmatch=True), st.none() | st.integers(1, 9), st.integers(1, 9)
        ),
        max_size=3,
        unique_by=lambda rate: rate.pattern,
    ).map(tuple),
    over_limit_percent=st.integers(0, 1000),
    tier=st.sampled_from(["auto", "default", "flex"]),
)


@given(_documents)
def test_what_is_kept_is_read_as_it_was_said(document: TenantDocument) -> None:
    assert parse_tenant(document.text()) == document


def test_the_documents_form_is_that_which_its_module_shows() -> None:
    shown = {"version": 3, "budget_usd": {"month": "50", "day": "5.5", "total": "none"}, "requests_per_minute": 600}
    read = parse_tenant(json.dumps({**shown, "tokens_per_minute": "none", "models": ["text-*"], "tier": "flex"}))
    assert read == TenantDocument(3, 5_500_000_000, 50 * 10**9, NO_LIMIT, 600, NO_LIMIT, (), ("text-*",), "flex")


def test_what_nobody_has_said_is_the_deployments_default_and_what_somebody_has_said_is_not() -> None:
    assert TenantDocument().limits(DEFAULTS) == DEFAULTS
    rate = ModelRate("text-*", 5)
    said = TenantDocument(4, 0, None, 5, 7, model_rates=(rate,), over_limit_percent=50).limits(DEFAULTS)
    assert said == Limits(7, 1000, 0, 10**10, 5, 4, (rate,), 50)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"version": 0},
        {"version": "1"},
        {"version": 1, "budget": {}},
        {"version": 1, "budget_usd": {"day": "-1"}},
        {"version": 1, "budget_usd": {"day": "NaN"}},
        {"version": 1, "budget_usd": {"day": "Infinity"}},
        {"version": 1, "budget_usd": {"day": "1000000000"}},
        {"version": 1, "budget_usd": {"day": "0.0000000001"}},
        {"version": 1, "budget_usd": {"week": "1"}},
        {"version": 1, "requests_per_minute": 0},
        {"version": 1, "requests_per_minute": True},
        {"version": 1, "requests_per_minute": 1.5},
        {"version": 1, "tokens_per_minute": "all"},
        {"version": 1, "models": "text-*"},
        {"version": 1, "models": [""]},
        {"version": 1, "tier": "over-limit"},
        {"version": 1, "model_rates": {"text-*": {"requests": 5}}},
        {"version": 1, "over_limit_percent": -1},
    ],
    ids=json.dumps,
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        parse_tenant(json.dumps(wrong))


def test_a_tenant_is_blocked_while_any_source_says_so() -> None:
    by, lifted = Block(blocked=True, at_s=1.5, reason="spends too fast").text(), Block(blocked=False, at_s=2).text()
    assert is_blocked(blocks_in({"BLOCK#operator": by, "BLOCK#guard#burn": lifted}))
    assert is_blocked(blocks_in({"BLOCK#operator": lifted, "BLOCK#guard#burn": by}))
    assert not is_blocked(blocks_in({"BLOCK#operator": lifted, "CONF": by}))
    assert not is_blocked(blocks_in({}))
    assert blocks_in({"BLOCK#guard#burn": by, "CONF": "{}"}) == {"guard#burn": parse_block(by)}


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"blocked": 0, "at_s": 1}', '{"blocked": false}', "null"])
def test_what_cannot_be_read_of_a_block_blocks(damaged: str) -> None:
    assert is_blocked(blocks_in({"BLOCK#operator": damaged}))
