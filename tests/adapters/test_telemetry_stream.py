"""Does CloudWatch get one line and one metrics blob for each invocation, and nobody's text?"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.core.request import Observation
from embedge.errors import EmbedgeError
from tests.embed.world import Deed, Setup, World
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "ŧhe text of a caller"
COUNTS = st.integers(0, 2**53)
NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
SERVED = st.builds(
    Observation,
    tenant=st.sampled_from(["", "acme"]),
    bot=NAMES,
    project=NAMES,
    user=NAMES,
    model=st.sampled_from(["unresolved", "BAAI/bge-m3"]),
    provider=st.sampled_from(["none", "openai"]),
    inputs=COUNTS,
    hits=COUNTS,
    misses=COUNTS,
    duplicates=COUNTS,
    tokens_served=COUNTS,
    tokens_billed=COUNTS,
    cost_nano_usd=COUNTS,
    saved_nano_usd=COUNTS,
    cache_spent_nano_usd=COUNTS,
    recheck_nano_usd=COUNTS,
)
UNITS = {
    "latency_ms": "Milliseconds",
    "cost_usd": "None",
    "saved_usd": "None",
    "cache_spent_usd": "None",
    "recheck_usd": "None",
}
PROPERTIES = {"tenant", "bot", "project", "user", "usage_day", "watched", "request_id", "status"}


class Stream(io.StringIO):
    """What CloudWatch Logs would get, and how often something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    @override
    def write(self, s: str, /) -> int:
        self.writes += 1
        return super().write(s)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line, parse_constant=_no_json) for line in self.getvalue().split("\n")[:-1]]


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def telemetry(level: str = "INFO") -> tuple[StreamTelemetry, Stream]:
    stream = Stream()
    return StreamTelemetry("embedge", "Embedge", level, stream, FakeClock()), stream


def recorded(seen: Observation, status: int = 200) -> tuple[dict[str, Any], dict[str, Any]]:
    sink, stream = telemetry()
    sink.record(seen, status, 12.3456, "request-1")
    assert stream.getvalue().endswith("\n")
    line, blob = stream.documents()
    return line, blob


def metrics_of(blob: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a blob, held to the specification.

    Source: CloudWatch's embedded metric format, "Specification", read 2026-08.
    """
    aws = blob["_aws"]
    assert isinstance(aws["Timestamp"], int)
    assert aws["Timestamp"] > 1_700_000_000_000  # milliseconds
    directive = aws["CloudWatchMetrics"][0]
    assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
    assert 0 < len(directive["Namespace"]) <= 1024
    assert directive["Dimensions"] == [["service", "model", "provider"]]
    assert len(directive["Metrics"]) <= 100
    for dimension in directive["Dimensions"][0]:
        assert isinstance(blob[dimension], str)
        assert 0 < len(blob[dimension]) <= 1024
    values: dict[str, float] = {}
    for definition in directive["Metrics"]:
        name, value = definition["Name"], blob[definition["Name"]]
        assert definition["Unit"] == UNITS.get(name, "Count")
        (values[name],) = value if isinstance(value, list) else [value]
        assert isinstance(values[name], int | float)
        assert abs(values[name]) < 2**360
    assert len(values) == len(directive["Metrics"])
    return values


@given(SERVED, st.sampled_from([200, 400, 429, 500, 503]))
def test_an_invocation_is_one_line_and_one_blob_that_say_the_same(seen: Observation, status: int) -> None:
    line, blob = recorded(seen, status)
    values = metrics_of(blob)
    expected = {name: number for name, number in asdict(seen).items() if type(number) is int}
    assert expected.pop("miscounted_calls") == 0  # is among the faults
    for money in ("cost", "saved", "cache_spent", "recheck"):
        expected[f"{money}_usd"] = expected.pop(f"{money}_nano_usd")
    assert values == pytest.approx(
        {
            **expected,
            "cost_usd": seen.cost_nano_usd / 1e9,
            "saved_usd": seen.saved_nano_usd / 1e9,
            "cache_spent_usd": seen.cache_spent_nano_usd / 1e9,
            "recheck_usd": seen.recheck_nano_usd / 1e9,
            "requests": 1,
            "errors": int(status >= 400),
            "faults_5xx": int(status >= 500),
            "latency_ms": 12.346,
        }
    )
    assert {name: line[name] for name in values} == values
    assert line["level"] == ("ERROR" if status >= 500 else "INFO")
    assert (line["message"], line["faults"]) == ("request", {})


@given(SERVED)
def test_who_asked_is_a_property_and_never_a_dimension_or_a_metric(seen: Observation) -> None:
    line, blob = recorded(seen)
    directive = blob["_aws"]["CloudWatchMetrics"][0]
    assert PROPERTIES.isdisjoint(directive["Dimensions"][0])
    assert PROPERTIES.isdisjoint(definition["Name"] for definition in directive["Metrics"])
    who = {"tenant": seen.tenant, "bot": seen.bot, "project": seen.project, "user": seen.user}
    who["usage_day"] = seen.usage_day
    who |= {"watched": 1} if seen.watched else {}
    said = {**{name: text for name, text in who.items() if text}, "request_id": "request-1", "status": 200}
    assert {name: blob[name] for name in PROPERTIES if name in blob} == said
    assert {name: line[name] for name in PROPERTIES if name in line} == said
    assert (blob["model"], blob["provider"]) == (line["model"], line["provider"]) == (seen.model, seen.provider)
    metrics = {definition["Name"] for definition in directive["Metrics"]}
    assert blob.keys() == {"_aws", "service", "model", "provider"} | metrics | said.keys()


def further(seen: Observation, status: int = 200) -> list[tuple[list[str], set[str]]]:
    """Return the dimensions of each further directive of a blob, and what it makes metrics of."""
    _, blob = recorded(seen, status)
    directives = blob["_aws"]["CloudWatchMetrics"][1:]
    for directive in directives:
        assert directive["Namespace"] == "Embedge"
        assert all(isinstance(blob[dimension], str) for dimension in directive["Dimensions"][0])
        assert all(one["Unit"] == UNITS.get(one["Name"], "Count") for one in directive["Metrics"])
        assert all(one["Name"] in blob for one in directive["Metrics"])
    return [(one["Dimensions"][0], {metric["Name"] for metric in one["Metrics"]}) for one in directives]


def test_what_alarms_go_by_is_of_the_whole_service_too() -> None:
    assert further(Observation("acme")) == [(["service"], {"requests", "cost_usd", "faults_5xx"})]
    ((_, names),) = further(Observation("acme", miscounted_calls=1))
    assert "fault_token_count_differs" in names


def test_only_a_tenant_with_alarms_has_metrics_of_its_own() -> None:
    _, own = further(Observation("acme", watched=True))
    assert own == (["service", "tenant"], {"requests", "cost_usd"})
    assert len(further(Observation(watched=True))) == 1  # nobody's


def test_an_invocation_that_ended_before_anything_was_known_is_recorded_too() -> None:
    _, blob = recorded(Observation(), 401)
    assert metrics_of(blob)["errors"] == 1
    assert (blob["model"], blob["provider"]) == ("unresolved", "none")


def test_calls_whose_provider_counted_otherwise_are_a_fault() -> None:
    line, blob = recorded(Observation(miscounted_calls=2))
    assert line["faults"] == {"token_count_differs": 2}
    assert metrics_of(blob)["fault_token_count_differs"] == 2


def test_money_is_not_rounded_below_a_nano_dollar() -> None:
    _, blob = recorded(Observation(cost_nano_usd=160))
    assert metrics_of(blob)["cost_usd"] == 0.00000016


@given(st.lists(st.lists(st.sampled_from(["cache_read", "routes_stale"]), max_size=5), min_size=1, max_size=4))
def test_a_fault_is_counted_once_with_the_next_invocation(faults: list[list[str]]) -> None:
    sink, stream = telemetry()
    for kinds in faults:
        for kind in kinds:
            sink.fault(kind)
        sink.record(Observation(), 200, 1.0, "id")
    documents = stream.documents()
    for kinds, line, blob in zip(faults, documents[::2], documents[1::2], strict=True):
        assert line["faults"] == Counter(kinds)
        counted = {name: value for name, value in metrics_of(blob).items() if name.startswith("fault_")}
        assert counted == {f"fault_{kind}": number for kind, number in Counter(kinds).items()}


@given(st.lists(st.integers(-90_000, 90_000), min_size=2, max_size=8))
def test_every_line_has_its_own_time_whenever_the_last_was_written(passes_ms: list[int]) -> None:
    clock, stream = FakeClock(), Stream()
    sink = StreamTelemetry("embedge", "Embedge", "INFO", stream, clock)
    expected: list[str] = []
    for passed_ms in passes_ms:
        clock.pass_time(passed_ms / 1000)
        alone = Stream()
        StreamTelemetry("embedge", "Embedge", "INFO", alone, FakeClock(clock.now)).record(Observation(), 200, 1.0, "id")
        expected.append(alone.getvalue())
        sink.record(Observation(), 200, 1.0, "id")
    assert stream.getvalue() == "".join(expected)


def test_both_lines_are_written_at_once() -> None:
    sink, stream = telemetry()
    sink.record(Observation(), 200, 1.0, "id")
    assert (len(stream.documents()), stream.writes) == (2, 1)


def test_no_faults_are_so_many_that_cloudwatch_would_refuse_their_blob() -> None:
    sink, stream = telemetry()
    for number in range(200):
        sink.fault(f"number_{number}")
    sink.record(Observation(watched=True), 200, 1.0, "id")
    line, blob = stream.documents()
    assert all(len(directive["Metrics"]) <= 100 for directive in blob["_aws"]["CloudWatchMetrics"])
    assert len(line["faults"]) == 200


def test_one_invocations_numbers_do_not_leak_into_the_next() -> None:
    sink, stream = telemetry()
    sink.record(Observation(tenant="acme", user="u", project="p", inputs=5), 500, 1.0, "first")
    sink.record(Observation(), 200, 2.0, "second")
    *_, line, blob = stream.documents()
    assert metrics_of(blob)["inputs"] == line["inputs"] == 0
    for document in (line, blob):
        assert document["request_id"] == "second"
        assert not {"tenant", "user", "project"} & document.keys()


def test_metrics_are_written_also_where_only_errors_are_logged() -> None:
    sink, stream = telemetry("ERROR")
    sink.record(Observation(inputs=3), 200, 1.0, "id")
    (blob,) = stream.documents()
    assert metrics_of(blob)["inputs"] == 3


DEEDS: tuple[Deed, ...] = get_args(Deed)


@pytest.mark.parametrize("deed", DEEDS)
async def test_no_text_of_an_input_reaches_the_logs_whatever_the_upstream_does(deed: Deed) -> None:
    sink, stream = telemetry()
    world = World(Setup(inputs_a_call=1))
    deeds: list[Deed] = [deed] * 10
    world.server.deeds.extend(deeds)
    status = 200
    try:
        await world.ask([MARK, f"{MARK} too"], seconds=0.05 if deed == "hangs" else 30.0)
    except EmbedgeError:
        status = 500
    sink.record(world.observation, status, 1.0, "id")
    written = stream.getvalue()
    assert len(stream.documents()) == 2
    assert MARK not in written
    assert json.dumps(MARK)[1:-1] not in written
    assert "sk-" not in written
