"""What does a deployed stack consist of, and where is its private key? For operators; no function has these rights."""

import json
from collections.abc import Sequence
from typing import Any, cast

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError

from embedge.errors import ServiceUnavailable


async def stack_outputs(stack: str) -> dict[str, str]:
    """Return the outputs of a CloudFormation stack by name. Raises: ServiceUnavailable."""
    try:
        async with _client("cloudformation") as client:
            described = await client.describe_stacks(StackName=stack)
    except (ClientError, BotoCoreError) as error:
        raise ServiceUnavailable(f"The stack {stack} cannot be read: {error}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0].get("Outputs", [])}


class SsmSigningKeys:
    """The SigningKeys port on one SecureString of the Systems Manager's parameter store."""

    def __init__(self, stack: str) -> None:
        """Take the stack's name: its keys are the parameter `/embedge/STACK/signing-key`."""
        self._name = f"/embedge/{stack}/signing-key"

    async def load(self) -> Sequence[tuple[str, str]]:
        """Return each key's name and its PEM, the newest first. Raises: ServiceUnavailable."""
        try:
            async with _client("ssm") as client:
                reply = await client.get_parameter(Name=self._name, WithDecryption=True)
        except ClientError as error:
            code = cast("dict[str, Any]", error.response).get("Error", {}).get("Code")
            if code == "ParameterNotFound":
                return ()
            raise ServiceUnavailable(f"The parameter {self._name} cannot be read: {error}") from error
        except BotoCoreError as error:
            raise ServiceUnavailable(f"The parameter {self._name} cannot be read: {error}") from error
        return signing_keys_in(reply["Parameter"]["Value"])

    async def keep(self, kid: str, pem: str) -> None:
        """Keep a key as the newest. Raises: ServiceUnavailable."""
        await self._write([(kid, pem), *(key for key in await self.load() if key[0] != kid)])

    async def forget(self, kid: str) -> None:
        """Keep a key no longer. Raises: ServiceUnavailable."""
        await self._write([key for key in await self.load() if key[0] != kid])

    async def _write(self, keys: Sequence[tuple[str, str]]) -> None:
        try:
            async with _client("ssm") as client:
                await client.put_parameter(
                    Name=self._name, Value=signing_keys_text(keys), Type="SecureString", Overwrite=True
                )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The parameter {self._name} cannot be written: {error}") from error


def signing_keys_text(keys: Sequence[tuple[str, str]]) -> str:
    """Return keys as they stand in the parameter, the newest at the top; 4 KB hold a dozen."""
    named = [{"kid": kid, "pem": pem} for kid, pem in keys]
    return json.dumps({**(named[0] if named else {}), "older": named[1:]})


def signing_keys_in(text: str) -> Sequence[tuple[str, str]]:
    """Read what stands in the parameter; one that was written when there was no rotation holds one key."""
    kept = json.loads(text)
    named = [*([kept] if "kid" in kept else []), *kept.get("older", [])]
    return [(key["kid"], key["pem"]) for key in named]


def _client(service: str) -> Any:  # noqa: ANN401 (aiobotocore types its clients by literal names in a package of stubs)
    session: Any = AioSession()
    return session.create_client(service)
