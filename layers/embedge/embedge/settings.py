"""What does the deployment say? Its environment, read once and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from embedge.core.aws_access import DynamoDbAccess, dynamodb_access
from embedge.core.kept_answer import LARGEST_KEPT_BYTES
from embedge.core.request import NO_LIMIT, BudgetSpentStatus, Limits

_NANO = 10**9
_REFERENCE = re.compile(r"(secretsmanager|ssm|env):\S+")
_MOST_USD = NO_LIMIT // _NANO
_MOST_DIGITS = 15
# As a browser writes it: no path, and its host in small letters.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#*,\sA-Z]+")
# Making an answer takes up to 2.8 times its size (measured), of which 2 are its parts and these joined; what the
# upstream sent, a buffer on the way out and the process itself have the rest.
_MEMORY_FOR_EACH_KEPT_BYTE = 8
# Of a function's memory, what vectors at hand may take; on a laptop, where the table is as near, less is enough.
_MEMORY_FOR_EACH_CACHED_BYTE = 8
_MOST_MEMORY_CACHE_BYTES = 256_000_000
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# What a function is set to by Lambda's own logging controls, and what that is called elsewhere.
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
_LAMBDA_LOG_LEVELS = {
    "TRACE": "DEBUG",
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARN": "WARNING",
    "ERROR": "ERROR",
    "FATAL": "CRITICAL",
}

# What a tenant may use that nobody has given limits of its own: generous, and never nothing.
DEFAULT_LIMITS = Limits(
    requests_per_minute=6_000,
    tokens_per_minute=10_000_000,
    day_nano_usd=100 * _NANO,
    month_nano_usd=1_000 * _NANO,
    total_nano_usd=NO_LIMIT,
)


class SettingsError(Exception):
    """The environment does not make sense; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the three DynamoDB tables."""

    control: str
    ledger: str
    cache: str


@dataclass(frozen=True, slots=True)
class AnswersBucket:
    """An S3 bucket that takes the answers that are too large to be sent back."""

    name: str


@dataclass(frozen=True, slots=True)
class AnswersFolder:
    """A folder that takes them, the server on this machine that gives them out, and what it knows its links by."""

    path: Path
    url: str
    key: bytes


@dataclass(frozen=True, slots=True)
class SageMakerStandIn:
    """A server on this machine that speaks SageMaker's protocol."""

    url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process is to run. `state` is DynamoDB's tables, or a folder for SQLite."""

    state: Tables | Path
    issuer: str = "embedge"
    audience: str = "embedge"
    limits: Limits = DEFAULT_LIMITS
    service: str = "embedge"
    namespace: str = "Embedge"
    log_level: str = "INFO"
    sagemaker: SageMakerStandIn | None = None
    # What can be sent back through Lambda's 6 MB, with the headers and the JSON around it. What is larger goes to
    # `answers`, where there is one, up to `largest_kept_bytes`.
    largest_answer_bytes: int = 5_900_000
    answers: AnswersBucket | AnswersFolder | None = None
    largest_kept_bytes: int = LARGEST_KEPT_BYTES
    memory_cache_bytes: int = 64_000_000
    # Where the secret is that the cache's keys are hidden with, such as "secretsmanager:embedge/cache-keys".
    cache_key_secret: str | None = None
    longest_request_s: float = 28.0
    secrets: Mapping[str, str] | None = None
    # The origins of pages that may call from a browser, such as "https://app.example.com", or "*" alone: all.
    cors_origins: tuple[str, ...] = ()
    # From one address, counted in each process; 0 is no limit.
    requests_per_second_per_address: int = 100
    dynamodb: DynamoDbAccess | None = None
    budget_spent_status: BudgetSpentStatus = 429

    def with_sagemaker(self, stand_in: SageMakerStandIn) -> "Settings":
        """Return the same, but for SageMaker, which is on this machine."""
        return replace(self, sagemaker=stand_in)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read a function's environment. Raises: SettingsError."""
        return cls(
            state=Tables(*(_required(environ, f"EMBEDGE_{name}_TABLE") for name in ("CONTROL", "LEDGER", "CACHE"))),
            issuer=environ.get("EMBEDGE_ISSUER") or "embedge",
            audience=environ.get("EMBEDGE_AUDIENCE") or "embedge",
            limits=Limits(
                requests_per_minute=_whole(environ, "EMBEDGE_DEFAULT_REQUESTS_PER_MINUTE", 6_000),
                tokens_per_minute=_whole(environ, "EMBEDGE_DEFAULT_TOKENS_PER_MINUTE", 10_000_000),
                day_nano_usd=_nano_usd(environ, "EMBEDGE_DEFAULT_BUDGET_USD_DAY", 100),
                month_nano_usd=_nano_usd(environ, "EMBEDGE_DEFAULT_BUDGET_USD_MONTH", 1_000),
                total_nano_usd=NO_LIMIT,
            ),
            service=environ.get("POWERTOOLS_SERVICE_NAME") or "embedge",
            namespace=environ.get("POWERTOOLS_METRICS_NAMESPACE") or "Embedge",
            log_level=_log_level(environ),
            answers=AnswersBucket(bucket) if (bucket := environ.get("EMBEDGE_ANSWERS_BUCKET")) else None,
            largest_kept_bytes=_largest_kept_bytes(environ),
            memory_cache_bytes=_whole(environ, "EMBEDGE_MEMORY_CACHE_BYTES", _memory_cache_bytes(environ)),
            cache_key_secret=cache_key_secret(environ),
            cors_origins=cors_origins(environ),
            requests_per_second_per_address=requests_per_second_per_address(environ),
            budget_spent_status=budget_spent_status(environ),
            dynamodb=dynamodb_access(environ),
        )


def cors_origins(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Read who may call from a browser; nobody where nothing is said. Raises: SettingsError."""
    name = "EMBEDGE_CORS_ALLOWED_ORIGINS"
    origins = tuple(origin.strip() for origin in environ.get(name, "").split(",") if origin.strip())
    if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise SettingsError(
            f"{name} must be * or origins with commas between, such as https://app.example.com, with no / at their end."
        )
    return origins


def cache_key_secret(environ: Mapping[str, str]) -> str | None:
    """Read where the secret of the cache's keys is; None where nothing is said. Raises: SettingsError."""
    name = "EMBEDGE_CACHE_KEY_SECRET"
    reference = environ.get(name) or None
    if reference is not None and not _REFERENCE.fullmatch(reference):
        raise SettingsError(f"{name} must say where the secret is: secretsmanager:NAME, ssm:NAME or env:NAME.")
    return reference


def requests_per_second_per_address(environ: Mapping[str, str]) -> int:
    """Read how often one address may ask, 100 where nothing is said; 0 is no limit. Raises: SettingsError."""
    name = "EMBEDGE_REQUESTS_PER_SECOND_PER_ADDRESS"
    return 0 if environ.get(name) == "0" else _whole(environ, name, 100)


def budget_spent_status(environ: Mapping[str, str]) -> BudgetSpentStatus:
    """Read what a spent budget is answered with. Raises: SettingsError."""
    match environ.get("EMBEDGE_BUDGET_SPENT_STATUS") or "429":
        case "429":
            return 429
        case "402":
            return 402
        case _:
            raise SettingsError("EMBEDGE_BUDGET_SPENT_STATUS must be 429 or 402.")


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: the function needs the names of its three tables.")
    return value


def _largest_kept_bytes(environ: Mapping[str, str]) -> int:
    return min(LARGEST_KEPT_BYTES, _memory_bytes(environ) // _MEMORY_FOR_EACH_KEPT_BYTE)


def _memory_cache_bytes(environ: Mapping[str, str]) -> int:
    return min(_MOST_MEMORY_CACHE_BYTES, _memory_bytes(environ) // _MEMORY_FOR_EACH_CACHED_BYTE)


def _memory_bytes(environ: Mapping[str, str]) -> int:
    # Set by Lambda: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    return _whole(environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1024) * 1_000_000


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise SettingsError(f"{name} must be a whole number of at least 1, and at most {_MOST_DIGITS} digits long.")
    return int(text)


def _nano_usd(environ: Mapping[str, str], name: str, default: int) -> int:
    try:
        value = Decimal(environ.get(name) or default)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= _MOST_USD:
        raise SettingsError(f"{name} must be an amount in dollars, such as 12.50, and at most {_MOST_USD}.")
    return int(value * _NANO)


def _log_level(environ: Mapping[str, str]) -> str:
    level = environ.get("POWERTOOLS_LOG_LEVEL") or "INFO"
    if level not in _LOG_LEVELS:
        raise SettingsError(f"POWERTOOLS_LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}.")
    return _LAMBDA_LOG_LEVELS.get(
        environ.get("AWS_LAMBDA_LOG_LEVEL", ""), level
    )  # Lambda's goes first, as in Powertools
