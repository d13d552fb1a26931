"""Is a call that takes longer than most sent a second time? The first good answer counts, the other is cut off."""

import asyncio
from collections.abc import Sequence

from embedge.core.assembly import Delivered
from embedge.upstreams.journey import Journey, Leg
from embedge.upstreams.order import Errand
from embedge.upstreams.places import place_at_one_of
from embedge.upstreams.sending import Sender, Try
from embedge.upstreams.verdict import Failure

_Outcome = Delivered | Failure


async def send_hedged(sender: Sender, this: Try, leg: Leg, journey: Journey, errand: Errand) -> _Outcome:
    """Send, and once more where the route wants that and the first takes too long.

    What the first try met stands where both fail.
    """
    after_s = this.state.latencies.most_s() if this.order.route.hedged else None
    if after_s is None:
        return await sender.send(this)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    first = asyncio.create_task(sender.send(this))
    tries: list[asyncio.Task[_Outcome | None]] = [first]
    try:
        await asyncio.wait(tries, timeout=after_s)
        if not first.done() and errand.error is None:
            tries.append(asyncio.create_task(_second(sender, this, leg, journey)))
        outcome = await _first_good(tries)
        if not first.done():  # it took longer than this; left out, what most take would seem less and less
            this.state.latencies.add(loop.time() - started_s)
        return outcome
    finally:
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)


async def _second(sender: Sender, this: Try, first: Leg, journey: Journey) -> _Outcome | None:
    """Send once more, where a target, its retry budget and a free place allow it; None where not."""
    leg = journey.second(first, asyncio.get_running_loop().time())
    if leg is None or leg.state.places.locked():
        return None
    async with place_at_one_of([leg]):
        journey.sent_second(leg)
        sender.on_fault("call_hedged")
        return await sender.send(Try(this.call, leg.target, leg.state, this.order))


async def _first_good(tries: Sequence[asyncio.Task[_Outcome | None]]) -> _Outcome:
    """Return the first answer that is one, else what the first try met."""
    pending = set(tries)
    while pending:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in tries:
            if task.done() and isinstance(outcome := task.result(), Delivered):
                return outcome
    outcome = tries[0].result()
    assert outcome is not None
    return outcome
