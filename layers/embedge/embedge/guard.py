"""What happens when an alarm of money changes its state? What it is about is blocked, or is let in again.

An alarm's name says what it is about and what is to be done: `STACK/everybody/block/burn-rate` blocks the whole stack,
`STACK/tenant/acme/block/day-100` one tenant, and `…/notify/…` nobody: that only tells people, by itself.

Each alarm speaks for itself alone, and only the newest that it said counts. So events may come twice, late, or in
another order; and an alarm that is over lets nobody in whom an operator, or another alarm, keeps out.
Events as EventBridge has them: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedge import tenancy
from embedge.core.tenant_document import EVERYBODY, Block
from embedge.errors import InvalidValue
from embedge.ports import ControlTable, Notices

NAME = re.compile(r"(?P<stack>[^/]+)/(everybody|tenant/(?P<tenant>[A-Za-z0-9._-]{1,64}))/(?P<deed>block|notify)/[^/]+")
_State: TypeAlias = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]


class _Read(BaseModel):
    """What is read of an event; of what else is in it, nothing depends."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _StateRead(_Read):
    value: _State
    timestamp: datetime
    reason: str = ""
    # Of a composite alarm: another one keeps its actions back, so nobody is to be blocked for it.
    actions_suppressed_by: Annotated[str | None, Field(alias="actionsSuppressedBy")] = None


class _Detail(_Read):
    alarm: Annotated[str, Field(alias="alarmName")]
    state: _StateRead


class _Event(_Read):
    kind: Annotated[Literal["CloudWatch Alarm State Change"], Field(alias="detail-type")]
    detail: _Detail


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an event: of which alarm, about whom, and what was done."""

    alarm: str
    tenant: str
    deed: Literal["blocked", "let in", "nothing: not an alarm that blocks", "nothing: older than what is known"]


async def act(event: Mapping[str, object], stack: str, control: ControlTable) -> Done:
    """Do what an alarm's new state asks for. Raises: InvalidValue, ServiceUnavailable; then it is to be tried again."""
    read = _read(event)
    alarm, state = read.detail.alarm, read.detail.state
    named = NAME.fullmatch(alarm)
    tenant = EVERYBODY if named is None else (named["tenant"] or EVERYBODY)
    ours = named is not None and named["stack"] == stack and named["deed"] == "block"
    undecided = state.value == "INSUFFICIENT_DATA" or (state.value == "ALARM" and state.actions_suppressed_by)
    if not ours or undecided:
        return Done(alarm, tenant, "nothing: not an alarm that blocks")
    block = Block(blocked=state.value == "ALARM", at_s=state.timestamp.timestamp(), reason=f"{alarm}: {state.reason}")
    if not await tenancy.say(control, tenant, f"guard#{alarm}", block):
        return Done(alarm, tenant, "nothing: older than what is known")
    return Done(alarm, tenant, "blocked" if block.blocked else "let in")


async def act_and_tell(event: Mapping[str, object], stack: str, control: ControlTable, notices: Notices) -> Done:
    """Do it, and leave a line of it for operators. Raises: as `act` does."""
    done = await act(event, stack, control)
    numbers = {
        "guard_events": 1,
        "guard_blocks": int(done.deed == "blocked"),
        "guard_lifts": int(done.deed == "let in"),
    }
    notices.tell("guard", {"alarm": done.alarm, "tenant": done.tenant, "deed": done.deed}, numbers)
    return done


def _read(event: Mapping[str, object]) -> _Event:
    try:
        return _Event.model_validate(event)
    except ValidationError as error:
        raise InvalidValue("This is not an alarm's change of state as EventBridge tells of it.") from error
