"""How do misses become vectors? Calls in parallel to the targets of one space, tried again only where that helps."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedge.core.assembly import Delivered, billed_tokens
from embedge.core.batching import Plan, UpstreamCall
from embedge.core.metering import cost_nano_usd
from embedge.core.route import ProviderName, Route, Target, TransportName
from embedge.errors import (
    EmbedgeError,
    LimitReached,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from embedge.ports import Hold, NoAnswer, NotSent, Secrets, TimedOut, Transport
from embedge.providers.base import Provider
from embedge.providers.cohere import Cohere
from embedge.providers.jina import Jina
from embedge.providers.openai import OpenAI
from embedge.providers.tei import TextEmbeddingsInference
from embedge.providers.titan import Titan
from embedge.providers.voyage import Voyage
from embedge.upstreams.retrying import MAX_ATTEMPTS, pause_s, worth_trying_again

PROVIDERS: Mapping[ProviderName, Provider] = {
    "openai": OpenAI(),
    "tei": TextEmbeddingsInference(),
    "titan": Titan(),
    "cohere": Cohere(),
    "voyage": Voyage(),
    "jina": Jina(),
}

Counting = asyncio.Task[Mapping[bytes, int] | None]


@dataclass(frozen=True, slots=True)
class Order:
    """What one request wants from upstream, and what it may spend of time and money."""

    plan: Plan
    route: Route
    hold: Hold
    counting: Counting
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, and the first thing that went wrong; what came is paid for, and worth keeping either way."""

    delivered: tuple[Delivered, ...]
    error: EmbedgeError | None


class Upstreams:
    """Calls targets. One per process: it knows how many calls to each target are under way."""

    def __init__(
        self, transports: Mapping[TransportName, Transport], secrets: Secrets, random: Callable[[], float]
    ) -> None:
        """Take the ways to send, the secrets, and a source of numbers from 0 to 1 for jitter."""
        self._transports = transports
        self._secrets = secrets
        self._random = random
        self._places: dict[str, asyncio.Semaphore] = {}

    async def embed(self, order: Order) -> Fetched:
        """Send every call of the plan. Calls not yet sent when one has failed for good are not sent any more.

        Raises: nothing but faults of our own; what a target does is in the result.
        """
        failed = asyncio.Event()
        tasks = [asyncio.create_task(self._call(call, order, failed)) for call in order.plan.calls]
        try:
            await asyncio.wait(tasks, timeout=order.deadline_s - asyncio.get_running_loop().time())
        finally:
            late = [task for task in tasks if not task.done()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        outcomes = [_deadline_passed() if task.cancelled() else task.result() for task in tasks]
        delivered = tuple(outcome for outcome in outcomes if isinstance(outcome, Delivered))
        errors = [outcome for outcome in outcomes if isinstance(outcome, EmbedgeError)]
        return Fetched(delivered, errors[0] if errors else None)

    async def _call(self, call: UpstreamCall, order: Order, failed: asyncio.Event) -> Delivered | EmbedgeError | None:
        """Return what one call of the plan came to; None where it was not sent because another had failed."""
        targets = order.route.targets
        error: EmbedgeError = _deadline_passed()
        for attempt in range(MAX_ATTEMPTS):
            target = targets[attempt % len(targets)]
            async with self._place(target):
                if failed.is_set():
                    return None
                try:
                    return await self._attempt(call, target, order)
                except LimitReached as refused:  # there is no money for another try: what the last one met stands
                    return self._give_up(error if attempt else refused, failed)
                except EmbedgeError as refused:
                    error = refused
            if not worth_trying_again(error, attempt, len(targets)):
                break
            pause = pause_s(error, attempt, self._random())
            if asyncio.get_running_loop().time() + pause >= order.deadline_s:
                break
            await asyncio.sleep(pause)
        return self._give_up(error, failed)

    @staticmethod
    def _give_up(error: EmbedgeError, failed: asyncio.Event) -> EmbedgeError:
        failed.set()
        return error

    async def _attempt(self, call: UpstreamCall, target: Target, order: Order) -> Delivered:
        """Send once. What it may cost is held before it is sent, and what it did cost is billed."""
        provider = PROVIDERS[target.provider]
        secret = await self._secrets.reveal(target)
        request = provider.request([miss.content for miss in call.misses], order.route.space, target, secret)
        bound = cost_nano_usd(call.token_bound(), target.price_nano_usd_per_million_tokens)
        payment = await order.hold.attempt(bound, bound if provider.bills_undelivered else 0)
        try:
            response = await self._transports[target.transport].send(target, request)
        except NotSent as fault:
            payment.unbilled()
            raise _unavailable() from fault
        except NoAnswer as fault:
            payment.unknown()
            timed_out = isinstance(fault, TimedOut)
            raise (UpstreamTimeout(_SLOW, retry_after_s=0.0) if timed_out else _unavailable()) from fault
        if not response.is_success():
            payment.unbilled()
            raise provider.refusal(response)
        price = target.price_nano_usd_per_million_tokens
        try:
            answer = provider.answer(response, len(call.misses), order.route.space)
        except UpstreamInvalidResponse:
            usage = provider.usage(response)
            payment.unknown() if usage is None else payment.billed(cost_nano_usd(usage, price))
            raise
        counted = await asyncio.shield(order.counting)
        tokens = billed_tokens(call, answer.tokens, counted)
        payment.billed(cost_nano_usd(tokens, price))
        return Delivered(call, answer.vectors, answer.tokens, tokens, target.id)

    def _place(self, target: Target) -> asyncio.Semaphore:
        return self._places.setdefault(target.id, asyncio.Semaphore(target.limits.concurrency))


_DOWN = "The model's provider cannot be reached. Please try again shortly."
_SLOW = "The model's provider did not answer in time. Please try again, with fewer inputs in one request if it lasts."


def _unavailable() -> UpstreamUnavailable:
    return UpstreamUnavailable(_DOWN, retry_after_s=0.0)


def _deadline_passed() -> UpstreamTimeout:
    return UpstreamTimeout(_SLOW)
