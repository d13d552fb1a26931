"""Does a process start only in an environment that makes sense, and say which variable does not?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.request import NO_LIMIT
from embedge.settings import DEFAULT_LIMITS, AnswersBucket, Settings, SettingsError, Tables

TABLES = {
    "EMBEDGE_CONTROL_TABLE": "control",
    "EMBEDGE_LEDGER_TABLE": "ledger",
    "EMBEDGE_CACHE_TABLE": "cache",
}
RATES = ["EMBEDGE_DEFAULT_REQUESTS_PER_MINUTE", "EMBEDGE_DEFAULT_TOKENS_PER_MINUTE"]
BUDGETS = ["EMBEDGE_DEFAULT_BUDGET_USD_DAY", "EMBEDGE_DEFAULT_BUDGET_USD_MONTH"]


def read(**changes: str) -> Settings:
    return Settings.from_environ({**TABLES, **changes})


def test_three_tables_are_all_that_a_function_needs_to_be_told() -> None:
    settings = read()
    assert settings.state == Tables("control", "ledger", "cache")
    assert settings.limits == DEFAULT_LIMITS
    assert (settings.issuer, settings.audience, settings.service) == ("embedge", "embedge", "embedge")
    assert (settings.namespace, settings.log_level) == ("Embedge", "INFO")


@pytest.mark.parametrize("name", list(TABLES))
@pytest.mark.parametrize("value", [None, ""])
def test_a_table_that_is_missing_is_named(name: str, value: str | None) -> None:
    environ = {key: text for key, text in TABLES.items() if key != name} | ({} if value is None else {name: value})
    with pytest.raises(SettingsError, match=name):
        Settings.from_environ(environ)


def test_what_is_set_is_used() -> None:
    settings = read(
        EMBEDGE_ISSUER="https://issuer.test",
        EMBEDGE_AUDIENCE="api",
        EMBEDGE_DEFAULT_REQUESTS_PER_MINUTE="7",
        EMBEDGE_DEFAULT_TOKENS_PER_MINUTE="8",
        EMBEDGE_DEFAULT_BUDGET_USD_DAY="1.5",
        EMBEDGE_DEFAULT_BUDGET_USD_MONTH="0",
        POWERTOOLS_SERVICE_NAME="mine",
        POWERTOOLS_METRICS_NAMESPACE="Mine",
        POWERTOOLS_LOG_LEVEL="ERROR",
    )
    limits = settings.limits
    assert (limits.requests_per_minute, limits.tokens_per_minute) == (7, 8)
    assert (limits.day_nano_usd, limits.month_nano_usd, limits.total_nano_usd) == (1_500_000_000, 0, NO_LIMIT)
    assert (settings.issuer, settings.audience) == ("https://issuer.test", "api")
    assert (settings.service, settings.namespace, settings.log_level) == ("mine", "Mine", "ERROR")


@pytest.mark.parametrize("name", [*RATES, *BUDGETS, "EMBEDGE_ISSUER", "EMBEDGE_AUDIENCE", "POWERTOOLS_LOG_LEVEL"])
def test_a_variable_that_is_empty_is_as_good_as_not_set(name: str) -> None:
    empty, absent = read(**{name: ""}), read()
    assert (empty.limits, empty.issuer, empty.audience) == (absent.limits, absent.issuer, absent.audience)
    assert empty.log_level == absent.log_level


@pytest.mark.parametrize(("bucket", "answers"), [("b", AnswersBucket("b")), ("", None)])
def test_large_answers_are_kept_where_there_is_a_bucket_for_them(bucket: str, answers: AnswersBucket | None) -> None:
    assert read(EMBEDGE_ANSWERS_BUCKET=bucket).answers == answers


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", " 7", "1e3", "1_000", "²", "0x10", "9" * 16, "9" * 5000])
def test_a_rate_that_is_no_whole_number_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read(**{name: text})


@pytest.mark.parametrize("name", BUDGETS)
@pytest.mark.parametrize(
    "text",
    ["-1", "-0.01", "lots", "$5", "1,50", "NaN", "sNaN", "Infinity", "-Infinity", "1e10", "1e999999", "9" * 5000],
)
def test_a_budget_that_is_no_amount_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read(**{name: text})


@given(st.integers(0, NO_LIMIT))
def test_a_budget_is_exact_to_the_nano_dollar(nano_usd: int) -> None:
    text = f"{Decimal(nano_usd).scaleb(-9):f}"
    assert read(EMBEDGE_DEFAULT_BUDGET_USD_DAY=text).limits.day_nano_usd == nano_usd


@pytest.mark.parametrize("text", ["LOUD", "info ", "10"])
def test_a_log_level_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="POWERTOOLS_LOG_LEVEL"):
        read(POWERTOOLS_LOG_LEVEL=text)


def test_lambdas_lowest_level_is_ours() -> None:
    assert read(POWERTOOLS_LOG_LEVEL="ERROR", AWS_LAMBDA_LOG_LEVEL="TRACE").log_level == "DEBUG"


@given(st.dictionaries(st.sampled_from([*TABLES, *RATES, *BUDGETS]), st.text(max_size=5)))
def test_any_environment_is_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    try:
        settings = Settings.from_environ({**TABLES, **environ})
    except SettingsError as error:
        assert "EMBEDGE_" in str(error)  # noqa: PT017 (it need not be raised)
    else:
        assert 0 <= settings.limits.day_nano_usd <= NO_LIMIT
        assert settings.limits.requests_per_minute >= 1


@pytest.mark.parametrize("text", ["", " ", ","])
def test_no_page_may_call_where_no_origin_is_named(text: str) -> None:
    assert read().cors_origins == read(EMBEDGE_CORS_ALLOWED_ORIGINS=text).cors_origins == ()


def test_origins_are_read_with_commas_between() -> None:
    several = "https://app.example.com, http://localhost:3000,chrome-extension://abc,http://[::1]:8080"
    assert read(EMBEDGE_CORS_ALLOWED_ORIGINS=several).cors_origins == (
        "https://app.example.com",
        "http://localhost:3000",
        "chrome-extension://abc",
        "http://[::1]:8080",
    )
    assert read(EMBEDGE_CORS_ALLOWED_ORIGINS="*").cors_origins == ("*",)


@pytest.mark.parametrize(
    "text",
    [
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://*.example.com",
        "https://",
        "null",
        "*,https://app.example.com",
        "https://a.example https://b.example",
    ],
)
def test_an_origin_that_no_browser_would_send_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="EMBEDGE_CORS_ALLOWED_ORIGINS"):
        read(EMBEDGE_CORS_ALLOWED_ORIGINS=text)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 128_000_000),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}, 32_000_000),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240"}, 256_000_000),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "EMBEDGE_MEMORY_CACHE_BYTES": "1"}, 1),
    ],
)
def test_vectors_in_memory_take_an_eighth_of_it_or_what_is_said(environ: dict[str, str], expected: int) -> None:
    assert read(**environ).memory_cache_bytes == expected


@pytest.mark.parametrize("reference", ["secretsmanager:embedge/cache-keys", "ssm:/embedge-secrets/keys", "env:KEYS"])
def test_the_secret_of_the_cache_s_keys_is_a_reference(reference: str) -> None:
    assert read(EMBEDGE_CACHE_KEY_SECRET=reference).cache_key_secret == reference
    assert read(EMBEDGE_CACHE_KEY_SECRET="").cache_key_secret is read().cache_key_secret is None


@pytest.mark.parametrize("text", ["correct horse battery staple", "env:  ", "file:/etc/passwd", "env: KEYS"])
def test_a_secret_that_stands_in_the_environment_itself_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="EMBEDGE_CACHE_KEY_SECRET") as refused:
        read(EMBEDGE_CACHE_KEY_SECRET=text)
    assert text not in str(refused.value)


@pytest.mark.parametrize(("text", "expected"), [("", 100), ("0", 0), ("7", 7)])
def test_an_address_may_ask_a_hundred_times_a_second_or_what_is_said(text: str, expected: int) -> None:
    settings = read(EMBEDGE_REQUESTS_PER_SECOND_PER_ADDRESS=text)
    assert settings.requests_per_second_per_address == expected


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "00x"])
def test_a_rate_of_addresses_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="EMBEDGE_REQUESTS_PER_SECOND_PER_ADDRESS"):
        read(EMBEDGE_REQUESTS_PER_SECOND_PER_ADDRESS=text)


def test_a_spent_budget_is_429_unless_the_deployment_says_402() -> None:
    assert read().budget_spent_status == read(EMBEDGE_BUDGET_SPENT_STATUS="429").budget_spent_status == 429
    assert read(EMBEDGE_BUDGET_SPENT_STATUS="402").budget_spent_status == 402
    with pytest.raises(SettingsError, match="EMBEDGE_BUDGET_SPENT_STATUS"):
        read(EMBEDGE_BUDGET_SPENT_STATUS="403")
