"""What does the API stand on?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from embedge.api.carriage import Carriage
from embedge.core.request import BudgetSpentStatus
from embedge.ports import Clock, Telemetry
from embedge.services import Services
from embedge.usage import Books


@dataclass(frozen=True, slots=True)
class Serving:
    """What the API stands on."""

    services: Services
    books: Books
    telemetry: Telemetry
    clock: Clock
    longest_request_s: float
    carriage: Carriage
    close: Callable[[], Awaitable[None]]
    published_keys: Callable[[], Awaitable[Sequence[Mapping[str, object]]]]
    cors_origins: tuple[str, ...] = ()
    requests_per_second_per_address: int = 0  # 0: as many as may be
    budget_spent_status: BudgetSpentStatus = 429
