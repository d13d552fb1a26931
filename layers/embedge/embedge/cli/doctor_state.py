"""What do the tables say, and what do the targets? The part of the doctor that needs no router."""

from collections.abc import Iterator, Mapping

from embedge.bootstrap.operating import Operation
from embedge.cli.signing import key_pair
from embedge.core.findings import Finding
from embedge.core.key_document import KEYS, is_of, retires_s, signing_kid
from embedge.core.route import Route
from embedge.core.route_document import RouteDocument, read_route
from embedge.core.route_plan import printable
from embedge.errors import EmbedgeError

_SOON_S = 7 * 86_400
_INIT = "make and publish one with `embedge keys init`"


async def key_finding(operation: Operation) -> Finding:
    """Tell whether there is a key to sign with, and the router can verify what it signs."""
    try:
        private = dict(await operation.signing_keys.load())
        if not private:
            return Finding("keys", "fail", "there is no signing key", _INIT)
        documents, now_s = await operation.control.query(KEYS), operation.clock.now_s()
        kid = signing_kid(list(private), documents, now_s)
        if kid is None:
            newest = next(iter(private))
            what = f"of the signing keys (the newest is {newest}) none is published and valid"
            return Finding(
                "keys", "fail", what, "run `embedge keys init`, or `embedge keys rotate` where it has retired"
            )
        pair = key_pair(kid, private[kid])
    except EmbedgeError as error:
        return Finding("keys", "fail", error.message, "look at your own rights, and at the key")
    if not is_of(documents[kid], pair.public_jwk):
        what = f"what is published as {kid} is the public part of another key"
        return Finding("keys", "fail", what, "run `embedge keys init`, and ask who wrote it")
    if max(retires_s(documents[one]) for one in private if one in documents) - now_s < _SOON_S:
        what = f"{kid}, which signs, retires in less than a week, and none follows it"
        return Finding("keys", "fail", what, "run `embedge keys rotate`")
    others = len(documents) - 1
    return Finding("keys", "ok", f"{kid} signs, and is published{f', beside {others} more' if others else ''}")


def read_routes(documents: Mapping[str, str]) -> tuple[dict[str, Route], list[Finding]]:
    """Return the routes that embed, and what is to be said of what is written."""
    read = {alias: read_route(text) for alias, text in sorted(documents.items())}
    good = {alias: found for alias, found in read.items() if isinstance(found, RouteDocument)}
    findings = [
        Finding("routes", "fail", f"{alias} cannot be read: {wrong[0]}", f"`embedge routes show {alias}` says more")
        for alias, wrong in read.items()
        if not isinstance(wrong, RouteDocument)
    ]
    findings += [
        Finding("targets", "fail", f"{alias}: {target} is out of service: {printable(why)}", _back(alias))
        for alias, found in good.items()
        for target, why in found.taken_out.items()
    ]
    embedding = {alias: found.route for alias, found in good.items() if found.route.embeds}
    if not embedding:
        mend = "apply one: `embedge routes apply infra/routes/text-embedding-3-small.json`"
        findings.append(Finding("routes", "fail", "there is no route to a model that embeds", mend))
    return embedding, findings


async def target_findings(operation: Operation, route: Route) -> list[Finding]:
    """Ask every target of a route for the probe texts, from here, and judge their answers."""
    verdicts = await operation.probing.probe(route)
    wrong = [verdict for verdict in verdicts if verdict.problem is not None]
    if not wrong:
        slowest_ms = max(verdict.latency_ms for verdict in verdicts)
        of = "its target serves" if len(verdicts) == 1 else f"its {len(verdicts)} targets serve"
        return [Finding("targets", "ok", f"{route.alias}: {of} the space, the slowest in {slowest_ms:.0f} ms")]
    return [
        Finding("targets", "fail", f"{route.alias}: {one.target}: {printable(one.problem or '')}", mend)
        for one in wrong
        for mend in _mends(route, drifted=one.drifted)
    ]


def _mends(route: Route, *, drifted: bool) -> Iterator[str]:
    if drifted:
        yield f"take it out with `embedge routes verify {route.alias} --take-out`, and see which model it serves"
    else:
        yield "look at its endpoint, secret and model; it was asked from here, and may be the function's alone"


def _back(alias: str) -> str:
    return f"mend it, take its `disabled` out of the route, and `embedge routes verify {alias}`"
