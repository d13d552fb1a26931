"""Are both lines what Powertools would write?"""

from __future__ import annotations

import io
import json
import logging
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.core.request import Observation
from embedge.settings import Settings
from tests.adapters.powertools_telemetry import MONEY, Powertools
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
ZONES = ("UTC0", "EST5EDT,M3.2.0,M11.1.0", "<+0545>-5:45", "NST3:30NDT,M3.2.0,M11.1.0")
FAULTS = ("read", "cache_fuse_blown", "usage_dropped", "recheck_mismatch", "jwks_stale")
# Powertools drops a dimension without a word in it, and CloudWatch the blob; none of these three is ever so.
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
PLAIN_NAMES = PLAIN.filter(str.strip)
NAMES = st.text(min_size=1, max_size=12).filter(str.strip)
SURROGATES = st.text(st.characters(categories=["Cs", "Lu", "Cc"]), max_size=5)
# What Python and orjson spell alike.
SIZES = st.integers(0, 2**50)
SPELT_ALIKE = st.just(0) | st.integers(100_000, 2**53)


@dataclass(frozen=True)
class Asked:
    """One request, and all around it that is written down."""

    seen: Observation
    status: int
    latency_ms: float
    request_id: str
    service: str = "embedge"
    level: str = "INFO"
    faults: list[str] = field(default_factory=list[str])
    now_ms: int = 1_800_000_000_123
    trace: str = ""
    zone: str = "UTC0"


def seen_by(texts: st.SearchStrategy[str], names: st.SearchStrategy[str], money: st.SearchStrategy[int]) -> Any:
    return st.builds(
        Observation,
        tenant=texts,
        bot=texts,
        project=texts,
        user=texts,
        model=names,
        provider=names,
        inputs=SIZES,
        hits=SIZES,
        misses=SIZES,
        joined=SIZES,
        duplicates=SIZES,
        tokens_served=SIZES,
        tokens_billed=SIZES,
        miscounted_calls=st.integers(0, 2),
        cost_nano_usd=money,
        saved_nano_usd=money,
        cache_spent_nano_usd=money,
        recheck_nano_usd=money,
        usage_day=st.sampled_from(["", "2027-01-15"]),
        watched=st.booleans(),
    )


def asked_by(seen: st.SearchStrategy[Observation], texts: st.SearchStrategy[str], latency: Any) -> Any:
    return st.builds(
        Asked,
        seen=seen,
        status=st.sampled_from([200, 303, 400, 401, 429, 499, 500, 503]),
        latency_ms=latency,
        request_id=texts,
        service=texts.filter(str.strip),
        level=st.sampled_from(LEVELS),
        faults=st.lists(st.sampled_from(FAULTS), max_size=6),
        now_ms=st.integers(1_700_000_000_000, 2_000_000_000_000).map(lambda ms: ms - ms % 125),
        trace=st.sampled_from(["", "Root=1-67891233-abcdef;Parent=53995c3f42cd8ad8;Sampled=1", "odd"]),
        zone=st.sampled_from(ZONES),
    )


ANY = st.text(max_size=12) | SURROGATES
ANYTHING = asked_by(
    seen_by(ANY, NAMES, st.integers(0, 2**70)), ANY, st.floats(0, 1e18) | st.integers(0, 9).map(lambda n: 10.0**-n)
)
ORDINARY = asked_by(seen_by(PLAIN, PLAIN_NAMES, SPELT_ALIKE), PLAIN, st.floats(0.001, 1e6))


@contextmanager
def surroundings(asked: Asked) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", asked.zone)
        patch.setenv("_X_AMZN_TRACE_ID", asked.trace)
        time.tzset()
        yield
    time.tzset()


def ours(asked: Asked) -> str:
    stream = io.StringIO()
    clock = FakeClock(asked.now_ms / 1000)
    telemetry = StreamTelemetry(asked.service, "Embedge", asked.level, stream, clock)
    for kind in asked.faults:
        telemetry.fault(kind)
    telemetry.record(asked.seen, asked.status, asked.latency_ms, asked.request_id)
    return stream.getvalue()


def theirs(asked: Asked) -> str:
    seen = asked.seen
    faults = {kind: asked.faults.count(kind) for kind in asked.faults}
    if seen.miscounted_calls:
        faults["token_count_differs"] = seen.miscounted_calls
    properties, numbers = _properties(asked), _numbers(asked)
    said = {**properties, **numbers, "faults": faults}
    powertools = Powertools(asked.service, "Embedge", asked.level, asked.now_ms)
    line = powertools.line(seen, asked.status, said)
    counted = {**numbers, **{f"fault_{kind}": number for kind, number in faults.items()}}
    return line + powertools.blob(seen, properties, counted)


def _properties(asked: Asked) -> dict[str, str | int]:
    seen = asked.seen
    said = {name: getattr(seen, name) for name in ("tenant", "bot", "project", "user", "usage_day")}
    said |= {"watched": int(seen.watched), "request_id": asked.request_id, "status": asked.status}
    return {name: value for name, value in said.items() if value}


def _numbers(asked: Asked) -> Mapping[str, float]:
    seen = asked.seen
    counts = ("inputs", "hits", "misses", "joined", "duplicates", "tokens_served", "tokens_billed")
    return {
        "requests": 1,
        "errors": int(asked.status >= 400),
        "faults_5xx": int(asked.status >= 500),
        **{name: getattr(seen, name) for name in counts},
        **{name: getattr(seen, name.replace("usd", "nano_usd")) / 10**9 for name in MONEY},
        "latency_ms": round(asked.latency_ms, 3),
    }


def spelt_anew(written: str) -> list[str]:
    """Return each line as one writer would spell what any parser reads there, in the order of its keys."""
    return [json.dumps(json.loads(line), separators=(",", ":")) for line in written.split("\n")[:-1]]


@given(ANYTHING)
def test_whatever_happens_both_lines_say_what_powertools_would(asked: Asked) -> None:
    with surroundings(asked):
        assert spelt_anew(ours(asked)) == spelt_anew(theirs(asked))


@given(ORDINARY)
def test_what_is_ordinary_is_written_to_the_letter_as_powertools_would(asked: Asked) -> None:
    with surroundings(asked):
        assert ours(asked) == theirs(asked)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00\x1f\x7f\x85", "\u2028", '"\\/', "𝔘é"])
def test_no_name_is_too_odd_for_a_stream_of_utf_8(text: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    StreamTelemetry("embedge", "Embedge", "INFO", stream, FakeClock()).record(Observation(user=text), 200, 1.0, "id")
    line, metrics = raw.getvalue().decode().split("\n")[:-1]
    assert json.loads(line)["user"] == json.loads(metrics)["user"] == text


def test_what_has_more_than_64_bits_is_written_too() -> None:
    asked = Asked(Observation(tokens_served=2**64), 200, 1.0, "id")
    assert spelt_anew(ours(asked)) == spelt_anew(theirs(asked))


@pytest.mark.filterwarnings("ignore:Current log level")
@pytest.mark.parametrize("lambdas", ["", "LOUD", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])
@pytest.mark.parametrize("level", LEVELS)
def test_lambdas_own_level_goes_before_the_stacks_as_in_powertools(lambdas: str, level: str) -> None:
    environ = {f"EMBEDGE_{name}_TABLE": "t" for name in ("CONTROL", "LEDGER", "CACHE")}
    environ |= {"POWERTOOLS_LOG_LEVEL": level, "AWS_LAMBDA_LOG_LEVEL": lambdas}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_LOG_LEVEL", lambdas)
        logger = Logger(service=f"test-{uuid.uuid4().hex}", level=level)
    assert logging.getLevelName(logger.log_level) == Settings.from_environ(environ).log_level
