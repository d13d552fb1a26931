"""What happens when a call is sent once? What it may cost is held before, and what it did cost is billed."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedge.core.assembly import Delivered, billed_tokens
from embedge.core.batching import UpstreamCall
from embedge.core.metering import cost_nano_usd
from embedge.core.route import Target, TransportName
from embedge.errors import (
    EmbedgeError,
    LimitReached,
    ServiceUnavailable,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from embedge.ports import Attempt, NoAnswer, NotSent, Secrets, TimedOut, Transport, WireRequest, WireResponse
from embedge.upstreams.journey import SLOW
from embedge.upstreams.order import Order
from embedge.upstreams.provider_table import PROVIDERS
from embedge.upstreams.target_states import TargetState
from embedge.upstreams.verdict import Failure, failure

if TYPE_CHECKING:
    from embedge.core.breaker import Health

_KEY_REFUSED = 401
_DOWN = "The model's provider cannot be reached. Please try again shortly."


@dataclass(frozen=True, slots=True)
class Try:
    """A call, and where it is sent this time."""

    call: UpstreamCall
    target: Target
    state: TargetState
    order: Order

    def request(self, secret: str | None) -> WireRequest:
        """Return what is to be sent. Raises: InvalidRequest where the provider cannot take such inputs."""
        contents = [miss.content for miss in self.call.misses]
        return PROVIDERS[self.target.provider].request(contents, self.order.route.space, self.target, secret)

    def price(self) -> int:
        """Return what the target takes, in nano-dollars per million tokens."""
        return self.target.price_nano_usd_per_million_tokens


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends calls. `random` gives numbers from 0 up to 1; `on_fault` counts what nobody is told of."""

    transports: Mapping[TransportName, Transport]
    secrets: Secrets
    random: Callable[[], float]
    on_fault: Callable[[str], None]

    async def send(self, this: Try) -> Delivered | Failure:
        """Send once, and tell the target's breaker and latencies what came of it."""
        loop, state = asyncio.get_running_loop(), this.state
        era, started_s = state.breaker.enter(), loop.time()
        health: Health = "neither"
        try:
            outcome = await self._exchange(this)
            health = outcome.health if isinstance(outcome, Failure) else "good"
        finally:  # one that was cut off has said nothing of the target, and was perhaps its probe
            if state.breaker.leave(era, health, loop.time(), self.random()):
                self.on_fault("breaker_opened")
        if isinstance(outcome, Delivered):
            state.latencies.add(loop.time() - started_s)
        return outcome

    async def _exchange(self, this: Try) -> Delivered | Failure:
        """Send with the target's secret; once more where that was refused and there is a new one by now."""
        try:
            secret = await self.secrets.reveal(this.target)
            outcome = await self._once(this, secret)
            if isinstance(outcome, Failure) and outcome.status == _KEY_REFUSED and secret is not None:
                renewed = await self.secrets.renew(this.target, secret)
                return outcome if renewed is None else await self._once(this, renewed)
        except ServiceUnavailable as error:  # another target has another secret
            return Failure(error, "elsewhere", "neither")
        except EmbedgeError as error:
            return failure(error)
        return outcome

    async def _once(self, this: Try, secret: str | None) -> Delivered | Failure:
        """Raises: InvalidRequest where the provider cannot take such inputs."""
        provider = PROVIDERS[this.target.provider]
        request = this.request(secret)
        bound = cost_nano_usd(this.call.token_bound(), this.price())
        try:
            payment = await this.order.hold.attempt(bound, bound if provider.bills_undelivered else 0)
        except (LimitReached, ServiceUnavailable) as error:
            return Failure(error, "uncovered", "neither")
        try:
            response = await self._answer(this.target, request, payment)
        except (UpstreamTimeout, UpstreamUnavailable) as error:
            return failure(error)
        if not response.is_success():
            payment.unbilled()
            return failure(provider.refusal(response), response.status)
        return await _read(response, payment, this, self.on_fault)

    async def _answer(self, target: Target, request: WireRequest, payment: Attempt) -> WireResponse:
        """Return any answer. Raises: UpstreamUnavailable, UpstreamTimeout; what that may have cost is noted."""
        try:
            return await self.transports[target.transport].send(target, request)
        except NotSent as fault:
            payment.unbilled()
            raise UpstreamUnavailable(_DOWN, retry_after_s=0.0) from fault
        except TimedOut as fault:
            payment.unknown()
            raise UpstreamTimeout(SLOW, retry_after_s=0.0) from fault
        except NoAnswer as fault:
            payment.unknown()
            raise UpstreamUnavailable(_DOWN, retry_after_s=0.0) from fault
        except asyncio.CancelledError:  # nobody waits for it any more
            payment.unknown()
            raise


async def _read(
    response: WireResponse, payment: Attempt, this: Try, on_fault: Callable[[str], None]
) -> Delivered | Failure:
    """Return what a 2xx has brought, and bill it; nonsense costs what it says that it costs."""
    provider = PROVIDERS[this.target.provider]
    try:
        answer = provider.answer(response, len(this.call.misses), this.order.route.space)
    except UpstreamInvalidResponse as error:
        usage = provider.usage(response)
        believed = None if usage is None else billed_tokens(this.call, usage, None)
        payment.unknown() if believed is None else payment.billed(cost_nano_usd(believed, this.price()))
        return failure(error)
    counted = await asyncio.shield(this.order.counting)
    tokens = billed_tokens(this.call, answer.tokens, counted)
    payment.billed(cost_nano_usd(tokens, this.price()))
    if answer.tokens is not None and tokens < answer.tokens:
        on_fault("usage_not_believed")
    return Delivered(this.call, answer.vectors, answer.tokens, tokens, this.target.id)
