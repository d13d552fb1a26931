"""How do bytes travel to a SageMaker endpoint? InvokeEndpoint, whose own errors become those of the model's server."""

import asyncio
from io import BytesIO
from typing import TYPE_CHECKING, cast

from embedge.core.route import Target
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.exceptions import ClientError

    from embedge.adapters.aws_clients import AwsClients

# What InvokeEndpoint's errors mean as HTTP, where the container itself has not said. Source: its API reference,
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html, read 2026-11.
_STATUS = {
    "ModelNotReadyException": 503,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "InternalDependencyException": 503,
    "InternalFailure": 503,
    "ThrottlingException": 429,
    "AccessDeniedException": 403,
    "ValidationError": 404,
}
# Errors of all AWS services go by many names, and these statuses say what they mean whatever the name.
_KNOWN_BY_STATUS = frozenset({401, 403, 429, 500, 502, 503, 504})
_CONTAINERS_REFUSALS = range(400, 600)


class SageMakerTransport:
    """The Transport port over SageMaker's runtime. The body is the container's; the path is SageMaker's own."""

    def __init__(self, clients: "AwsClients") -> None:
        """Take where the client comes from."""
        self._clients = clients

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        """Invoke once. Raises: NotSent where no connection was had; TimedOut, NoAnswer after that."""
        # Here, because they cost a start much, and a process with OpenAI's routes alone never needs them.
        from aiohttp import ClientConnectorError  # noqa: PLC0415
        from aiohttp import ClientError as BrokenOff  # noqa: PLC0415
        from botocore import exceptions as boto  # noqa: PLC0415

        try:
            async with asyncio.timeout(target.read_timeout_s):
                client = await self._clients.sagemaker_runtime()
                body = BytesIO(request.body)  # aiohttp warns of large bytes, which it would write in one go
                reply = await client.invoke_endpoint(
                    EndpointName=target.endpoint, ContentType="application/json", Body=body
                )
                async with reply["Body"] as answer:
                    return WireResponse(200, {}, await answer.read())
        except boto.ClientError as error:
            return _refusal(error)
        except (boto.ConnectTimeoutError, boto.NoCredentialsError, boto.NoRegionError) as fault:
            raise NotSent from fault
        except boto.EndpointConnectionError as fault:
            # aiobotocore calls any reset so, also of a connection that the request has gone over
            # (aiobotocore/httpsession.py, 3.10); only aiohttp's own error tells them apart.
            raise (NotSent if isinstance(fault.kwargs.get("error"), ClientConnectorError) else NoAnswer) from fault
        except (TimeoutError, boto.ReadTimeoutError) as fault:
            raise TimedOut from fault
        # The last two: botocore's parser, of a body that is not what it should be.
        except (boto.BotoCoreError, BrokenOff, OSError, AttributeError, ValueError) as fault:
            raise NoAnswer from fault


def _refusal(error: "ClientError") -> WireResponse:
    reply = cast("Mapping[str, object]", error.response)
    code = cast("Mapping[str, str]", reply.get("Error", {})).get("Code", "")
    original = reply.get("OriginalStatusCode")
    if code == "ModelError" and isinstance(original, int) and original in _CONTAINERS_REFUSALS:
        return WireResponse(original, {}, str(reply.get("OriginalMessage", "")).encode())
    status = cast("Mapping[str, int]", reply.get("ResponseMetadata", {})).get("HTTPStatusCode", 0)
    return WireResponse(_STATUS.get(code, status if status in _KNOWN_BY_STATUS else 502), {}, b"")
