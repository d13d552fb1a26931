"""How do bytes travel to a SageMaker endpoint? InvokeEndpoint, whose own errors become those of the model's server."""

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from embedge.adapters.aws_invocation import NOT_READY, invoked, name_of, said_by, status_of
from embedge.core.route import Target
from embedge.ports import WireRequest, WireResponse

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from embedge.adapters.aws_clients import AwsClients

# What InvokeEndpoint's errors mean as HTTP, where the container itself has not said. Source: its API reference,
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html, read 2026-11.
_STATUS = {
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "InternalDependencyException": 503,
    "InternalFailure": 503,
    "ThrottlingException": 429,
    "AccessDeniedException": 403,
    "ValidationError": 404,
}
_CONTAINERS_REFUSALS = range(400, 600)
# What a ValidationError says of an inference component that was scaled to zero; the try itself makes it scale out.
# Source: AWS's article "Unlock cost savings with the new scale down to zero feature in SageMaker Inference", 2024-12;
# https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html has no words. Read 2026-11.
_SCALED_TO_ZERO = "no capacity to process this request"


class SageMakerTransport:
    """The Transport port over SageMaker's runtime. The body is the container's; the path is SageMaker's own."""

    def __init__(self, clients: "AwsClients") -> None:
        """Take where the client comes from."""
        self._clients = clients

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        """Invoke once. Raises: NotSent where no connection was had; TimedOut, NoAnswer after that."""

        async def call() -> WireResponse:
            client = await self._clients.sagemaker_runtime()
            reply = await client.invoke_endpoint(
                EndpointName=target.endpoint,
                ContentType="application/json",
                Body=BytesIO(request.body),  # aiohttp warns of large bytes, which it would write in one go
                **_part_of(target),
            )
            async with reply["Body"] as answer:
                return WireResponse(200, {}, await answer.read())

        return await invoked(target.read_timeout_s, call, _refusal)


def _part_of(target: Target) -> Mapping[str, Any]:
    """Return which of an endpoint's models is meant, where it has several."""
    parts = {"InferenceComponentName": target.inference_component, "TargetVariant": target.target_variant}
    return {name: value for name, value in parts.items() if value is not None}


def _refusal(error: "ClientError") -> WireResponse:
    reply, name = cast("Mapping[str, object]", error.response), name_of(error)
    if name == "ModelNotReadyException" or (name == "ValidationError" and _SCALED_TO_ZERO in said_by(error)):
        return NOT_READY
    original = reply.get("OriginalStatusCode")
    if name == "ModelError" and isinstance(original, int) and original in _CONTAINERS_REFUSALS:
        return WireResponse(original, {}, str(reply.get("OriginalMessage", "")).encode())
    return WireResponse(status_of(error, _STATUS), {}, b"")
