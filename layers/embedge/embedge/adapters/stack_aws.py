"""What does a deployed stack consist of, and where is its private key? For operators; no function has these rights."""

import json
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
        """Take the stack's name: its key is the parameter `/embedge/STACK/signing-key`."""
        self._name = f"/embedge/{stack}/signing-key"

    async def load(self) -> tuple[str, str] | None:
        """Return the key's name and its PEM, None where there is none. Raises: ServiceUnavailable."""
        try:
            async with _client("ssm") as client:
                reply = await client.get_parameter(Name=self._name, WithDecryption=True)
        except ClientError as error:
            code = cast("dict[str, Any]", error.response).get("Error", {}).get("Code")
            if code == "ParameterNotFound":
                return None
            raise ServiceUnavailable(f"The parameter {self._name} cannot be read: {error}") from error
        except BotoCoreError as error:
            raise ServiceUnavailable(f"The parameter {self._name} cannot be read: {error}") from error
        kept = json.loads(reply["Parameter"]["Value"])
        return kept["kid"], kept["pem"]

    async def keep(self, kid: str, pem: str) -> None:
        """Keep a key as a SecureString. Raises: ServiceUnavailable."""
        value = json.dumps({"kid": kid, "pem": pem})
        try:
            async with _client("ssm") as client:
                await client.put_parameter(Name=self._name, Value=value, Type="SecureString", Overwrite=True)
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The parameter {self._name} cannot be written: {error}") from error


def _client(service: str) -> Any:  # noqa: ANN401 (aiobotocore types its clients by literal names in a package of stubs)
    session: Any = AioSession()
    return session.create_client(service)
