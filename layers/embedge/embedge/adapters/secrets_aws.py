"""What is this secret? `secretsmanager:NAME` from AWS, kept five minutes; `env:NAME` as it was given."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from embedge.errors import ServiceUnavailable
from embedge.ports import Clock

if TYPE_CHECKING:
    from embedge.adapters.aws_clients import AwsClients

_KEEP_S = 300
_LIMIT_S = 5
# What botocore's parser raises of an answer that is none.
_UNREADABLE = (AttributeError, TypeError, ValueError)


class ReferencedSecrets:
    """The Secrets port."""

    def __init__(self, given: Mapping[str, str], clients: "AwsClients", clock: Clock) -> None:
        """Take the secrets that the environment holds, by name, where a client comes from, and the time."""
        self._given = given
        self._clients = clients
        self._clock = clock
        self._kept: dict[str, tuple[float, str]] = {}

    async def reveal(self, reference: str) -> str:
        """Return the secret. Raises: ServiceUnavailable."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            if name not in self._given:
                raise _unavailable()
            return self._given[name]
        until_s, secret = self._kept.get(reference, (0.0, ""))
        if until_s <= self._clock.now_s():
            secret = await self._read(name)
            self._kept[reference] = (self._clock.now_s() + _KEEP_S, secret)
        return secret

    async def _read(self, name: str) -> str:
        # Here, because botocore costs a start much, and a process without secrets in AWS never needs it.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            async with asyncio.timeout(_LIMIT_S):
                client = await self._clients.secrets_manager()
                return (await client.get_secret_value(SecretId=name))["SecretString"]
        except (BotoCoreError, ClientError, TimeoutError, KeyError, *_UNREADABLE) as fault:
            raise _unavailable() from fault


def _unavailable() -> ServiceUnavailable:
    message = "The secret for this model's provider cannot be read just now. Please try again, or tell the operators."
    return ServiceUnavailable(message, retry_after_s=5)
