"""What do operators see? One structured log line and one EMF blob for each invocation, and neither holds input text.

Both are what Powertools' Logger and Metrics would write (a test compares), written by ourselves: these two took a sixth
of a hit, and 40 ms of a start to import. Only a task's name is left out, which nobody reads, and orjson spells some
things otherwise: floats below 0.0001, and in the blob what is not ASCII.

Tenant, bot, project and request are properties of the blob, not dimensions: each dimension's value is a metric of its
own, and is paid for every month. Beside those by model and provider a few are of the whole service, since an alarm adds
up no dimensions; and two of the tenant, where it has alarms of its own.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TextIO

import orjson

from embedge.core.request import Observation
from embedge.ports import Clock

_NANO = 1_000_000_000
_CLIENT_ERROR = 400
_SERVER_ERROR = 500
_WRITTEN_AT = {
    "DEBUG": ("INFO", "ERROR"),
    "INFO": ("INFO", "ERROR"),
    "WARNING": ("ERROR",),
    "ERROR": ("ERROR",),
    "CRITICAL": (),
}
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
_MOST_METRICS = 100


class StreamTelemetry:
    """The Telemetry port on a stream of text."""

    def __init__(self, service: str, namespace: str, level: str, stream: TextIO, clock: Clock) -> None:
        """Take the names under which operators look, the least level of a line, where lines go, and the time."""
        self._service = service
        self._namespace = namespace
        self._level = level
        self._stream = stream
        self._clock = clock
        self._faults: Counter[str] = Counter()
        self._minute, self._to_the_minute, self._zone = -1, "", ""
        self._usual = {own: self._directives((), own) for own in ((), _OF_A_TENANT)}

    def fault(self, kind: str) -> None:
        """Count a fault that nobody was told of: a cache that failed, routes that are stale."""
        self._faults[kind] += 1

    def record(self, observation: Observation, status: int, latency_ms: float, request_id: str) -> None:
        """Write one log line and one EMF blob, both at once: in a pipe nothing but its end makes a line an event."""
        if observation.miscounted_calls:
            self._faults["token_count_differs"] += observation.miscounted_calls
        faults = self._faults
        if faults:
            self._faults = Counter()
        now_ms = int(self._clock.now_s() * 1000)
        who = _json(self._who(observation, status, request_id))[1:-1]
        numbers = _numbers(observation, status, latency_ms)
        values = tuple(numbers.values())
        level = "ERROR" if status >= _SERVER_ERROR else "INFO"
        said = f'{who},{_IN_A_LINE % values},"faults":{_json(faults) if faults else "{}"}'
        line = self._line(level, now_ms, said) if level in _WRITTEN_AT[self._level] else ""
        own = _OF_A_TENANT if observation.watched and observation.tenant else ()
        directives = self._directives(faults, own) if faults else self._usual[own]
        further = "".join([f',"fault_{kind}":[{float(number)}]' for kind, number in faults.items()])
        aws = f'{{"Timestamp":{now_ms},"CloudWatchMetrics":{directives}}}'
        self._stream.write(f'{line}{{"_aws":{aws},{who},{_IN_A_BLOB % values}{further}}}\n')
        self._stream.flush()

    def _line(self, level: str, now_ms: int, said: str) -> str:
        head = f'"level":"{level}","message":"request","timestamp":"{self._time(now_ms)}"'
        return f"{{{head},{said}{_trace()}}}\n"

    def _time(self, now_ms: int) -> str:
        """Return a time as log lines have it; what all of its minute have in common is made once."""
        minute, rest_ms = divmod(now_ms, 60_000)
        if minute != self._minute:
            local = time.localtime(minute * 60)
            self._minute, self._to_the_minute = minute, time.strftime("%Y-%m-%d %H:%M:", local)
            self._zone = time.strftime("%z", local)
        seconds, ms = divmod(rest_ms, 1000)
        return f"{self._to_the_minute}{seconds:02d},{ms:03d}{self._zone}"

    def _who(self, seen: Observation, status: int, request_id: str) -> dict[str, str | int]:
        dimensions = {"service": self._service, "model": seen.model, "provider": seen.provider}
        of_whom = (seen.tenant, seen.bot, seen.project, seen.user, seen.usage_day)
        named = zip(_WHO, (*of_whom, int(seen.watched), request_id, status), strict=True)
        return {**dimensions, **{name: value for name, value in named if value}}

    def _directives(self, faults: Iterable[str], own: Sequence[str]) -> str:
        """Return what CloudWatch is to make metrics of; those in `own` are the tenant's too."""
        names = (*_NUMBERS, *(f"fault_{kind}" for kind in faults))[:_MOST_METRICS]
        of_the_service = sorted(_OF_THE_SERVICE.intersection(names))
        directives = [
            self._directive(("service", "model", "provider"), names),
            self._directive(("service",), of_the_service),
            *([self._directive(("service", "tenant"), own)] if own else []),
        ]
        return _json(directives)

    def _directive(self, dimensions: Sequence[str], names: Iterable[str]) -> dict[str, object]:
        metrics = [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in names]
        return {"Namespace": self._namespace, "Dimensions": [dimensions], "Metrics": metrics}


def _trace() -> str:
    """Return the member of a line that names the trace, where there is one."""
    trace = os.environ.get("_X_AMZN_TRACE_ID")  # noqa: TID251 (no setting: the runtime client sets it for each event)
    return "" if not trace else f',"xray_trace_id":{_json(trace.split(";")[0].replace("Root=", ""))}'


def _json(document: object) -> str:
    try:
        return orjson.dumps(document).decode()
    except TypeError:  # half a surrogate pair, or a number of more than 64 bits
        return json.dumps(document, separators=(",", ":"))


_WHO = ("tenant", "bot", "project", "user", "usage_day", "watched", "request_id", "status")
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
    "latency_ms": "Milliseconds",
    "cost_usd": "None",
    "saved_usd": "None",
    "cache_spent_usd": "None",
    "recheck_usd": "None",
}


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


_NUMBERS = _numbers(Observation(), 0, 0.0)
# Written as texts to be filled in: a third of what it takes to make two documents, of lists of one number each.
_IN_A_LINE = ",".join(f'"{name}":%r' for name in _NUMBERS)
_IN_A_BLOB = ",".join(f'"{name}":[{"%d.0" if isinstance(one, int) else "%r"}]' for name, one in _NUMBERS.items())
