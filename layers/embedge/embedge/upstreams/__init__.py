"""How do misses become vectors? Calls in parallel to the targets of one space, and again where that can help.

What is decided is in the files beside this one, and is pure: where a call goes next (`journey`), what a failure means
(`verdict`), when a target is left alone (`retry_budget`, `core.breaker`), how long to wait (`pauses`, `latencies`).
What is done is here, and in `sending`, `hedging` and `reloading`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from embedge.core.assembly import Delivered
from embedge.core.batching import UpstreamCall
from embedge.core.route import TransportName
from embedge.errors import CallTooLarge
from embedge.ports import Secrets, Transport
from embedge.upstreams.halving import MOST_HALVINGS, by_name, halves
from embedge.upstreams.hedging import send_hedged
from embedge.upstreams.journey import Journey, Leg, Send, Stop, Wait, deadline_passed
from embedge.upstreams.order import Counting, Errand, Fetched, Order
from embedge.upstreams.places import place_at_one_of
from embedge.upstreams.provider_table import PROVIDERS
from embedge.upstreams.reloading import reload
from embedge.upstreams.sending import Sender, Try
from embedge.upstreams.target_order import in_order
from embedge.upstreams.target_states import TargetStates

__all__ = ["PROVIDERS", "Counting", "Fetched", "Order", "Upstreams"]


class Upstreams:
    """Calls targets. One per process: it remembers how each target fares."""

    def __init__(
        self,
        transports: Mapping[TransportName, Transport],
        secrets: Secrets,
        random: Callable[[], float],
        on_fault: Callable[[str], None],
    ) -> None:
        """Take the ways to send, the secrets, a source of numbers from 0 up to 1, and what counts faults."""
        self._sender = Sender(transports, secrets, random, on_fault)
        self._states = TargetStates()

    async def embed(self, order: Order) -> Fetched:
        """Send every call of the plan. Calls not yet sent when one has failed for good are not sent any more.

        Raises: nothing but faults of our own; what a target does is in the result.
        """
        errand = Errand(order)
        try:
            async with asyncio.timeout_at(order.deadline_s), asyncio.TaskGroup() as tasks:
                for call in order.plan.calls:
                    tasks.create_task(_Way(self._sender, self._states, errand, tasks).go(call))
        except TimeoutError:
            errand.fail(deadline_passed())
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults
        return Fetched(tuple(errand.delivered), errand.error)


@dataclass(slots=True)
class _Way:
    """The way of one call of a plan, and of its halves."""

    sender: Sender
    states: TargetStates
    errand: Errand
    tasks: asyncio.TaskGroup
    halvings: int = 0

    async def go(self, call: UpstreamCall) -> None:
        """Send the call until it has come, or nothing helps any more; the errand then knows."""
        order, loop = self.errand.order, asyncio.get_running_loop()
        targets = in_order(order.route.targets, self.sender.random)
        legs = [Leg(target, self.states.of(order.route, target)) for target in targets]
        journey = Journey(legs, order.deadline_s)
        while self._is_wanted(journey):
            match journey.next(loop.time()):
                case Stop(error):
                    self.errand.fail(by_name(error, call))
                case Wait(until_s):
                    await self.errand.pause(until_s)
                case Send(legs):
                    if await self._visit(call, legs, journey):
                        return

    async def _visit(self, call: UpstreamCall, legs: Sequence[Leg], journey: Journey) -> bool:
        """Send the call to one of these targets, once it has a place; return whether nothing remains to be done."""
        loop = asyncio.get_running_loop()
        async with place_at_one_of(legs, self.errand.order.turn) as leg:
            # Waiting took time, and what other calls met meanwhile counts for this one too.
            if not self._is_wanted(journey) or not journey.still(leg, loop.time()):
                return False
            sent_s, this = loop.time(), Try(call, leg.target, leg.state, self.errand.order)
            self._count(leg, journey)
            outcome = await send_hedged(self.sender, this, leg, journey, self.errand)
        if isinstance(outcome, Delivered):
            self.errand.delivered.append(outcome)
            return True
        if isinstance(outcome.error, CallTooLarge) and self._halve(call):
            return True
        if outcome.again == "reload" and not leg.reloaded and not await reload(self.sender, this, sent_s):
            outcome = replace(outcome, again="elsewhere")
        journey.failed(leg, outcome, loop.time(), self.sender.random())
        return False

    def _is_wanted(self, journey: Journey) -> bool:
        """Tell whether to send: not once another call has failed for good.

        The halves of a call are still sent once each where it was one of their own inputs that was too large: it fails
        alone, and the others are kept for the caller's next try.
        """
        error = self.errand.error
        return error is None or (isinstance(error, CallTooLarge) and self.halvings > 0 and not journey.has_failed())

    def _count(self, leg: Leg, journey: Journey) -> None:
        if leg.sent:
            self.sender.on_fault("cold_retried" if leg.cold else "call_retried")
        elif journey.has_failed():
            self.sender.on_fault("call_failed_over")
        journey.sent(leg)

    def _halve(self, call: UpstreamCall) -> bool:
        """Send the halves of a call instead; return whether it could still be halved."""
        parts = halves(call)
        if not parts or self.halvings >= MOST_HALVINGS:
            return False
        self.halvings += 1
        self.sender.on_fault("call_halved")
        for part in parts:
            self.tasks.create_task(self.go(part))
        return True
