"""What was found of a deployment, and what is to be mended? A line for each thing that was looked at."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast

Outcome = Literal["ok", "fail", "skip"]

# Function and account: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (read 2026-11). A new
# account may run ten at once until it asks for more.
_LEAST_AT_ONCE = 50
_LEAST_MEMORY_MB = 256
# API Gateway waits for 29.
_LEAST_TIMEOUT_S = 30
# What the router counts of its own precautions, and what it has got over: nothing is to be mended.
_TAKEN_CARE_OF = frozenset(
    {
        "call_failed_over",
        "call_halved",
        "call_hedged",
        "call_retried",
        "cold_retried",
        "model_reloaded",
        "recheck_cut",
        "rechecked",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` says what to do where it failed, or why it was not looked at."""

    check: str
    outcome: Outcome
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be looked at, and why: it does not exist here, or the operator has no right to see it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much the function may do. `reserved` is how many may run at once, None where nothing is set for it."""

    memory_mb: int
    timeout_s: int
    reserved: int | None
    account: int | None


def as_json(findings: Iterable[Finding]) -> str:
    """Return all of it as a JSON array."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def capacity_findings(found: Capacity | Unreadable) -> Iterator[Finding]:
    """Judge how much the function may do."""
    if isinstance(found, Unreadable):
        yield Finding("quotas", "skip", "not looked at", found.reason)
        return
    faults = {
        f"{found.memory_mb} MB of memory": ("MemorySize", found.memory_mb < _LEAST_MEMORY_MB, _LEAST_MEMORY_MB),
        f"a timeout of {found.timeout_s} s": ("Timeout", found.timeout_s < _LEAST_TIMEOUT_S, _LEAST_TIMEOUT_S),
    }
    for what, (name, wrong, least) in faults.items():
        if wrong:
            yield Finding("quotas", "fail", f"the function has {what}", f"deploy it with {name} of at least {least}")
    yield _at_once(found)


def _at_once(found: Capacity) -> Finding:
    if found.reserved == 0:
        mend = "nothing runs until the function's reserved concurrency is taken away or raised"
        return Finding("quotas", "fail", "no request may run: its concurrency is 0", mend)
    most = found.account if found.reserved is None else found.reserved
    if most is None:
        return Finding("quotas", "ok", f"{found.memory_mb} MB, {found.timeout_s} s; the account's limit is not known")
    if most < _LEAST_AT_ONCE:
        mend = "raise it: Service Quotas, AWS Lambda, Concurrent executions; or the stack's reserved concurrency"
        return Finding("quotas", "fail", f"only {most} requests may run at once", mend)
    return Finding("quotas", "ok", f"{found.memory_mb} MB, {found.timeout_s} s, {most:,} requests at once")


def metrics_finding(lines: Iterable[str], request_id: str) -> Finding:
    """Look for what the router has counted of one request, among log lines, and for faults that nobody was told of."""
    blobs = [blob for blob in map(_blob, lines) if blob is not None]
    own = next((blob for blob in blobs if blob.get("request_id") == request_id), None)
    if own is None:
        mend = "look at the function's log group, its retention, its role's right to write it, and POWERTOOLS_LOG_LEVEL"
        return Finding("metrics", "fail", "the log holds no metrics of the request that was just answered", mend)
    faults = {name.removeprefix("fault_") for blob in blobs for name in blob if name.startswith("fault_")}
    if faults := sorted(faults - _TAKEN_CARE_OF):
        mend = "docs/operations.md says what each fault means"
        return Finding("metrics", "fail", f"the router met faults meanwhile: {', '.join(faults)}", mend)
    return Finding("metrics", "ok", "the request is in the log, with its metrics, and no fault beside it")


def _blob(line: str) -> Mapping[str, object] | None:
    """Return what a line says in CloudWatch's embedded metric format, None where it says something else."""
    try:
        read: object = json.loads(line)
    except ValueError:
        return None
    return cast("Mapping[str, object]", read) if isinstance(read, dict) and "_aws" in read else None
