"""Do a tenant's alarms follow its limits, and is nobody blocked by one that is gone?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embedge import tenancy
from embedge.bootstrap.operating import Alarming, Operation, operate_folder
from embedge.cli.tenant_alarming import checked, follow
from embedge.core.tenant_document import Block, TenantDocument, is_blocked
from embedge.errors import EmbedgeError
from embedge.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from embedge.core.tenant_alarms import Alarm
    from tests.cli.laptop import Laptop

WATCHED = TenantDocument(1, month_nano_usd=50 * 10**9, alarm=True)
OF_ACME = "embedge/tenant/acme/"


class FakeAlarms:
    """The Alarms port: `made` by their names."""

    def __init__(self) -> None:
        self.made: dict[str, Alarm] = {}

    async def names(self, prefix: str) -> Sequence[str]:
        return [name for name in self.made if name.startswith(prefix)]

    async def put(self, alarm: Alarm) -> None:
        self.made[alarm.name] = alarm

    async def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.made.pop(name, None)


@pytest.fixture
def alarms() -> FakeAlarms:
    return FakeAlarms()


@pytest.fixture
async def stack(tmp_path: Path, alarms: FakeAlarms) -> AsyncIterator[Operation]:
    folder = operate_folder(tmp_path, Settings(state=tmp_path))
    yield replace(folder, alarming=Alarming("embedge", alarms))
    await folder.close()


async def test_they_are_made_and_changed_and_those_of_a_budget_that_is_gone_are_deleted(
    stack: Operation, alarms: FakeAlarms
) -> None:
    await follow(stack, "acme2", WATCHED)
    names = await follow(stack, "acme", WATCHED)
    assert [name.removeprefix(OF_ACME) for name in names] == [
        "notify/month-50",
        "notify/month-80",
        "block/month-100",
        "block/burn-rate",
    ]
    await follow(stack, "acme", replace(WATCHED, day_nano_usd=10**9))
    assert alarms.made[f"{OF_ACME}block/burn-rate"].threshold == 0.25
    await follow(stack, "acme", replace(WATCHED, month_nano_usd=None, day_nano_usd=10**9))
    assert {name.removeprefix(OF_ACME).split("/")[1] for name in alarms.made if name.startswith(OF_ACME)} == {
        "day-50",
        "day-80",
        "day-100",
        "burn-rate",
    }
    assert len(await alarms.names("embedge/tenant/acme2/")) == 4


async def test_without_alarms_none_is_left_and_what_they_blocked_is_let_in(
    stack: Operation, alarms: FakeAlarms
) -> None:
    await follow(stack, "acme", WATCHED)
    for source in (f"guard#{OF_ACME}block/month-100", "operator"):
        await tenancy.say(stack.control, "acme", source, Block(blocked=True, at_s=1))
    await follow(stack, "acme", WATCHED)
    assert (await tenancy.known(stack.control, "acme")).blocks[f"guard#{OF_ACME}block/month-100"].blocked
    await follow(stack, "acme", replace(WATCHED, alarm=False))
    assert alarms.made == {}
    blocks = (await tenancy.known(stack.control, "acme")).blocks
    assert not blocks[f"guard#{OF_ACME}block/month-100"].blocked
    assert is_blocked(blocks)  # by the operator


def test_what_cannot_be_watched_is_refused_before_anything_is_written(stack: Operation, laptop: Laptop) -> None:
    with pytest.raises(EmbedgeError, match="no budget to watch"):
        checked(stack, TenantDocument(1, alarm=True))
    assert "--stack" in laptop.refused("tenant", "put", "acme", "--budget", "month=50", "--alarm")
    assert "Nobody has said anything of acme" in laptop.refused("tenant", "show", "acme")
    assert "version 1" in laptop.done("tenant", "put", "acme", "--budget", "month=50")
