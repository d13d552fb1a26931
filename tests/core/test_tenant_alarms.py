"""Does a tenant get an alarm for each budget and level, and does the guard know by the name what to do?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.request import NO_LIMIT
from embedge.core.tenant_alarms import alarms, prefix
from embedge.core.tenant_document import TenantDocument, parse_tenant
from embedge.guard import NAME

BUDGET = st.none() | st.sampled_from([0, 1, 10**9, 50 * 10**9, NO_LIMIT])
TENANT = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


@given(TENANT, BUDGET, BUDGET, BUDGET)
def test_every_alarm_is_of_its_tenant_and_only_all_of_a_budget_and_its_burning_block(
    tenant: str, day: int | None, month: int | None, total: int | None
) -> None:
    document = TenantDocument(1, day, month, total, alarm=True)
    made = alarms("embedge", tenant, document)
    bound = [name for name, limit in (("day", day), ("month", month), ("total", total)) if limit and limit < NO_LIMIT]
    levels = {f"{deed}/{period}-{level}" for period in bound for level, deed in _LEVELS}
    burns = {"block/burn-rate"} if {"day", "month"} & set(bound) else set[str]()
    assert {one.name.removeprefix(prefix("embedge", tenant)) for one in made} == levels | burns
    assert len({one.name for one in made}) == len(made)
    for one in made:
        named = NAME.fullmatch(one.name)
        assert named is not None
        assert (named["stack"], named["tenant"]) == ("embedge", tenant)
        assert ("tenant", tenant) in one.dimensions
        assert one.threshold > 0


_LEVELS = ((50, "notify"), (80, "notify"), (100, "block"))


def test_an_hour_may_cost_a_quarter_of_a_day_or_a_twentieth_of_a_month_whatever_is_less() -> None:
    def burn(day: int | None, month: int | None) -> float:
        (one,) = [
            alarm for alarm in alarms("s", "t", TenantDocument(1, day, month, alarm=True)) if "burn" in alarm.name
        ]
        return one.threshold

    assert burn(8 * 10**9, None) == 2
    assert burn(None, 20 * 10**9) == 1
    assert burn(8 * 10**9, 20 * 10**9) == 1


def test_a_document_says_that_there_are_alarms_and_what_it_says_is_read_again() -> None:
    said = TenantDocument(1, month_nano_usd=10**9, alarm=True)
    assert parse_tenant(said.text()) == said
    assert parse_tenant('{"version": 1}').alarm is False
