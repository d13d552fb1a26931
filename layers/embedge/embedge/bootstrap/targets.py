"""What reaches the targets, and what asks them as the router would?"""

from collections.abc import Awaitable, Callable, Mapping

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.secrets_aws import ReferencedSecrets
from embedge.adapters.transport_bedrock import BedrockTransport
from embedge.adapters.transport_httpx import HttpxTransport
from embedge.adapters.transport_sagemaker import SageMakerTransport
from embedge.core.route import TransportName
from embedge.ports import Probing, Transport
from embedge.settings import Settings
from embedge.upstreams import PROVIDERS
from embedge.upstreams.probing import Prober


def prober(settings: Settings, aws: AwsClients) -> tuple[Probing, Callable[[], Awaitable[None]]]:
    """Return who asks targets, as the router would, and what ends that; nothing is connected before it is needed."""
    https = HttpxTransport()

    async def close() -> None:
        await https.close()
        await aws.close()

    secrets = ReferencedSecrets(settings.secrets or {}, aws, SystemClock(), lambda _: None)
    return Prober(transports_over(https, aws), PROVIDERS, secrets), close


def transports_over(https: HttpxTransport, aws: AwsClients) -> Mapping[TransportName, Transport]:
    """Return what carries calls, by the name that a route has for it."""
    return {"https": https, "sagemaker": SageMakerTransport(aws), "bedrock": BedrockTransport(aws)}


def stand_in(settings: Settings) -> StandIn | None:
    """Return what stands in for SageMaker on a laptop, where something does."""
    return settings.sagemaker and StandIn(settings.sagemaker.url, "us-east-1", "local", "local")
