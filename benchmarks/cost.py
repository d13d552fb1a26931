"""What do a million requests cost, and whom? `make bench-cost`, after `make bench`, whose results it takes.

Processor time is what `make bench` measured; prices are AWS's and OpenAI's lists (us-east-1, nothing free);
what a wait takes is assumed, since neither DynamoDB nor OpenAI is here: see `_WAITS`.
"""

import argparse
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import table
from benchmarks.list_prices import (
    GATEWAY_MILLION_USD,
    LAMBDA_GB_S_USD,
    LAMBDA_MILLION_USD,
    LOGS_GB_USD,
    TRANSFER_GB_USD,
)
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.core.admission_economics import (
    DYNAMODB_ON_DEMAND,
    StoreUse,
    half_read_units,
    item_bytes,
    write_units,
    writing,
)
from embedge.core.request import Observation

_RESULTS = Path(__file__).with_name("results.json")
_MILLION = 1_000_000
_NANO = 1_000_000_000

_OPENAI_MILLION_TOKENS = 0.02  # https://openai.com/api/pricing/, text-embedding-3-small, as of 2026-11

# A function of so many MB has one processor: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_ONE_PROCESSOR_MB = 1769
_DIMENSIONS = 1536
_TTL_S = 30 * 86_400
_HEADERS_BYTES = 900


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds that a request waits, its function paid for meanwhile."""

    lookup_ms: float = 5.0
    ledger_ms: float = 5.0
    upstream_ms: float = 300.0
    store_ms: float = 10.0


_WAITS = Waits()


@dataclass(frozen=True, slots=True)
class Mix:
    """One kind of request: inputs that hit and that miss, their tokens, whether misses are kept, its measured case."""

    title: str
    case: str
    hits: int
    misses: int
    tokens: int
    kept: bool = False

    def bytes_out(self) -> int:
        """Return what goes to the caller, in base64."""
        return (self.hits + self.misses) * (_DIMENSIONS * 4 * 4 // 3 + 60) + _HEADERS_BYTES


# Of short texts nothing is kept, as `admit: economic` decides for OpenAI's small model: writing one costs five times
# what embedding it again does.
MIXES = (
    Mix("1 hit, 40 tokens", "one hit", 1, 0, 40),
    Mix("100 hits, 40 tokens each", "100 hits base64", 100, 0, 40),
    Mix("1 miss, 40 tokens", "one miss", 0, 1, 40),
    Mix("100 misses, 40 tokens each", "100 misses", 0, 100, 40),
    Mix("50 hits, 50 misses, 40 tokens each", "mixed 50/50", 50, 50, 40),
    Mix("50 hits, 50 misses, 500 tokens each, kept", "mixed 50/50", 50, 50, 500, kept=True),
)


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    if not _RESULTS.exists():
        raise SystemExit(f"There is no {_RESULTS}: make bench")
    measured = {one["case"]: one["ours_cpu_ms"] for one in json.loads(_RESULTS.read_text(encoding="utf-8"))}
    columns = {mix.title: _column(mix, measured[mix.case], arguments) for mix in MIXES}
    names = next(iter(columns.values()))
    print(table({name: {title: f"{paid[name]:,.2f}" for title, paid in columns.items()} for name in names}))


def _column(mix: Mix, processor_ms: float, arguments: argparse.Namespace) -> Mapping[str, float]:
    """Return dollars for a million requests, by who is paid."""
    taken_ms = duration_ms(mix, processor_ms, arguments.memory)
    gb_s = _MILLION * taken_ms / 1000 * arguments.memory / 1024
    paid = {
        "Lambda": LAMBDA_MILLION_USD + gb_s * LAMBDA_GB_S_USD[arguments.architecture],
        "API Gateway": GATEWAY_MILLION_USD,
        "transfer": _MILLION * mix.bytes_out() / 1e9 * TRANSFER_GB_USD,
        "DynamoDB": _MILLION * DYNAMODB_ON_DEMAND.cost_nano_usd(store_use(mix)) / _NANO,
        "CloudWatch": _MILLION * log_bytes(mix) / 1e9 * LOGS_GB_USD,
        "upstream": mix.misses * mix.tokens * _OPENAI_MILLION_TOKENS,
    }
    without = (mix.hits + mix.misses) * mix.tokens * _OPENAI_MILLION_TOKENS
    return {"duration, ms": taken_ms, **paid, "sum": sum(paid.values()), "all asked upstream": without}


def duration_ms(mix: Mix, processor_ms: float, memory_mb: int) -> float:
    """Return how long a request takes in the function: its work on a share of a processor, and its waits."""
    waits_ms = _WAITS.lookup_ms + (_WAITS.ledger_ms + _WAITS.upstream_ms if mix.misses else 0)
    return processor_ms * max(1.0, _ONE_PROCESSOR_MB / memory_mb) + waits_ms + (_WAITS.store_ms if mix.kept else 0)


def store_use(mix: Mix) -> StoreUse:
    """Return what is asked of DynamoDB: lookups, the rate, the charge, and what is kept."""
    size = item_bytes(_DIMENSIONS * 4 + 12)
    kept = mix.misses if mix.kept else 0
    entry = writing(size, _TTL_S)
    return StoreUse(
        write_units=1 + (1 if mix.misses else 0) + kept * write_units(size),
        half_read_units=mix.hits * half_read_units(size) + mix.misses * half_read_units(0),
        byte_s=kept * entry.byte_s,
    )


def log_bytes(mix: Mix) -> int:
    """Return how long the log line and the metrics blob of such a request are."""
    seen, stream = Observation(), io.StringIO()
    seen.tenant, seen.model, seen.provider = "some-tenant", "text-embedding-3-small", "openai"
    seen.inputs = mix.hits + mix.misses
    seen.hits, seen.misses = mix.hits, mix.misses
    seen.tokens_served = seen.inputs * mix.tokens
    telemetry = StreamTelemetry("embedge", "Embedge", "INFO", stream, SystemClock())
    telemetry.record(seen, 200, 12.345, "0123456789abcdef" * 2)
    return len(stream.getvalue())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, default=1024, help="of the function, in MB")
    parser.add_argument("--architecture", choices=tuple(LAMBDA_GB_S_USD), default="x86_64")
    return parser.parse_args()


if __name__ == "__main__":
    main()
