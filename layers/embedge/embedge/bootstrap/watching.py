"""What does the canary run on?"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TextIO

from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.drift_powertools import PowertoolsDrift
from embedge.bootstrap.state import state_on
from embedge.bootstrap.targets import prober, stand_in
from embedge.settings import Settings
from embedge.verification import Verification

if TYPE_CHECKING:
    from embedge.ports import DriftReports


def watch(settings: Settings, stream: TextIO) -> Callable[[], Awaitable[None]]:
    """Build what the canary does: compare the targets of every route, and report to `stream`."""
    clock, aws = SystemClock(), AwsClients(stand_in(settings))
    probing, _ = prober(settings, aws)
    control = state_on(settings.state, aws, clock, lambda _: None).control
    verification = Verification(control, probing, clock)
    reports: DriftReports = PowertoolsDrift(settings.service, settings.namespace, settings.log_level, stream)

    async def once() -> None:
        reports.report(await verification.watch())

    return once
