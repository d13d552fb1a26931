"""What is this target's secret? From AWS, kept five minutes, or from the environment; and only for a host it names."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedge.core.route import Target
from embedge.core.secret import Secret, UnusableSecret, parse_secret
from embedge.errors import ServiceUnavailable, UpstreamRejected
from embedge.ports import Clock

if TYPE_CHECKING:
    from embedge.adapters.aws_clients import AwsClients

_KEEP_S = 300
_LIMIT_S = 5
# One that was refused is read again, but not by every call that is refused while it is wrong.
_SOONEST_AGAIN_S = 10
# What botocore's parser raises of an answer that is none.
_UNREADABLE = (AttributeError, TypeError, ValueError)

# Where a key belongs that stands in the environment under its provider's usual name.
_USUAL_HOSTS: Mapping[str, tuple[str, ...]] = {
    "OPENAI_API_KEY": ("api.openai.com",),
    "AZURE_OPENAI_API_KEY": ("*.openai.azure.com",),
    "CO_API_KEY": ("api.cohere.com",),
    "COHERE_API_KEY": ("api.cohere.com",),
    "JINA_API_KEY": ("api.jina.ai",),
    "NANOGPT_API_KEY": ("nano-gpt.com",),
    "NEBIUS_API_KEY": ("api.studio.nebius.com", "api.tokenfactory.nebius.com"),
    "VOYAGE_API_KEY": ("api.voyageai.com",),
}


@dataclass(frozen=True, slots=True)
class _Kept:
    secret: Secret
    read_s: float


class ReferencedSecrets:
    """The Secrets port, and NamedSecrets."""

    def __init__(
        self, given: Mapping[str, str], clients: "AwsClients", clock: Clock, on_fault: Callable[[str], None]
    ) -> None:
        """Take what the environment holds, by name, where a client comes from, the time, and whom to tell of faults."""
        self._given = given
        self._clients = clients
        self._clock = clock
        self._on_fault = on_fault
        self._kept: dict[str, _Kept] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def reveal(self, target: Target) -> str | None:
        """Return what proves us to a target. Raises: ServiceUnavailable; UpstreamRejected where it is another's."""
        if target.secret is None:
            return None
        return self._for(target, await self._known(target.secret, self._clock.now_s() - _KEEP_S))

    async def renew(self, target: Target, rejected: str) -> str | None:
        """Return it anew after a target has refused it; None where there is no other."""
        if target.secret is None:
            return None
        secret = await self._known(target.secret, self._clock.now_s() - _SOONEST_AGAIN_S, unless=rejected)
        return None if secret.key == rejected else self._for(target, secret)

    async def named(self, reference: str) -> str:
        """Return what a reference names, for a use on this side alone. Raises: ServiceUnavailable."""
        return (await self._known(reference, self._clock.now_s() - _KEEP_S)).key

    def _for(self, target: Target, secret: Secret) -> str:
        if not secret.may_go_to(target.endpoint):
            self._on_fault("secret_of_other_hosts")
            raise UpstreamRejected(
                "The key of this model's provider is not meant for the host that the model's route names. "
                "This is the deployment's fault, not yours: tell its operators."
            )
        return secret.key

    async def _known(self, reference: str, read_since_s: float, unless: str | None = None) -> Secret:
        """Return what was read since then, or what is read now; the last good one where it cannot be read."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            return self._from_environment(name)
        async with self._reading.setdefault(reference, asyncio.Lock()):
            kept = self._kept.get(reference)
            if kept and kept.read_s > read_since_s:
                return kept.secret
            if kept and unless is not None and kept.secret.key != unless:
                return kept.secret  # another call has read it since
            try:
                secret = parse_secret(await self._read(kind, name))
            except (ServiceUnavailable, UnusableSecret) as fault:
                self._on_fault("secret_unreadable")
                if kept is None:
                    raise _unavailable() from fault
                secret = kept.secret
            self._kept[reference] = _Kept(secret, self._clock.now_s())
            return secret

    def _from_environment(self, name: str) -> Secret:
        try:
            return parse_secret(self._given[name], _USUAL_HOSTS.get(name, ()))
        except (KeyError, UnusableSecret):
            raise _unavailable() from None

    async def _read(self, kind: str, name: str) -> str:
        # Here, because botocore costs a start much, and a process without secrets in AWS never needs it.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            async with asyncio.timeout(_LIMIT_S):
                if kind == "ssm":
                    parameters = await self._clients.systems_manager()
                    reply = await parameters.get_parameter(Name=name, WithDecryption=True)
                    return str(reply["Parameter"].get("Value") or "")
                client = await self._clients.secrets_manager()
                return str((await client.get_secret_value(SecretId=name))["SecretString"])
        except (BotoCoreError, ClientError, TimeoutError, KeyError, *_UNREADABLE) as fault:
            raise _unavailable() from fault


def _unavailable() -> ServiceUnavailable:
    message = "The secret for this model's provider cannot be read just now. Please try again, or tell the operators."
    return ServiceUnavailable(message, retry_after_s=5)
