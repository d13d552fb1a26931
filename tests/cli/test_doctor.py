"""Does the doctor find what is broken, and name it, and nothing else?"""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from embedge.api.app import Serving, create_app
from embedge.bootstrap.operating import Operation, operate_folder
from embedge.bootstrap.serving import serve
from embedge.cli.doctor_visit import Patient, visit
from embedge.core.balance import Settled
from embedge.settings import DEFAULT_LIMITS, Settings
from tests.api.served import served
from tests.cli.providers import Provider, provider
from tests.core.samples import document

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from embedge.core.balance import Claim
    from embedge.core.findings import Finding
    from embedge.core.request import Limits, Principal
    from embedge.core.vector_codec import StoredVector
    from embedge.ports import Attempt, Hold
    from tests.cli.laptop import Laptop

NO_WAIT = (0.0,)


@dataclass
class Ward:
    """A folder with a key and a route, the server behind the route, and the router that stands on it."""

    laptop: Laptop
    provider: Provider

    @contextmanager
    def router(
        self, changed: Callable[[Serving], Serving] = lambda serving: serving, limits: Limits = DEFAULT_LIMITS
    ) -> Generator[str]:
        """Serve what is in the folder; yield the base URL."""
        with (self.laptop.state / "embedge.log").open("a") as log:
            # Powertools keeps the stream that a service's logger was first made with.
            settings = Settings(state=self.laptop.state, service=uuid.uuid4().hex, limits=limits)
            serving = changed(serve(settings, log))
            with served(create_app(serving)) as root:
                yield f"{root}/v1"

    def visited(self, url: str | None) -> list[Finding]:
        """Return what the doctor finds, without its waits for a log."""

        async def within() -> list[Finding]:
            operation = operate_folder(self.laptop.state, Settings(state=self.laptop.state))
            try:
                return [finding async for finding in visit(Patient(operation, url, "doctor", NO_WAIT))]
            finally:
                await operation.close()

        return asyncio.run(within())

    def failed(self, url: str | None) -> dict[str, str]:
        """Return what failed, a line for each check that did, with what to do."""
        return {
            finding.check: f"{finding.what} -> {finding.mend}"
            for finding in self.visited(url)
            if finding.outcome == "fail"
        }

    def apply(self, **changes: Any) -> None:
        """Write the route anew."""
        written = document(**{"admit": "always", "targets": [self.provider.target("one")], **changes})
        self.laptop.done("routes", "apply", self.laptop.file("route.json", written))


@pytest.fixture
def ward(laptop: Laptop) -> Iterator[Ward]:
    with provider() as behind:
        found = Ward(laptop, behind)
        laptop.done("keys", "init")
        found.apply()
        yield found


def test_a_deployment_that_is_well_is_found_well(ward: Ward) -> None:
    with ward.router() as url:
        result = ward.laptop.run("doctor", "--url", url)
    assert result.exit_code == 0, result.output
    looked_at = [line.split()[:2] for line in result.stdout.splitlines()]
    assert looked_at == [
        ["ok", "keys"],
        ["ok", "targets"],
        ["ok", "endpoint"],
        ["ok", "token"],
        ["ok", "routes"],
        ["ok", "embedding"],
        ["ok", "cache"],
        ["ok", "ledger"],
        ["ok", "cache"],
        ["ok", "metrics"],
        ["skip", "quotas"],
    ]


def test_as_json_it_is_a_list_and_the_exit_status_says_whether_anything_failed(ward: Ward) -> None:
    with ward.router() as url:
        well = ward.laptop.run("doctor", "--json", "--url", url)
    assert well.exit_code == 0
    assert {finding["outcome"] for finding in json.loads(well.stdout)} == {"ok", "skip"}
    ill = ward.laptop.run("doctor", "--json", "--url", url)
    assert ill.exit_code == 1
    (failed,) = [finding for finding in json.loads(ill.stdout) if finding["outcome"] == "fail"]
    assert failed["check"] == "endpoint"
    assert failed["mend"]


def test_without_a_router_it_says_how_to_start_one(ward: Ward) -> None:
    assert "make run" in ward.failed(None)["endpoint"]


def test_where_make_run_serves_needs_not_be_said(ward: Ward) -> None:
    with ward.router() as url:
        (ward.laptop.state / "router.url").write_text(url)
        assert ward.laptop.run("doctor").exit_code == 0


def test_a_router_that_nobody_answers_at_is_named(ward: Ward) -> None:
    with ward.router() as url:
        pass
    assert url.removesuffix("/v1") in ward.failed(url)["endpoint"]


def test_a_missing_key_is_found_and_what_needs_it_says_so(ward: Ward) -> None:
    for pem in ward.laptop.pems():
        pem.unlink()
    with ward.router() as url:
        failed = ward.failed(url)
    assert "embedge keys init" in failed["keys"]
    assert failed.keys() == {"keys"}  # nobody is told that a token was refused that was never made


def test_a_key_that_retires_soon_is_told_unless_another_follows_and_signs_all_the_same(ward: Ward) -> None:
    kid = ward.laptop.pems()[0].stem
    ward.laptop.done("keys", "rotate", "--overlap-days", "0")
    with ward.router() as url:
        assert ward.failed(url) == {}
        for pem in ward.laptop.pems():
            if pem.stem != kid:
                pem.unlink()
        failed = ward.failed(url)
    assert "embedge keys rotate" in failed["keys"]
    assert failed.keys() == {"keys"}


def test_a_key_that_is_not_published_or_is_another_s_is_found(ward: Ward) -> None:
    kid = ward.laptop.pems()[0].stem
    _control(ward, "KEYS", kid, "{}")
    assert "another key" in ward.failed(None)["keys"]
    _control(ward, "KEYS", kid, None)
    assert "none is published" in ward.failed(None)["keys"]


def test_no_route_and_one_that_cannot_be_read_are_found(ward: Ward) -> None:
    ward.laptop.keep("small", '{"alias": "small"}')
    with ward.router() as url:
        result = [f"{one.check}: {one.what}" for one in ward.visited(url) if one.outcome == "fail"]
    assert any(line.startswith("routes: small cannot be read") for line in result)
    assert "routes: there is no route to a model that embeds" in result


def test_a_target_that_fails_is_named_and_so_is_what_the_router_makes_of_it(ward: Ward) -> None:
    ward.provider.status = 401
    with ward.router() as url:
        failed = ward.failed(url)
    assert failed.keys() >= {"targets", "embedding"}
    assert "small: one: " in failed["targets"]
    assert "secret" in failed["embedding"]


def test_a_target_that_is_out_of_service_is_named_with_why(ward: Ward) -> None:
    ward.apply(targets=[ward.provider.target("one"), ward.provider.target("two", disabled="it drifted")])
    with ward.router() as url:
        assert "small: two is out of service: it drifted" in ward.failed(url)["targets"]


def test_a_cache_that_forgets_is_found(ward: Ward) -> None:
    with ward.router(_with(cache=ForgetfulCache(), memory=ForgetfulCache())) as url:
        failed = ward.failed(url)
    assert failed.keys() == {"cache"}
    assert "hits=0; misses=1" in failed["cache"]


def test_where_a_route_keeps_nothing_a_second_miss_is_no_fault(ward: Ward) -> None:
    ward.apply(admit="never")
    with ward.router(_with(cache=ForgetfulCache(), memory=ForgetfulCache())) as url:
        assert ward.failed(url) == {}


def test_a_ledger_that_takes_nothing_is_found(ward: Ward) -> None:
    with ward.router(_with(ledger=ForgetfulLedger())) as url:
        failed = ward.failed(url)
    assert failed.keys() == {"ledger"}


def test_a_tenant_without_money_is_found_with_how_to_give_it_some(ward: Ward) -> None:
    with ward.router(limits=replace(DEFAULT_LIMITS, day_nano_usd=0)) as url:
        failed = ward.failed(url)
    assert "insufficient_quota" in failed["embedding"]
    assert "embedge tenant put" in failed["embedding"]


def test_a_log_without_the_request_is_found(ward: Ward) -> None:
    with ward.router() as url:
        (ward.laptop.state / "embedge.log").rename(ward.laptop.state / "elsewhere.log")
        (ward.laptop.state / "embedge.log").write_text("")
        failed = ward.failed(url)
    assert failed.keys() == {"metrics"}


def test_no_finding_holds_a_token(ward: Ward) -> None:
    with ward.router() as url:
        result = ward.laptop.run("doctor", "--url", url)
    assert "eyJ" not in result.output


def _control(ward: Ward, pk: str, sk: str, text: str | None) -> None:
    async def write() -> None:
        operation: Operation = operate_folder(ward.laptop.state, Settings(state=ward.laptop.state))
        seen = (await operation.control.query(pk)).get(sk)
        assert await operation.control.replace(pk, sk, seen, text)
        await operation.close()

    asyncio.run(write())


def _with(**changes: Any) -> Callable[[Serving], Serving]:
    return lambda serving: replace(serving, services=replace(serving.services, **changes))


class ForgetfulCache:
    """The Cache port, and its memory, on nothing."""

    def held(self, keys: Sequence[bytes], dimensions: int) -> Mapping[bytes, StoredVector]:
        del keys, dimensions
        return {}

    def hold(self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str) -> None:
        del entries, ttl_s, tenant

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        del keys, dimensions, tenant
        return {}

    async def put_many(self, entries: object, ttl_s: int, tenant: str = "", *, provenance: object = None) -> None:
        del entries, ttl_s, tenant, provenance

    async def keep_first(
        self, entries: object, ttl_s: int, tenant: str = "", *, provenance: object = None
    ) -> Mapping[bytes, StoredVector]:
        del entries, ttl_s, tenant, provenance
        return {}


class ForgetfulLedger:
    """The Ledger port on nothing: whoever asks may spend, and nobody will know."""

    async def take(self, principal: Principal, claim: Claim) -> Hold:
        del principal, claim
        return _ForgetfulHold()

    async def close(self) -> None:
        pass


class _ForgetfulHold:
    def __init__(self) -> None:
        self.cost = 0

    async def attempt(self, bound_nano_usd: int, worst_nano_usd: int) -> Attempt:
        del bound_nano_usd, worst_nano_usd
        return self

    async def settle(self) -> Settled:
        return Settled(billed_nano_usd=self.cost, rate=None)

    def billed(self, nano_usd: int) -> None:
        self.cost += nano_usd

    def unbilled(self) -> None:
        pass

    def unknown(self) -> None:
        pass
