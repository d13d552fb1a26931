"""How would Powertools write what a request leaves? Its public classes, used plainly, at a time that a test sets."""

from __future__ import annotations

import io
import json
import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedge.core.request import Observation

MONEY = ("cost_usd", "saved_usd", "cache_spent_usd", "recheck_usd")
UNITS = {"latency_ms": MetricUnit.Milliseconds} | dict.fromkeys(MONEY, MetricUnit.NoUnit)
OF_THE_SERVICE = {
    "cost_usd",
    "fault_cache_fuse_blown",
    "fault_recheck_mismatch",
    "fault_token_count_differs",
    "fault_usage_dropped",
    "faults_5xx",
    "requests",
}


class At(logging.Filter):
    """Dates what is logged."""

    def __init__(self, now_ms: int) -> None:
        super().__init__()
        self._now_ms = now_ms

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.created, record.msecs = self._now_ms // 1000, self._now_ms % 1000
        return True


@dataclass(frozen=True)
class Powertools:
    """Its Logger and Metrics, as of a service, at one time."""

    service: str
    namespace: str
    level: str
    now_ms: int

    def line(self, seen: Observation, status: int, said: Mapping[str, Any]) -> str:
        """Return the log line, with its end; nothing where such lines are not wanted."""
        stream = io.StringIO()
        # Python's loggers live as long as the process, each with the stream that it was first given.
        logger = Logger(service=f"test-{uuid.uuid4().hex}", level=self.level, stream=stream, location=None)
        logger.append_keys(service=self.service)
        logger.addFilter(At(self.now_ms))
        log = logger.error if status >= 500 else logger.info
        log("request", extra={"model": seen.model, "provider": seen.provider, **said})
        return stream.getvalue()

    def blob(self, seen: Observation, properties: Mapping[str, Any], numbers: Mapping[str, float]) -> str:
        """Return the metrics blob, with its end."""
        metrics = EphemeralMetrics(service=self.service, namespace=self.namespace)
        for name, value in (("service", self.service), ("model", seen.model), ("provider", seen.provider)):
            metrics.add_dimension(name, value)
        for name, value in numbers.items():
            metrics.add_metric(name, unit=UNITS.get(name, MetricUnit.Count), value=value)
        for name, value in properties.items():
            metrics.add_metadata(name, value)
        written: Any = metrics.serialize_metric_set()  # pyright: ignore[reportUnknownMemberType]
        written["_aws"]["Timestamp"] = self.now_ms
        directives = written["_aws"]["CloudWatchMetrics"]
        directives.append(self._further(["service"], sorted(OF_THE_SERVICE & numbers.keys())))
        if seen.watched and seen.tenant:
            directives.append(self._further(["service", "tenant"], ["requests", "cost_usd"]))
        return json.dumps(written, separators=(",", ":")) + "\n"

    def _further(self, dimensions: Sequence[str], names: Sequence[str]) -> dict[str, object]:
        metrics = [{"Name": name, "Unit": UNITS.get(name, MetricUnit.Count).value} for name in names]
        return {"Namespace": self.namespace, "Dimensions": [list(dimensions)], "Metrics": metrics}
