"""Where do AWS clients come from? One for each service, made when first asked for, on the running loop."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, Protocol, TypeAlias, TypedDict, cast

from embedge.adapters.aws_connections import Connections
from embedge.adapters.aws_signature import Signer
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.dynamodb_lean import LeanDynamoDb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiobotocore.client import AioBaseClient
    from types_aiobotocore_bedrock_runtime import BedrockRuntimeClient
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sagemaker_runtime import SageMakerRuntimeClient
    from types_aiobotocore_secretsmanager import SecretsManagerClient
    from types_aiobotocore_ssm import SSMClient

    from embedge.core.aws_access import DynamoDbAccess

_Service: TypeAlias = Literal["bedrock-runtime", "dynamodb", "logs", "s3", "sagemaker-runtime", "secretsmanager", "ssm"]

_CONNECT_TIMEOUT_S = 1.0
# Between two bytes of an answer. SageMaker itself cuts an invocation off after 60 s
# (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html, read 2026-11).
_READ_TIMEOUT_S: dict[_Service, float] = {
    "bedrock-runtime": 60.0,
    "dynamodb": 3.0,
    "logs": 20.0,
    "s3": 10.0,
    "sagemaker-runtime": 60.0,
    "secretsmanager": 3.0,
    "ssm": 3.0,
}
_MOST_CONNECTIONS = 50
_AMAZON_ROOTS = Path(__file__).with_name("amazon_roots.pem")
# Links name the bucket's own host in its Region, which needs no redirect and works from the bucket's first minute; a
# body comes with its checksum and over TLS, so that hashing it once more would prove nothing.
_S3 = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional", "payload_signing_enabled": False}


@dataclass(frozen=True, slots=True)
class StandIn:
    """A server that takes the place of AWS, and the credentials that it wants to see."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str


class AwsClients:
    """Clients that send nothing twice by themselves. botocore finds region, endpoint and credentials."""

    def __init__(self, stand_in: StandIn | None = None, lean: DynamoDbAccess | None = None) -> None:
        """Take what stands in for AWS, where something does, and where DynamoDB may be asked the lean way."""
        self._stand_in = stand_in
        self._lean_access = lean
        self._lean: LeanDynamoDb | None = None
        self._session: _Session | None = None
        self._clients: dict[_Service, asyncio.Task[AioBaseClient]] = {}
        self._open = AsyncExitStack()

    async def dynamodb(self) -> DynamoDBClient:
        """Return the client whose replies are held against their checksums: the lean one where that can be had."""
        if self._lean_access is None:
            return await self.plain_dynamodb()
        if self._lean is None:
            self._lean = _lean(self._lean_access, self.plain_dynamodb)
        return cast("DynamoDBClient", self._lean)

    async def plain_dynamodb(self) -> DynamoDBClient:
        """Return the client of aiobotocore."""
        return cast("DynamoDBClient", await self._client("dynamodb"))

    async def s3(self) -> S3Client:
        """Return the client that writes objects and signs links to them."""
        return cast("S3Client", await self._client("s3"))

    async def sagemaker_runtime(self) -> SageMakerRuntimeClient:
        """Return the client that invokes endpoints."""
        return cast("SageMakerRuntimeClient", await self._client("sagemaker-runtime"))

    async def secrets_manager(self) -> SecretsManagerClient:
        """Return the client that reads secrets."""
        return cast("SecretsManagerClient", await self._client("secretsmanager"))

    async def systems_manager(self) -> SSMClient:
        """Return the client that reads parameters."""
        return cast("SSMClient", await self._client("ssm"))

    async def bedrock_runtime(self) -> BedrockRuntimeClient:
        """Return the client that invokes Bedrock's models."""
        return cast("BedrockRuntimeClient", await self._client("bedrock-runtime"))

    async def logs(self) -> LogsClient:
        """Return the client that reads what functions have logged."""
        return cast("LogsClient", await self._client("logs"))

    async def close(self) -> None:
        """Close what was made. What is asked for afterwards is made anew, with credentials read anew."""
        if self._lean is not None:
            self._lean.close()
            self._lean = None
        await asyncio.gather(*self._clients.values(), return_exceptions=True)
        self._clients.clear()
        self._session = None
        await self._open.aclose()

    async def _client(self, service: _Service) -> AioBaseClient:
        await asyncio.sleep(0)  # lets the loop see connections that closed while the process was frozen
        making = self._clients.get(service)
        if making is None or _failed(making):
            making = self._clients[service] = asyncio.create_task(self._make(service))
        # Whoever asked first may be cancelled; what was begun for them is still the others'.
        return await asyncio.shield(making)

    async def _make(self, service: _Service) -> AioBaseClient:
        # Here, because they cost a start 0.3 s of CPU, and not every process calls AWS.
        from aiobotocore.config import AioConfig  # noqa: PLC0415
        from aiobotocore.session import AioSession  # noqa: PLC0415

        from embedge.adapters.dynamodb_calls import check_reply  # noqa: PLC0415
        from embedge.adapters.dynamodb_lean import replay  # noqa: PLC0415

        self._session = self._session or cast("_Session", AioSession())
        config = AioConfig(
            account_id_endpoint_mode="disabled",
            connect_timeout=_CONNECT_TIMEOUT_S,
            max_pool_connections=_MOST_CONNECTIONS,
            parameter_validation=False,
            read_timeout=_READ_TIMEOUT_S[service],
            retries={"mode": "standard", "total_max_attempts": 1},
            s3=_S3,
            signature_version="s3v4" if service == "s3" else None,
            user_agent="embedge",
        )
        client = await self._open.enter_async_context(
            self._session.create_client(service, config=config, **_destination(self._stand_in))
        )
        if service == "dynamodb":
            client.meta.events.register("before-parse.dynamodb", check_reply)
            client.meta.events.register("before-send.dynamodb", cast("Callable[..., None]", replay))
        return client


class LogsClient(Protocol):
    """What is used of CloudWatch Logs' client; there are no stubs of it here."""

    async def filter_log_events(self, **options: str | int) -> LogPage:
        """Return a page of a log."""
        ...


class LogEvent(TypedDict):
    """One event of a log: when it was written, in milliseconds, and what it says."""

    timestamp: int
    message: str


class LogPage(TypedDict):
    """A page of a log, and how the next is asked for."""

    events: list[LogEvent]
    nextToken: NotRequired[str]


def _lean(access: DynamoDbAccess, plain: Callable[[], Awaitable[DynamoDBClient]]) -> LeanDynamoDb:
    host = access.url.partition("://")[2].strip("/")
    trusted: ssl.SSLContext | None = None
    if access.url.startswith("https:"):
        # Reading 150 roots takes a twentieth of a second; AWS's own servers are signed by five.
        roots = str(_AMAZON_ROOTS) if host.endswith(".amazonaws.com") else None
        trusted = ssl.create_default_context(cafile=access.trusted or roots)
    connections = Connections(access.url, trusted)
    return LeanDynamoDb(Signer(access.credentials, access.region, host), connections, SystemClock().now_s, plain)


class _Session(Protocol):
    def create_client(self, service_name: str, **options: object) -> AbstractAsyncContextManager[AioBaseClient]: ...


def _destination(stand_in: StandIn | None) -> dict[str, str]:
    if stand_in is None:
        return {}
    return {
        "endpoint_url": stand_in.url,
        "region_name": stand_in.region,
        "aws_access_key_id": stand_in.access_key_id,
        "aws_secret_access_key": stand_in.secret_access_key,
    }


def _failed(making: asyncio.Task[AioBaseClient]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None)
