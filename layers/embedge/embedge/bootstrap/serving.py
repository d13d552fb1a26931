"""What does the API stand on? Nothing that only an operator needs is imported here: each cold start would pay."""

import random
from typing import TextIO

from embedge.adapters.answers_folder import FolderAnswers
from embedge.adapters.answers_s3 import S3Answers
from embedge.adapters.authenticator_jwt import Checks, JwtAuthenticator
from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.cache_memory import MemoryCache
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.kept_control import KeptControl
from embedge.adapters.key_secret import NamedKeySecret
from embedge.adapters.keys_control import OwnKeySet
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.newcomers_ledger import LedgerNewcomers
from embedge.adapters.purges_control import ControlPurges
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.routes_control import ControlRoutes
from embedge.adapters.secrets_aws import ReferencedSecrets
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.adapters.tokenizers_local import LocalTokenizers
from embedge.adapters.transport_httpx import HttpxTransport
from embedge.adapters.usage_ledger import LedgerUsage
from embedge.api.carriage import Carriage
from embedge.api.serving import Serving
from embedge.bootstrap.issuers import issuers
from embedge.bootstrap.state import state_on
from embedge.bootstrap.targets import stand_in, transports_over
from embedge.core.cache_policy import CachePolicy
from embedge.flights import Flights
from embedge.ports import AnswerStore, Clock
from embedge.purging import of_space, purge
from embedge.rechecking import Rechecks
from embedge.services import Services
from embedge.settings import AnswersBucket, AnswersFolder, Settings
from embedge.upstreams import PROVIDERS, Upstreams
from embedge.upstreams.probing import Prober
from embedge.usage import Books


def serve(settings: Settings, stream: TextIO) -> Serving:
    """Build what the API stands on; log lines go to `stream`. Nothing is connected before it is needed."""
    clock = SystemClock()
    aws, https = AwsClients(stand_in(settings), settings.dynamodb), HttpxTransport()
    telemetry = StreamTelemetry(settings.service, settings.namespace, settings.log_level, stream, clock)
    state = state_on(settings.state, aws, clock, telemetry.fault)
    ledger = PurseLedger(state.ledger, clock, on_fault=telemetry.fault)
    usage = LedgerUsage(state.ledger, clock, state.usage_pace, telemetry.fault)
    answers = _answers(settings, aws, clock)
    transports = transports_over(https, aws)
    secrets = ReferencedSecrets(settings.secrets or {}, aws, clock, telemetry.fault)
    purges = ControlPurges(state.control, clock, telemetry.fault)

    async def distrust(space: bytes) -> None:
        await purge(state.control, of_space(space))
        await purges.read_again()

    rechecks = Rechecks(
        opinions=Prober(transports, PROVIDERS, secrets),
        distrust=distrust,
        clock=clock,
        random=random.random,
        on_fault=telemetry.fault,
        pace=state.recheck_pace,
    )

    async def close() -> None:
        await rechecks.close()
        await usage.flush()
        await ledger.close()
        await https.close()
        await aws.close()
        state.close()

    kept = KeptControl(state.control, clock, telemetry.fault)
    own_keys = OwnKeySet(kept, clock, telemetry.fault)
    checks = Checks(kept, LedgerNewcomers(state.ledger, clock), settings.limits, telemetry.fault)
    cache = MemoryCache(state.cache, clock, settings.memory_cache_bytes)
    services = Services(
        authenticator=JwtAuthenticator(issuers(settings, own_keys, secrets, checks), checks, clock),
        routes=ControlRoutes(state.control, clock, telemetry.fault),
        purges=purges,
        key_secret=NamedKeySecret(settings.cache_key_secret, secrets, telemetry.fault),
        rates=GcraRates(state.ledger, clock),
        memory=cache,
        cache=cache,
        cache_policy=CachePolicy(state.cache_prices, clock.now_s, telemetry.fault),
        flights=Flights(),
        leases=state.leases,
        ledger=ledger,
        tokenizers=LocalTokenizers(telemetry.fault),
        upstreams=Upstreams(transports, secrets, random.random, telemetry.fault),
        usage=usage,
        rechecks=rechecks,
        largest_answer_bytes=settings.largest_kept_bytes if answers else settings.largest_answer_bytes,
    )
    carriage = Carriage(settings.largest_answer_bytes, answers)
    books = Books(usage, state.usage_rows, state.ledger_items, clock)
    return Serving(
        services,
        books,
        telemetry,
        clock,
        settings.longest_request_s,
        carriage,
        close,
        own_keys.published,
        settings.cors_origins,
        settings.requests_per_second_per_address,
        settings.budget_spent_status,
    )


def _answers(settings: Settings, aws: AwsClients, clock: Clock) -> AnswerStore | None:
    match settings.answers:
        case AnswersFolder(path, url, key):
            return FolderAnswers(path, url, key, clock)
        case AnswersBucket(name):
            return S3Answers(aws, name)
        case None:
            return None
