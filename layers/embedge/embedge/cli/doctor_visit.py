"""In which order does the doctor look, and what does each answer mean? From what all else needs on."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from embedge.bootstrap.operating import Operation
from embedge.cli.doctor_asking import Answer, Router, Unreached
from embedge.cli.doctor_state import key_finding, read_routes, target_findings
from embedge.cli.token_commands import mint
from embedge.core.findings import Finding, Unreadable, capacity_findings, metrics_finding
from embedge.core.identity import ISSUED_SCOPES
from embedge.core.route import Route
from embedge.errors import EmbedgeError
from embedge.verification import ROUTES

_TOKEN_S = 120
# CloudWatch shows a line some seconds after it was written.
# Clocks differ, and none of the requests of this moment is another's.
_CLOCK_S = 2
LOG_WAITS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: its URL is None where nobody knows it; `tenant` is who the doctor asks as.

    `log_waits_s` is how long to wait before each look at the log.
    """

    operation: Operation
    url: str | None
    tenant: str
    log_waits_s: Sequence[float] = LOG_WAITS_S


async def visit(patient: Patient) -> AsyncIterator[Finding]:
    """Look at everything; what cannot be looked at for what was found before is skipped, and says so."""
    operation, began_s = patient.operation, patient.operation.clock.now_s()
    yield await key_finding(operation)
    documents, unread = await _documents(operation)
    if unread is not None:
        yield unread
    routes, faults = read_routes(documents) if unread is None else ({}, [])
    for finding in faults:
        yield finding
    for route in routes.values():
        for finding in await target_findings(operation, route):
            yield finding
    router = await _router(patient)
    try:
        async for finding in _ask(patient, router, routes, began_s):
            yield finding
    finally:
        if isinstance(router, Router):
            await router.close()
    for finding in capacity_findings(await operation.deployment.capacity()):
        yield finding


async def _documents(operation: Operation) -> tuple[Mapping[str, str], Finding | None]:
    try:
        return await operation.control.query(ROUTES), None
    except EmbedgeError as error:
        return {}, Finding("routes", "fail", error.message, "look at DynamoDB, and at your own rights to Control")


async def _router(patient: Patient) -> Router | Finding:
    """Return who is asked; or why nobody can be."""
    if patient.url is None:
        mend = "start it with `make run`, or say where it is with --url"
        return Finding("endpoint", "fail", "no router runs on this state", mend)
    operation = patient.operation
    try:
        token = await mint(operation, tenant=patient.tenant, scopes=ISSUED_SCOPES, models=("*",), lifetime_s=_TOKEN_S)
    except EmbedgeError:  # what is said of the keys says why
        return Router(patient.url, None)
    return Router(patient.url, token)


async def _ask(
    patient: Patient, router: Router | Finding, routes: Mapping[str, Route], began_s: float
) -> AsyncIterator[Finding]:
    if isinstance(router, Finding):
        yield router
        return
    try:
        async for finding in _asked(patient, router, routes, began_s):
            yield finding
    except Unreached as nobody:
        mend = "see that it runs, and that this machine may reach it (output ApiUrl, custom domain, firewall)"
        yield Finding("endpoint", "fail", str(nobody), mend)


async def _asked(
    patient: Patient, router: Router, routes: Mapping[str, Route], began_s: float
) -> AsyncIterator[Finding]:
    """Raises: Unreached."""
    health = await router.get("/health")
    if not health.is_good():
        yield health.refusal("endpoint", f"{router.base} is not well")
        return
    yield Finding("endpoint", "ok", f"{router.base} answers in {health.took_ms:.0f} ms")
    if not router.has_token:
        yield Finding("token", "skip", "none can be made, so nothing further is asked", "mend the signing key")
        return
    listed = await router.get("/models")
    if not listed.is_good():
        yield listed.refusal("token", "a fresh token is refused")
        return
    yield Finding("token", "ok", f"a fresh token of {patient.tenant} is taken")
    served = {model["id"] for model in cast("list[Mapping[str, Any]]", listed.document.get("data", []))}
    for alias in routes:
        if alias in served:
            yield Finding("routes", "ok", f"{alias} is served")
        else:
            yield Finding("routes", "fail", f"{alias} is written, and not served", "wait half a minute for the router")
    last: Answer | None = None
    for route in routes.values():
        async for finding, answer in _embedded(router, route):
            last = answer or last
            yield finding
    yield await _entries(patient.operation)
    yield await _metrics(patient, last, began_s)


async def _embedded(router: Router, route: Route) -> AsyncIterator[tuple[Finding, Answer | None]]:
    """Ask for a text that is new, and once more; what the first cost has to be in the ledger."""
    text = f"embedge doctor {uuid.uuid4().hex}"
    before = await router.get("/usage")
    first = await router.embed(route.alias, text)
    if not first.is_good():
        yield first.refusal("embedding", route.alias), None
        return
    rows = cast("list[Mapping[str, Any]]", first.document.get("data", []))
    sizes = [len(cast("list[float]", row["embedding"])) for row in rows]
    if sizes != [route.space.dimensions]:
        what = f"{route.alias}: vectors of {sizes} numbers came, not one of {route.space.dimensions}"
        yield Finding("embedding", "fail", what, "the route that is served is not the one that is written"), first
        return
    by = first.headers.get("x-embedge-target", "nobody named")
    yield Finding("embedding", "ok", f"{route.alias}: a vector in {first.took_ms:.0f} ms from {by}"), first
    yield _cache(route, await router.embed(route.alias, text)), None
    yield (
        _ledger(route, Decimal(first.headers.get("x-embedge-cost-usd", "0")), before, await router.get("/usage")),
        None,
    )


def _cache(route: Route, second: Answer) -> Finding:
    if not second.is_good():
        return second.refusal("cache", f"{route.alias}, asked again")
    seen = second.headers.get("x-embedge-cache", "")
    if seen == "hits=1; misses=0":
        return Finding("cache", "ok", f"{route.alias}: the same text again is a hit, in {second.took_ms:.0f} ms")
    if route.admit == "never":
        return Finding("cache", "skip", f"{route.alias}", "its route says that nothing is kept")
    mend = "look for cache faults in the log, at the Cache table, its throughput cap, and the function's role"
    return Finding("cache", "fail", f"{route.alias}: the same text again was paid for again ({seen})", mend)


def _ledger(route: Route, cost_usd: Decimal, before: Answer, after: Answer) -> Finding:
    """What is taken may be more than the cost: a process takes for some requests at once."""
    for answer in (before, after):
        if not answer.is_good():
            return answer.refusal("ledger", "the balance cannot be read")
    if cost_usd == 0:
        return Finding("ledger", "skip", route.alias, "its price is 0: nothing was to be taken")
    taken, had = _taken_usd(after), _taken_usd(before)
    if taken is None or had is None:
        return Finding("ledger", "skip", route.alias, "this tenant has no budget that could be charged")
    if taken <= 0:
        mend = "look at the Ledger table and at who else writes it: what is spent must be taken there"
        return Finding("ledger", "fail", f"{route.alias}: ${cost_usd:f} were spent, and the ledger has no charge", mend)
    left = f"${taken:f} of its budget are taken"
    return Finding(
        "ledger", "ok", f"{route.alias}: ${cost_usd:f} were charged; {left}, ${taken - had:f} of it just now"
    )


def _taken_usd(usage: Answer) -> Decimal | None:
    budgets = cast("list[Mapping[str, str]]", usage.document.get("budgets", []))
    return max((Decimal(budget["taken_usd"]) for budget in budgets), default=None)


async def _entries(operation: Operation) -> Finding:
    try:
        return Finding("cache", "ok", f"about {await operation.entries.count():,} entries are kept")
    except EmbedgeError as error:
        return Finding("cache", "fail", error.message, "look at the Cache table, and at your own rights to it")


async def _metrics(patient: Patient, last: Answer | None, began_s: float) -> Finding:
    if last is None:
        return Finding("metrics", "skip", "not looked at", "no request was answered")
    finding = Finding("metrics", "skip", "not looked at", "no time")
    for wait_s in patient.log_waits_s:
        await asyncio.sleep(wait_s)
        lines = await patient.operation.deployment.log_lines(began_s - _CLOCK_S)
        if isinstance(lines, Unreadable):
            return Finding("metrics", "skip", "not looked at", lines.reason)
        finding = metrics_finding(lines, last.headers.get("x-request-id", ""))
        if finding.outcome == "ok":
            return finding
    return finding
