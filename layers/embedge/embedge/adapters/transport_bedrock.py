"""How do bytes travel to a model of Bedrock? InvokeModel, whose own errors become statuses of HTTP."""

import json
from typing import TYPE_CHECKING

from embedge.adapters.aws_invocation import NOT_READY, invoked, name_of, said_by, status_of
from embedge.core.route import Target
from embedge.ports import WireRequest, WireResponse

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from embedge.adapters.aws_clients import AwsClients

# What InvokeModel's errors mean as HTTP; what the model's own server fails with is its failure. Source: its reference,
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html, read 2026-11.
_STATUS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 500,
    "ModelTimeoutException": 504,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 429,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}


class BedrockTransport:
    """The Transport port over Bedrock's runtime. A target's endpoint is the model's id; the path is Bedrock's own."""

    def __init__(self, clients: "AwsClients") -> None:
        """Take where the client comes from."""
        self._clients = clients

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        """Invoke once. Raises: NotSent where no connection was had; TimedOut, NoAnswer after that."""

        async def call() -> WireResponse:
            client = await self._clients.bedrock_runtime()
            reply = await client.invoke_model(
                modelId=target.endpoint, contentType="application/json", accept="application/json", body=request.body
            )
            headers = reply["ResponseMetadata"]["HTTPHeaders"]
            async with reply["body"] as answer:
                return WireResponse(200, headers, await answer.read())

        return await invoked(target.read_timeout_s, call, _refusal)


def _refusal(error: "ClientError") -> WireResponse:
    """Return what the service refused with; its message is about the caller's input only where that is at fault."""
    if name_of(error) == "ModelNotReadyException":
        return NOT_READY
    return WireResponse(status_of(error, _STATUS), {}, json.dumps({"message": said_by(error)}).encode())
