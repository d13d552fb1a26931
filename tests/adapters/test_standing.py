"""Is who was blocked or taken back refused everywhere, soon, and does everybody else keep what Control grants?"""

from __future__ import annotations

import pytest

from embedge import tenancy
from embedge.core.key_document import planned
from embedge.core.request import NO_LIMIT, ModelRate
from embedge.core.tenant_document import EVERYBODY, Block, TenantDocument
from embedge.errors import (
    CredentialExpired,
    CredentialInvalid,
    CredentialRevoked,
    EmbedgeError,
    ServiceUnavailable,
    TenantBlocked,
)
from tests.adapters.test_authenticator_jwt import HEADER, LIMITS, NOW, OURS, Door, claims, signed


class Lodge(Door):
    """A door whose tenants' documents an operator writes."""

    async def says(self, tenant: str, document: TenantDocument) -> None:
        await tenancy.put(self.control, tenant, lambda _: document)

    async def blocks(self, tenant: str, source: str = "operator", *, blocked: bool = True) -> None:
        await tenancy.say(self.control, tenant, source, Block(blocked=blocked, at_s=self.clock.now_s()))

    async def takes_back(self, partition: str) -> None:
        self.control.documents[partition, "-"] = "{}"
        await tenancy.announce(self.control, partition)


TOKEN = signed(HEADER, claims(exp=NOW + 86_400))


async def test_a_tenant_of_whom_nobody_has_said_anything_has_the_deployments_limits() -> None:
    principal = await Lodge().opens(TOKEN)
    assert (principal.limits, principal.narrower_models, principal.tier) == (LIMITS, (), "auto")


async def test_what_is_said_of_a_tenant_is_heard_of_within_fifteen_seconds() -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    rate = ModelRate("text-*", 5)
    document = TenantDocument(0, 1, 2, NO_LIMIT, 4, 5, (rate,), ("text-*",), "flex", 50)
    await lodge.says("acme", document)
    lodge.clock.pass_time(15.1)
    principal = await lodge.opens(TOKEN)
    limits = principal.limits
    assert (limits.day_nano_usd, limits.month_nano_usd, limits.total_nano_usd) == (1, 2, NO_LIMIT)
    assert (limits.requests_per_minute, limits.tokens_per_minute, limits.models) == (4, 5, (rate,))
    assert (limits.version, limits.over_limit_percent) == (1, 50)
    assert (principal.tier, principal.narrower_models) == ("flex", (("text-*",),))


@pytest.mark.parametrize("who", ["acme", EVERYBODY])
@pytest.mark.parametrize("frozen_s", [15.1, 7_200])
async def test_who_is_blocked_is_refused_also_by_who_was_frozen_meanwhile(who: str, frozen_s: float) -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    await lodge.blocks(who)
    lodge.clock.pass_time(frozen_s)
    await lodge.authenticator.verify(f"Bearer {TOKEN}")  # by what is known; nothing was read for it
    await lodge.stays_shut(TOKEN, TenantBlocked)
    with pytest.raises(TenantBlocked):  # now it is known
        await lodge.authenticator.verify(f"Bearer {TOKEN}")


async def test_what_is_known_to_be_blocked_no_longer_is_not_refused_by_what_was_known_before() -> None:
    lodge = Lodge()
    await lodge.blocks("acme")
    await lodge.stays_shut(TOKEN, TenantBlocked)
    await lodge.blocks("acme", "guard#burn")
    lodge.clock.pass_time(1)
    await lodge.blocks("acme", blocked=False)
    lodge.clock.pass_time(16)
    await lodge.stays_shut(TOKEN, TenantBlocked)
    await lodge.blocks("acme", "guard#burn", blocked=False)
    lodge.clock.pass_time(16)
    await lodge.opens(TOKEN)


async def test_another_tenant_is_not_blocked() -> None:
    lodge = Lodge()
    await lodge.blocks("acme")
    await lodge.opens(signed(HEADER, claims(tenant="zoo", jti="other")))


@pytest.mark.parametrize("frozen_s", [15.1, 7_200])
async def test_who_was_taken_back_is_refused_though_it_is_remembered(frozen_s: float) -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    await lodge.takes_back("REVOKED#own#token-1")
    lodge.clock.pass_time(frozen_s)
    await lodge.stays_shut(TOKEN, CredentialRevoked)
    await lodge.stays_shut(TOKEN, CredentialRevoked)


@pytest.mark.parametrize("frozen_s", [15.1, 7_200])
async def test_a_key_that_was_retired_takes_its_tokens_with_it_though_they_are_remembered(frozen_s: float) -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    del lodge.control.documents["KEYS", OURS.kid]
    await tenancy.announce(lodge.control, "KEYS")
    lodge.clock.pass_time(frozen_s)
    await lodge.stays_shut(TOKEN)


async def test_a_key_whose_time_to_retire_has_come_verifies_nothing_more() -> None:
    lodge = Lodge()
    lodge.control.documents["KEYS", OURS.kid] = planned(OURS.public_jwk, retires_s=NOW + 100)
    await lodge.opens(TOKEN)
    lodge.clock.pass_time(99.9)
    await lodge.opens(TOKEN)
    lodge.clock.pass_time(0.1)
    await lodge.stays_shut(TOKEN)


async def test_what_another_issuer_calls_the_same_is_another_token() -> None:
    lodge = Lodge()
    await lodge.takes_back("REVOKED#okta#token-1")
    await lodge.takes_back("REVOKED#own#token-2")
    await lodge.opens(TOKEN)


@pytest.mark.parametrize("jti", [..., "", "a b", "kid:ours", "x" * 65, "own#token-1"])
async def test_a_token_without_a_plain_name_is_known_by_its_hash(jti: object) -> None:
    lodge, token = Lodge(), signed(HEADER, claims(jti=jti))
    principal = await lodge.opens(token)
    assert len(principal.token_id) == 64
    await lodge.takes_back(f"REVOKED#own#{principal.token_id}")
    lodge.clock.pass_time(16)
    await lodge.stays_shut(token, CredentialRevoked)
    await lodge.opens(signed(HEADER, claims(jti=jti, iat=1)))


async def test_while_control_is_down_nobody_is_let_in_of_whom_nothing_is_known() -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    lodge.control.down = True
    await lodge.opens(TOKEN)
    await lodge.stays_shut(signed(HEADER, claims(tenant="zoo", jti="other")), ServiceUnavailable)
    lodge.clock.pass_time(300)
    await lodge.opens(TOKEN)
    lodge.clock.pass_time(1)
    await lodge.stays_shut(TOKEN, ServiceUnavailable)


async def test_limits_that_cannot_be_read_are_no_limits_of_the_deployment() -> None:
    lodge = Lodge()
    lodge.control.documents["TENANT#acme", "CONF"] = '{"version": 1, "budget_usd": {"day": "five"}}'
    await lodge.stays_shut(TOKEN, ServiceUnavailable)
    assert "tenant_unreadable" in lodge.faults


async def test_a_request_of_a_known_bearer_reads_nothing() -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    lodge.control.queried.clear()
    for _ in range(100):
        await lodge.opens(TOKEN)
    assert lodge.control.queried == []


@pytest.mark.parametrize("heard", ["by itself", "by another"])
async def test_what_is_heard_of_between_a_request_s_verification_and_its_confirmation_counts(heard: str) -> None:
    lodge, credential = Lodge(), f"Bearer {TOKEN}"
    await lodge.opens(TOKEN)
    lodge.clock.pass_time(14.96)
    await lodge.authenticator.verify(credential)
    await lodge.blocks("acme")
    lodge.clock.pass_time(0.08)
    if heard == "by another":
        await lodge.identity.kept.freshen()
    with pytest.raises(TenantBlocked):
        await lodge.authenticator.confirm(credential)


async def test_a_key_that_is_seen_to_be_gone_before_a_request_is_confirmed_confirms_nothing() -> None:
    lodge, credential = Lodge(), f"Bearer {TOKEN}"
    for seconds in (0, 16, 31):  # after half a minute a key of another name is looked for
        lodge.clock.pass_time(seconds)
        await lodge.opens(TOKEN)
    await lodge.authenticator.verify(credential)
    del lodge.control.documents["KEYS", OURS.kid]
    assert await lodge.identity.own_keys.get("another") is None
    with pytest.raises(CredentialInvalid):
        await lodge.authenticator.confirm(credential)


async def test_a_request_that_is_confirmed_later_than_its_token_lives_is_refused() -> None:
    lodge, credential = Lodge(), f"Bearer {signed(HEADER, claims(exp=NOW + 10))}"
    await lodge.authenticator.confirm(credential)
    lodge.clock.pass_time(9.5)
    await lodge.authenticator.verify(credential)
    lodge.clock.pass_time(0.6)
    with pytest.raises(CredentialExpired):
        await lodge.authenticator.confirm(credential)


async def test_requests_that_are_under_way_together_are_each_their_own_bearer_s() -> None:
    lodge = Lodge()
    tokens = [signed(HEADER, claims(exp=NOW + 86_400, tenant=tenant, jti=tenant)) for tenant in ("acme", "other")]
    first, second = (f"Bearer {token}" for token in tokens)
    for _ in range(2):
        assert (await lodge.authenticator.verify(first)).tenant == "acme"
        assert (await lodge.authenticator.confirm(second)).tenant == "other"
        assert (await lodge.authenticator.verify(second)).tenant == "other"
        assert (await lodge.authenticator.confirm(first)).tenant == "acme"


async def test_a_request_is_judged_once_where_it_is_confirmed_a_moment_later() -> None:
    lodge, credential = Lodge(), f"Bearer {TOKEN}"
    principal = await lodge.opens(TOKEN)
    assert await lodge.authenticator.verify(credential) is principal
    lodge.clock.pass_time(0.09)
    assert await lodge.authenticator.confirm(credential) is principal


async def test_a_bearer_is_judged_anew_only_where_something_was_read_anew() -> None:
    lodge = Lodge()
    await lodge.says("acme", TenantDocument(requests_per_minute=7))
    principal = await lodge.opens(TOKEN)
    assert await lodge.opens(TOKEN) is principal
    lodge.clock.pass_time(16)
    assert await lodge.opens(TOKEN) is principal
    await lodge.says("acme", TenantDocument(requests_per_minute=8))
    lodge.clock.pass_time(16)
    assert (await lodge.opens(TOKEN)).limits.requests_per_minute == 8


async def test_what_was_never_announced_is_heard_of_after_ten_minutes_though_the_token_is_remembered() -> None:
    lodge = Lodge()
    await lodge.opens(TOKEN)
    lodge.control.documents["REVOKED#own#token-1", "-"] = "{}"
    lodge.clock.pass_time(599)
    await lodge.opens(TOKEN)
    lodge.clock.pass_time(2)
    await lodge.stays_shut(TOKEN, CredentialRevoked)


async def test_what_is_refused_says_nothing_of_the_token_or_the_tenant() -> None:
    lodge = Lodge()
    await lodge.blocks("acme", "guard#secret-alarm")
    with pytest.raises(EmbedgeError) as refused:
        await lodge.authenticator.confirm(f"Bearer {TOKEN}")
    assert not any(word in refused.value.message for word in ("acme", "token-1", "secret-alarm", OURS.kid))
