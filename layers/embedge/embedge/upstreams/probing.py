"""What do targets make of the probe texts, or of one text? Asked as any request would be, and paid by no tenant."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from embedge.core.late import np
from embedge.core.request import Input
from embedge.core.route import ProviderName, Route, Target, TransportName
from embedge.core.space_check import Probed, Unusable, Verdict, judge, probes
from embedge.core.vector_codec import FloatVector, FloatVectors
from embedge.errors import EmbedgeError, UpstreamInvalidResponse
from embedge.ports import NoAnswer, NotSent, Secrets, TimedOut, Transport
from embedge.providers.base import Provider

_MILLI = 1000


class Prober:
    """The Probing and SecondOpinions ports, through the transports, wire formats and secrets of the router."""

    def __init__(
        self,
        transports: Mapping[TransportName, Transport],
        providers: Mapping[ProviderName, Provider],
        secrets: Secrets,
    ) -> None:
        """Take the ways to send, the wire formats, and the secrets."""
        self._transports = transports
        self._providers = providers
        self._secrets = secrets

    async def probe(self, route: Route) -> tuple[Verdict, ...]:
        """Ask every target that serves, all at once, and judge them in their order."""
        answers = await asyncio.gather(*(self._asked(route, target) for target in route.targets))
        return judge(route.space, answers)

    async def embed(self, route: Route, target: Target, content: Input) -> FloatVector:
        """Ask one target for one input. Raises: EmbedgeError, NotSent, NoAnswer."""
        return (await self._call(route, target, [content]))[0]

    async def _asked(self, route: Route, target: Target) -> Probed | Unusable:
        texts = probes(route)
        began_s = _now_s()
        try:
            vectors = await self._vectors(route, target, texts)
            between_s = _now_s()
            alone = await self._call(route, target, [texts[-1]])
        except (EmbedgeError, NotSent, NoAnswer) as error:
            answered = isinstance(error, UpstreamInvalidResponse)
            return Unusable(target.id, _reason(error), answered, (_now_s() - began_s) * _MILLI)
        return Probed(target.id, vectors, alone, (between_s - began_s) * _MILLI)

    async def _vectors(self, route: Route, target: Target, texts: Sequence[str]) -> FloatVectors:
        """Return a row for each text, in as many calls as the target's limits ask for."""
        step = target.limits.inputs
        parts = [await self._call(route, target, list(texts[at : at + step])) for at in range(0, len(texts), step)]
        return np.concatenate(parts)

    async def _call(self, route: Route, target: Target, contents: Sequence[Input]) -> FloatVectors:
        provider = self._providers.get(target.provider)
        if provider is None:
            raise EmbedgeError(f"this deployment does not speak {target.provider}")
        secret = await self._secrets.reveal(target)
        request = provider.request(contents, route.space, target, secret)
        response = await self._transports[target.transport].send(target, request)
        if not response.is_success():
            raise provider.refusal(response)
        # As a space that is not normalised, so that nothing is scaled before it is compared.
        return provider.answer(response, len(contents), replace(route.space, normalised=False)).vectors


def _reason(error: EmbedgeError | NotSent | NoAnswer) -> str:
    if isinstance(error, EmbedgeError):
        return error.message
    if isinstance(error, TimedOut):
        return "it did not answer in time"
    return "it cannot be reached" if isinstance(error, NotSent) else "the connection ended without an answer"


def _now_s() -> float:
    return asyncio.get_running_loop().time()
