"""What do operators see? One structured log line and one EMF blob for each invocation, and neither holds input text.

Tenant, bot, project and request are properties of the blob, not dimensions: each dimension's value is a metric of its
own, and is paid for every month. Beside those by model and provider a few are of the whole service, since an alarm adds
up no dimensions; and two of the tenant, where it has alarms of its own.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from embedge.core.request import Observation

_NANO = 1_000_000_000
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class PowertoolsTelemetry:
    """The Telemetry port: Powertools' Logger and Metrics, written to one stream."""

    def __init__(self, service: str, namespace: str, level: str, stream: TextIO) -> None:
        """Take the names under which operators look, and where lines go."""
        self._service = service
        self._namespace = namespace
        self._stream = stream
        self._logger = Logger(service=service, level=level, stream=stream, location=None)
        self._faults: Counter[str] = Counter()

    def fault(self, kind: str) -> None:
        """Count a fault that nobody was told of: a cache that failed, routes that are stale."""
        self._faults[kind] += 1

    def record(self, observation: Observation, status: int, latency_ms: float, request_id: str) -> None:
        """Write one log line and one EMF blob."""
        faults, self._faults = self._faults, Counter()
        if observation.miscounted_calls:
            faults["token_count_differs"] += observation.miscounted_calls
        properties = _properties(observation, status, request_id)
        numbers = _numbers(observation, status, latency_ms)
        level = self._logger.error if status >= _SERVER_ERROR else self._logger.info
        named = {"model": observation.model, "provider": observation.provider}
        level("request", extra={**named, **properties, **numbers, "faults": dict(faults)})
        self._emit(observation, properties, {**numbers, **{f"fault_{kind}": n for kind, n in faults.items()}})

    def _emit(self, seen: Observation, properties: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
        metrics = EphemeralMetrics(service=self._service, namespace=self._namespace)
        for name, value in (("service", self._service), ("model", seen.model), ("provider", seen.provider)):
            metrics.add_dimension(name, value)
        for name, value in numbers.items():
            metrics.add_metric(name, unit=_UNITS.get(name, MetricUnit.Count), value=value)
        for name, value in properties.items():
            metrics.add_metadata(name, value)
        blob = cast("dict[str, Any]", metrics.serialize_metric_set())  # pyright: ignore[reportUnknownMemberType]
        directives: list[dict[str, object]] = blob["_aws"]["CloudWatchMetrics"]
        directives.append(self._of(("service",), numbers.keys() & _OF_THE_SERVICE))
        if seen.watched and seen.tenant:
            directives.append(self._of(("service", "tenant"), _OF_A_TENANT))
        self._stream.write(json.dumps(blob, separators=(",", ":")) + "\n")
        self._stream.flush()

    def _of(self, dimensions: Sequence[str], names: Iterable[str]) -> dict[str, object]:
        """Return the directive that makes metrics of these dimensions of numbers that are in the blob already."""
        metrics = [{"Name": name, "Unit": _UNITS.get(name, MetricUnit.Count).value} for name in sorted(names)]
        return {"Namespace": self._namespace, "Dimensions": [list(dimensions)], "Metrics": metrics}


_OF_THE_SERVICE = frozenset(
    {
        "requests",
        "cost_usd",
        "faults_5xx",
        "fault_cache_fuse_blown",
        "fault_recheck_mismatch",
        "fault_token_count_differs",
        "fault_usage_dropped",
    }
)
_OF_A_TENANT = ("requests", "cost_usd")
_UNITS = {
    "latency_ms": MetricUnit.Milliseconds,
    "cost_usd": MetricUnit.NoUnit,
    "saved_usd": MetricUnit.NoUnit,
    "cache_spent_usd": MetricUnit.NoUnit,
    "recheck_usd": MetricUnit.NoUnit,
}


def _properties(seen: Observation, status: int, request_id: str) -> dict[str, str | int]:
    named: Iterable[tuple[str, str | int]] = (
        ("tenant", seen.tenant),
        ("bot", seen.bot),
        ("project", seen.project),
        ("user", seen.user),
        ("usage_day", seen.usage_day),
        ("watched", int(seen.watched)),
        ("request_id", request_id),
        ("status", status),
    )
    return {name: value for name, value in named if value}


def _numbers(seen: Observation, status: int, latency_ms: float) -> dict[str, float]:
    return {
        "requests": 1,
        "errors": int(status >= _CLIENT_ERROR),
        "faults_5xx": int(status >= _SERVER_ERROR),
        "inputs": seen.inputs,
        "hits": seen.hits,
        "misses": seen.misses,
        "joined": seen.joined,
        "duplicates": seen.duplicates,
        "tokens_served": seen.tokens_served,
        "tokens_billed": seen.tokens_billed,
        "cost_usd": seen.cost_nano_usd / _NANO,
        "saved_usd": seen.saved_nano_usd / _NANO,
        "cache_spent_usd": seen.cache_spent_nano_usd / _NANO,
        "recheck_usd": seen.recheck_nano_usd / _NANO,
        "latency_ms": round(latency_ms, 3),
    }
