"""Does every client raise its own class for an error, say what was wrong, and not ask again where that cannot help?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from tests.clients.asked import Refused
from tests.clients.router import MINILM, REDUCIBLE
from tests.clients.table import those

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.clients.asked import Asked, Call, Input, Outcome
    from tests.clients.router import Router

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

Holder = Literal["stranger", "expired", "without scope", "of other models", "tenant"]


@dataclass(frozen=True, slots=True)
class Case:
    """An error, who meets it with which request, and what is then said."""

    status: int
    code: str | None
    param: str | None = None
    holder: Holder = "tenant"
    model: str = REDUCIBLE
    input: Input = field(default="a text", repr=False)
    dimensions: int | None = None
    about: str = ""

    def name(self) -> str:
        return " ".join(filter(None, (str(self.status), self.code, self.about)))

    def call(self, tenant: str) -> Call:
        call: Call = {"model": self.model.format(tenant=tenant), "input": self.input}
        return call if self.dimensions is None else {**call, "dimensions": self.dimensions}


CASES = (
    Case(401, "invalid_api_key", holder="stranger"),
    Case(401, "token_expired", holder="expired"),
    Case(403, "insufficient_scope", holder="without scope"),
    Case(403, "model_not_allowed", "model", holder="of other models"),
    Case(404, "model_not_found", "model", model="no-such-model"),
    Case(400, "invalid_value", "dimensions", dimensions=2000),
    Case(400, None, "input[0]", model="status-400", about="of the provider"),
    Case(502, "upstream_rejected", model="status-401"),
    Case(502, "upstream_invalid_response", model="nonsense-{tenant}"),
    Case(503, "upstream_unavailable", model="status-500"),
)
OF_TEXTS = (
    Case(400, "unsupported_parameter", "dimensions", model=MINILM, dimensions=256),
    Case(400, "context_length_exceeded", "input[0]", model=MINILM, input="word " * 300),
)
TOO_LARGE = Case(413, "request_too_large", input="a" * 4_500_000)
OF_WHAT_IS_PASSED_ON = (
    Case(400, "invalid_value", "input", input="", about="empty"),
    Case(400, "empty_array", "input", input=[]),
    Case(400, "array_above_max_length", "input", input=["a"] * 2049),
)


def key(holder: Holder, router: Router, tenant: str) -> str:
    match holder:
        case "stranger":
            return "sk-nobody-knows-it"
        case "expired":
            return router.token(tenant, lifetime_s=-10)
        case "without scope":
            return router.token(tenant, scopes=("models",))
        case "of other models":
            return router.token(tenant, models=("another-*",))
        case "tenant":
            return router.token(tenant)


def refused(client: Asked, router: Router, case: Case) -> None:
    """Hold what a client says of an error to what the table says that it does."""
    expected = client.client
    tenant = f"{expected.tenant()}-{case.name().replace(' ', '-')}"
    token = key(case.holder, router, tenant)
    call, retries = case.call(expected.tenant()), 1 if case.status < 500 else 0
    (outcome,) = client.outcomes(router.url, token, [call], retries=retries)
    assert isinstance(outcome, Refused), outcome
    assert outcome.kind == expected.raised(case.status, case.code)
    for told in expected.tells - {"request_id"}:
        assert getattr(outcome, told) == getattr(case, told)
    assert outcome.request_id or "request_id" not in expected.tells
    arrived = [] if case.status == 401 else [case.status]  # whose request it was is not known then
    assert router.statuses(tenant) == arrived


@pytest.mark.parametrize("case", CASES, ids=Case.name)
def test_an_error_is_the_client_s_own_and_says_what_was_wrong(client: Asked, router: Router, case: Case) -> None:
    refused(client, router, case)


@pytest.mark.parametrize("case", OF_TEXTS, ids=Case.name)
def test_so_is_an_error_about_a_text(client: Asked, router: Router, case: Case) -> None:
    refused(client, router, case)


@those(lambda client: not client.sends_tokens)  # those that do cut a text to pieces
def test_so_is_that_of_a_body_that_is_too_large(client: Asked, router: Router) -> None:
    refused(client, router, TOO_LARGE)


@those(lambda client: client.passes_on)
@pytest.mark.parametrize("case", OF_WHAT_IS_PASSED_ON, ids=Case.name)
def test_so_is_an_error_about_what_a_client_passes_on(client: Asked, router: Router, case: Case) -> None:
    refused(client, router, case)


def test_too_many_requests_a_minute_are_told_as_such(client: Asked, slow: Router) -> None:
    call: Call = {"model": REDUCIBLE, "input": f"the only one of {client.client.name}"}
    token = slow.token(client.client.tenant())
    (first,) = client.outcomes(slow.url, token, [call])
    (second,) = client.outcomes(slow.url, token, [call])
    assert isinstance(first, np.ndarray), first
    assert isinstance(second, Refused), second
    assert second.kind == client.client.raised(429, "rate_limit_exceeded")
    assert second.status == 429
    assert "rate limit" in second.message.lower()


@pytest.fixture(scope="module")
def broke(running: Mapping[str, Asked], moneyless: Router) -> Mapping[str, Outcome]:
    """What each client says where there is no money."""
    return at_once(running, moneyless, lambda _: REDUCIBLE)


@pytest.fixture(scope="module")
def came_back(running: Mapping[str, Asked], router: Router) -> Mapping[str, Outcome]:
    """What each client says of an upstream that fails one of its requests, and serves the next."""
    return at_once(running, router, lambda client: f"recovers-{client.client.tenant()}")


def at_once(running: Mapping[str, Asked], router: Router, model_for: Callable[[Asked], str]) -> Mapping[str, Outcome]:
    """Ask all clients together, since some of them wait, and let each try once more."""

    def ask(client: Asked) -> Outcome:
        token = router.token(f"{client.client.tenant()}-again")
        call: Call = {"model": model_for(client), "input": f"{client.client.name} does not give up"}
        return client.outcomes(router.url, token, [call], retries=1)[0]

    with ThreadPoolExecutor(len(running)) as pool:
        asked = {name: pool.submit(ask, client) for name, client in running.items()}
        return {name: waited.result() for name, waited in asked.items()}


def test_a_spent_budget_is_told_and_not_asked_for_again(
    client: Asked, broke: Mapping[str, Outcome], moneyless: Router
) -> None:
    outcome, expected = broke[client.client.name], client.client
    assert isinstance(outcome, Refused), outcome
    assert outcome.kind == expected.raised(429, "insufficient_quota")
    assert "code" not in expected.tells or outcome.code == "insufficient_quota"
    assert "rate limit" not in outcome.message.lower()
    tries = 1 if expected.heeds_should_retry else 2
    assert moneyless.statuses(f"{expected.tenant()}-again") == [429] * tries


def test_an_upstream_that_comes_back_costs_one_more_request_and_is_served(
    client: Asked, came_back: Mapping[str, Outcome], router: Router
) -> None:
    outcome, expected = came_back[client.client.name], client.client
    tenant = f"{expected.tenant()}-again"
    if expected.speaks_http:
        assert isinstance(outcome, Refused)
        assert router.statuses(tenant) == [503]
    else:
        assert isinstance(outcome, np.ndarray), outcome
        assert router.statuses(tenant) == [503, 200]
