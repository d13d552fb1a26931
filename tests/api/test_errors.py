"""What does a client see of an error? A true one, in OpenAI's shape, that says what to do and repeats nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from embedge import errors
from embedge.api.error_table import TABLE, error_answer
from embedge.core.request import MAX_BODY_BYTES
from tests.api.client import KEYS, Caller, error_of
from tests.embed.world import LIMITS, MODEL, Deed, Setup

if TYPE_CHECKING:
    import httpx

SECRET = "the caller's own text"


def leaves(kind: type[errors.EmbedgeError]) -> list[type[errors.EmbedgeError]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [kind]


def test_the_table_is_total_and_has_a_row_for_nothing_else() -> None:
    assert set(leaves(errors.EmbedgeError)) == set(TABLE)


def test_no_error_has_a_status_on_which_clients_retry_for_ever() -> None:
    assert not {409, 422} & {row.status for row in TABLE.values()}


@pytest.mark.parametrize("kind", list(TABLE))
def test_a_client_is_told_to_retry_only_where_that_can_help(kind: type[errors.EmbedgeError]) -> None:
    may_pass = TABLE[kind].retry and TABLE[kind].status in {429, 502, 503, 504}
    soon = error_answer(kind("m", retry_after_s=0.2), "id").headers
    late = error_answer(kind("m", retry_after_s=10_000), "id").headers
    now = error_answer(kind("m", retry_after_s=0.0), "id").headers
    if may_pass:
        assert (soon["retry-after"], soon["retry-after-ms"]) == ("1", "200")
        assert (late["retry-after"], late["retry-after-ms"]) == ("60", "60000")
        assert (now["retry-after"], now["retry-after-ms"]) == ("1", "1")
    for said in (soon, late, now):
        assert ("retry-after" in said, said.get("x-should-retry")) == (may_pass, None if may_pass else "false")


def test_a_request_that_no_minute_can_hold_is_not_to_be_tried_again() -> None:
    never = error_answer(errors.TokenRateLimited("m"), "id").headers
    assert never == {"x-should-retry": "false"}


BODIES: list[tuple[bytes | dict[str, Any], int, str | None, str]] = [
    (b"", 400, None, "invalid_json"),
    (b"{", 400, None, "invalid_json"),
    (b"\xff\xfe{}", 400, None, "invalid_json"),
    (b"[]", 400, None, "invalid_json"),
    (b'"text"', 400, None, "invalid_json"),
    (b'{"model": "' + MODEL.encode() + b'", "input": "\\ud800"}', 400, None, "invalid_json"),
    (b'{"model": NaN, "input": "a"}', 400, None, "invalid_json"),
    (b"[" * 100_000, 400, None, "invalid_json"),
    ({"input": "a"}, 400, "model", "missing_required_parameter"),
    ({"model": None, "input": "a"}, 400, "model", "missing_required_parameter"),
    ({"model": MODEL}, 400, "input", "missing_required_parameter"),
    ({"model": MODEL, "input": None}, 400, "input", "missing_required_parameter"),
    ({"model": 3, "input": "a"}, 400, "model", "invalid_type"),
    ({"model": "", "input": "a"}, 400, "model", "invalid_value"),
    ({"model": MODEL, "input": {}}, 400, "input", "invalid_type"),
    ({"model": MODEL, "input": 3}, 400, "input", "invalid_type"),
    ({"model": MODEL, "input": True}, 400, "input", "invalid_type"),
    ({"model": MODEL, "input": ""}, 400, "input", "invalid_value"),
    ({"model": MODEL, "input": []}, 400, "input", "empty_array"),
    ({"model": MODEL, "input": ["a", ""]}, 400, "input[1]", "invalid_value"),
    ({"model": MODEL, "input": ["a", None]}, 400, "input[1]", "invalid_type"),
    ({"model": MODEL, "input": ["a", 1]}, 400, "input[1]", "invalid_type"),
    ({"model": MODEL, "input": [1, "a"]}, 400, "input", "invalid_type"),
    ({"model": MODEL, "input": [1.5]}, 400, "input[0]", "invalid_type"),
    ({"model": MODEL, "input": [True]}, 400, "input[0]", "invalid_type"),
    ({"model": MODEL, "input": [-1]}, 400, "input", "invalid_value"),
    ({"model": MODEL, "input": [2**40]}, 400, "input", "invalid_value"),
    ({"model": MODEL, "input": [[]]}, 400, "input[0]", "invalid_value"),
    ({"model": MODEL, "input": [["a"]]}, 400, "input[0]", "invalid_type"),
    ({"model": MODEL, "input": ["a"] * 2049}, 400, "input", "array_above_max_length"),
    ({"model": MODEL, "input": "a", "dimensions": 0}, 400, "dimensions", "invalid_value"),
    ({"model": MODEL, "input": "a", "dimensions": -3}, 400, "dimensions", "invalid_value"),
    ({"model": MODEL, "input": "a", "dimensions": 10**30}, 400, "dimensions", "invalid_type"),
    ({"model": MODEL, "input": "a", "dimensions": 9}, 400, "dimensions", "invalid_value"),
    ({"model": MODEL, "input": "a", "dimensions": "3"}, 400, "dimensions", "invalid_type"),
    ({"model": MODEL, "input": "a", "dimensions": 3.0}, 400, "dimensions", "invalid_type"),
    ({"model": MODEL, "input": "a", "dimensions": True}, 400, "dimensions", "invalid_type"),
    ({"model": MODEL, "input": "a", "encoding_format": "hex"}, 400, "encoding_format", "invalid_value"),
    ({"model": MODEL, "input": "a", "encoding_format": 1}, 400, "encoding_format", "invalid_type"),
    ({"model": MODEL, "input": "a", "user": 1}, 400, "user", "invalid_type"),
    ({"model": MODEL, "input": "a", "service_tier": "gold"}, 400, "service_tier", "invalid_value"),
    ({"model": MODEL, "input": "a", "truncate": True}, 400, "truncate", "unknown_parameter"),
    ({"model": "gpt-4o", "input": "a"}, 404, "model", "model_not_found"),
    ({"model": f"{MODEL} ", "input": "a"}, 404, "model", "model_not_found"),
]


@pytest.mark.parametrize(("body", "status", "param", "code"), BODIES)
async def test_a_bad_body_is_refused_by_name_and_nothing_is_sent(
    body: bytes | dict[str, Any], status: int, param: str | None, code: str
) -> None:
    caller = Caller()
    response = await caller.embed(body)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (status, param, code)
    assert caller.world.server.asked == []
    assert await caller.world.charged_nano_usd() == 0


async def test_a_message_never_repeats_the_input() -> None:
    for body in (
        {"model": MODEL, "input": [SECRET, 1]},
        {"model": SECRET, "input": "a"},
        {"model": MODEL, "input": "a", "user": [SECRET]},
        {"model": MODEL, "input": "a", "encoding_format": SECRET},
    ):
        assert SECRET not in (await Caller().embed(body)).text
    assert SECRET not in (await Caller().embed(json.dumps({"input": SECRET})[:-3].encode())).text


async def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_read() -> None:
    caller = Caller()
    frame = len(json.dumps({"model": MODEL, "input": ""}))
    at = {"model": MODEL, "input": "a" * (MAX_BODY_BYTES - frame)}
    over = {"model": MODEL, "input": "a" * (MAX_BODY_BYTES - frame + 1)}
    assert error_of(await caller.embed(over))["code"] == "request_too_large"
    assert (await caller.embed(at)).status_code != 413


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_not_declared_as_json_is_415(content_type: str) -> None:
    caller = Caller()
    headers = {"authorization": f"Bearer {caller.token()}", "content-type": content_type}
    response = await caller.send("POST", "/v1/embeddings", content=b'{"model":"m","input":"a"}', headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (415, "unsupported_media_type")


async def test_json_with_a_charset_is_json() -> None:
    caller = Caller()
    headers = {"authorization": f"Bearer {caller.token()}", "content-type": "Application/JSON; charset=utf-8"}
    body = json.dumps({"model": MODEL, "input": "a"}).encode()
    assert (await caller.send("POST", "/v1/embeddings", content=body, headers=headers)).status_code == 200


async def refused(caller: Caller, credential: str | None) -> tuple[int, str]:
    headers = {"content-type": "application/json"} | ({"authorization": credential} if credential is not None else {})
    # The body is nonsense: the token is looked at first.
    response = await caller.send("POST", "/v1/embeddings", content=b"nonsense", headers=headers)
    error = error_of(response)
    assert response.headers["www-authenticate"] == "Bearer"
    assert error["type"] == "invalid_request_error"
    return response.status_code, error["code"]


async def test_no_token_is_missing_and_anything_else_in_its_place_is_invalid() -> None:
    caller = Caller()
    assert await refused(caller, None) == (401, "missing_api_key")
    assert await refused(caller, "") == (401, "missing_api_key")
    good = caller.token()
    for credential in (
        "Bearer",
        "Basic abc",
        good,
        "Bearer x",
        "Bearer a.b.c",
        f"Bearer {good}x",
        f"Bearer {good} {good}",
    ):
        assert await refused(caller, credential) == (401, "invalid_api_key"), credential
    assert await refused(caller, f"Bearer {'x' * 1_000_000}") == (401, "invalid_api_key")


async def test_a_token_of_another_issuer_audience_or_tenantless_is_invalid() -> None:
    caller = Caller()
    for changes in (
        {"issuer": "other"},
        {"audience": "other"},
        {"tenant": ""},
        {"tenant": "a/b"},
        {"tenant": "x" * 65},
    ):
        assert await refused(caller, f"Bearer {caller.token(**changes)}") == (401, "invalid_api_key"), changes


async def test_an_expired_token_says_so_also_when_it_was_good_a_moment_ago() -> None:
    caller = Caller()
    token = caller.token()
    assert (await caller.embed({"model": MODEL, "input": "a"}, token=token)).status_code == 200
    caller.world.clock.pass_time(3600)
    assert await refused(caller, f"Bearer {token}") == (401, "token_expired")
    old = caller.token(expires_s=1)
    assert await refused(caller, f"Bearer {old}") == (401, "token_expired")


async def test_a_token_of_the_future_is_invalid() -> None:
    caller = Caller()
    token = caller.token(issued_s=int(caller.world.clock.now_s()) + 3600)
    assert await refused(caller, f"Bearer {token}") == (401, "invalid_api_key")


async def test_a_token_whose_key_was_taken_away_is_invalid_within_ten_minutes() -> None:
    caller = Caller()
    token = caller.token()
    assert (await caller.embed({"model": MODEL, "input": "a"}, token=token)).status_code == 200
    del caller.world.control.documents["KEYS", KEYS.kid]
    caller.world.clock.pass_time(601)
    assert await refused(caller, f"Bearer {token}") == (401, "invalid_api_key")


async def test_a_token_without_the_scope_is_forbidden() -> None:
    caller = Caller()
    response = await caller.embed({"model": MODEL, "input": "a"}, token=caller.token(scopes=("models",)))
    assert (response.status_code, error_of(response)["code"]) == (403, "insufficient_scope")


UPSTREAM: list[tuple[Deed, int, str]] = [
    ("busy", 503, "upstream_unavailable"),
    ("unreachable", 503, "upstream_unavailable"),
    ("breaks off", 503, "upstream_unavailable"),
    ("too slow", 504, "upstream_timeout"),
    ("refuses the key", 502, "upstream_rejected"),
    ("quota spent", 502, "upstream_rejected"),
    ("not JSON", 502, "upstream_invalid_response"),
    ("drops one", 502, "upstream_invalid_response"),
    ("adds one", 502, "upstream_invalid_response"),
    ("not finite", 502, "upstream_invalid_response"),
]


@pytest.mark.parametrize(("deed", "status", "code"), UPSTREAM)
async def test_what_the_upstream_does_wrong_is_never_the_caller_s_fault(deed: Deed, status: int, code: str) -> None:
    caller = Caller()
    caller.world.server.will(deed, times=9)
    response = await caller.ask(["a", "b"])
    error = error_of(response)
    assert (response.status_code, error["type"], error["code"]) == (status, "upstream_error", code)
    assert ("retry-after" in response.headers) == (code != "upstream_rejected")


async def test_a_provider_s_400_about_the_input_is_passed_on_without_its_secrets() -> None:
    caller = Caller()
    caller.world.server.will("refuses the input")
    response = await caller.ask(["a"])
    error = error_of(response)
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert "no: 1 inputs" in error["message"]
    assert "sk-" not in error["message"]


async def limited(setup: Setup, *texts: str) -> httpx.Response:
    caller = Caller(setup)
    for text in texts[:-1]:
        await caller.ask(text)
    return await caller.ask(texts[-1])


async def test_limits_are_429_and_say_when_to_come_back() -> None:
    response = await limited(Setup(limits=replace(LIMITS, requests_per_minute=1)), "a", "a")
    error = error_of(response)
    assert (response.status_code, error["type"], error["code"]) == (429, "requests", "rate_limit_exceeded")
    assert response.headers["retry-after"] == "60"
    assert rate_headers(response, "requests") == ("1", "0", "1m0s")
    response = await limited(Setup(limits=replace(LIMITS, tokens_per_minute=10)), "12345678", "abcdefgh")
    assert (response.status_code, error_of(response)["type"]) == (429, "tokens")
    assert rate_headers(response, "tokens") == ("10", "2", "48s")
    assert rate_headers(response, "requests") == ("100000", "99998", "2ms")
    assert response.headers["x-embedge-cost-usd"] == "0"


async def test_an_error_after_admission_says_what_is_left_of_the_rates_and_what_was_billed() -> None:
    caller = Caller()
    caller.world.server.will("not finite", times=3)
    response = await caller.ask("billed all the same")
    assert error_of(response)["code"] == "upstream_invalid_response"
    assert rate_headers(response, "requests") == ("100000", "99999", "1ms")
    assert rate_headers(response, "tokens")[0] == "100000000"
    assert float(response.headers["x-embedge-cost-usd"]) * 10**9 == pytest.approx(caller.world.server.billed_nano_usd)


async def test_an_error_before_admission_says_nothing_of_rates() -> None:
    response = await Caller().ask([])
    assert not [name for name in response.headers if name.startswith(("x-ratelimit", "x-embedge"))]


def rate_headers(response: httpx.Response, kind: str) -> tuple[str, ...]:
    return tuple(response.headers[f"x-ratelimit-{what}-{kind}"] for what in ("limit", "remaining", "reset"))


async def test_a_spent_budget_is_a_quota_that_no_client_retries() -> None:
    response = await limited(Setup(limits=replace(LIMITS, day_nano_usd=10)), "more than ten nano-dollars")
    error = error_of(response)
    assert (response.status_code, error["type"], error["code"]) == (429, "insufficient_quota", "insufficient_quota")
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers
    assert "resets at 2027-01-16T00:00:00Z" in error["message"]
    assert "rate limit" not in error["message"].lower()


async def test_an_unreachable_ledger_is_503_for_misses_and_nothing_for_hits() -> None:
    caller = Caller()
    await caller.ask("a")
    caller.world.table.down = True
    assert (await caller.ask("a")).status_code == 200
    response = await caller.ask("b")
    assert (response.status_code, error_of(response)["code"]) == (503, "service_unavailable")
    assert response.headers["retry-after"] == "5"


async def test_a_fault_of_our_own_tells_its_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller()
    caller.world.cache.raises = RuntimeError(SECRET)
    response = await caller.ask(SECRET)
    error = error_of(response)
    assert (response.status_code, error["type"], error["code"]) == (500, "server_error", "internal_error")
    assert response.headers["x-request-id"] in error["message"]
    assert "Error" in caplog.text
    assert SECRET not in caplog.text + response.text
    assert caller.records.seen[0][1] == 500


async def test_a_fault_in_any_other_call_tells_as_little(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def current(self) -> None:
            raise RuntimeError(SECRET)

    caller = Caller(routes=Broken())
    response = await caller.send("GET", "/health")
    error = error_of(response)
    assert (response.status_code, error["type"], error["code"]) == (500, "server_error", "internal_error")
    assert response.headers["x-request-id"] in error["message"]
    assert caplog.text.count("Error") == 1
    assert SECRET not in caplog.text + response.text
    assert [status for _, status in caller.records.seen] == [500]


async def test_a_client_that_leaves_during_its_upload_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller()
    sent: list[object] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/embeddings",
        "raw_path": b"/v1/embeddings",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"200")],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("embedge.test", 80),
        "client": ("client.test", 1),
    }
    heard: list[dict[str, object]] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return heard.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    await caller.app(scope, receive, send)
    assert (sent, [status for _, status in caller.records.seen]) == ([], [499])
    assert "internal error" not in caplog.text


async def test_one_input_that_no_call_can_carry_is_named_before_it_is_sent() -> None:
    caller = Caller(Setup(body_bytes=100))
    response = await caller.ask(["fits", "x" * 101])
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, "input[1]", "invalid_value")
    assert "100 bytes" in error["message"]
    assert caller.world.server.asked == []


@pytest.mark.parametrize("model", ["x%0d%0aX", "%0a", "x%0a", "a%00b", "%e2%80%a8", "a/b%2fc", "x%3fy%23z", "%ff"])
async def test_a_model_whose_name_is_strange_is_a_model_that_is_not_found(model: str) -> None:
    caller = Caller()
    response = await caller.send("GET", f"/v1/models/{model}", headers={"authorization": f"Bearer {caller.token()}"})
    assert (response.status_code, error_of(response)["code"]) == (404, "model_not_found")
