"""What does a deployment cost a month at list prices, by how much it is asked? `python -m benchmarks.deployment_costs`.

Arithmetic, nothing is measured: what it is told of a request is an assumption, and printed beside the result. No free
tier, no taxes, and nothing of what providers ask for embedding.
"""

import argparse
import json
import math
from dataclasses import dataclass
from io import StringIO

from benchmarks.list_prices import (
    BALANCER_HOUR_USD,
    FARGATE_GB_HOUR_USD,
    FARGATE_VCPU_HOUR_USD,
    GATEWAY_MILLION_USD,
    LAMBDA_GB_S_USD,
    LAMBDA_MILLION_USD,
    LOGS_GB_USD,
    METRIC_USD,
    TRANSFER_GB_USD,
)
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND, half_read_units, item_bytes, write_units
from embedge.core.request import Observation
from embedge.core.vector_codec import stored_bytes

_NANO = 10**9
_MILLION = 10**6
_HOURS = 730

MONTHS = (0, 1_000_000, 100_000_000)


@dataclass(frozen=True, slots=True)
class Load:
    """What a request is: one input, a hit or a miss, answered in base64; what it takes is as docs/cost.md found it."""

    dimensions: int = 1536
    hits: float = 0.5
    kept: float = 0.5
    hit_ms: float = 9
    miss_ms: float = 321
    memory_gb: float = 1.0
    log_bytes: int = 1_640
    architecture: str = "x86_64"

    def sentence(self) -> str:
        """Say it in a sentence."""
        return (
            f"One input of {self.dimensions} dimensions a request, in base64; {self.hits:.0%} are hits, which take "
            f"{self.hit_ms:g} ms, a miss takes {self.miss_ms:g} ms, and of misses {self.kept:.0%} are kept; "
            f"{self.memory_gb:g} GB on {self.architecture}, {self.log_bytes} bytes of log a request, one model."
        )


def monthly_usd(load: Load, requests: int) -> dict[str, float]:
    """Return what a month of so many requests costs, by service."""
    item = item_bytes(stored_bytes(load.dimensions, "f32"))
    hits, misses = requests * load.hits, requests * (1 - load.hits)
    # A rate is one write; a miss is looked for in vain (half a unit), held as money (one), and kept, or not.
    reads = hits * half_read_units(item) / 2 + misses / 2
    writes = requests + misses * (1 + load.kept * write_units(item))
    seconds = (hits * load.hit_ms + misses * load.miss_ms) / 1000
    answer_bytes = 4 * math.ceil(4 * load.dimensions / 3) + 400
    return {
        "API Gateway": requests * GATEWAY_MILLION_USD / _MILLION,
        "Lambda": requests * LAMBDA_MILLION_USD / _MILLION
        + seconds * load.memory_gb * LAMBDA_GB_S_USD[load.architecture],
        "DynamoDB": (
            reads * DYNAMODB_ON_DEMAND.million_reads_nano_usd + writes * DYNAMODB_ON_DEMAND.million_writes_nano_usd
        )
        / _MILLION
        / _NANO
        + misses * load.kept * item / 10**9 * DYNAMODB_ON_DEMAND.gb_month_nano_usd / _NANO,
        "CloudWatch": requests * load.log_bytes / 10**9 * LOGS_GB_USD + (_metrics() * METRIC_USD if requests else 0),
        "data out": requests * answer_bytes / 10**9 * TRANSFER_GB_USD,
    }


def _metrics() -> int:
    """Return how many metrics one model comes to, with those of the service: each is paid for while it is written."""
    lines = StringIO()
    StreamTelemetry("embedge", "Embedge", "CRITICAL", lines, SystemClock()).record(Observation(), 200, 1.0, "r")
    return sum(len(one["Metrics"]) for one in json.loads(lines.getvalue())["_aws"]["CloudWatchMetrics"])


def server_usd(vcpu: float, memory_gb: float) -> float:
    """Return what a month of a container behind a balancer costs, asked or not."""
    hour = vcpu * FARGATE_VCPU_HOUR_USD + memory_gb * FARGATE_GB_HOUR_USD + BALANCER_HOUR_USD
    return hour * _HOURS


def table(load: Load) -> str:
    """Return the table of the deployment guide, in Markdown."""
    months = [monthly_usd(load, requests) for requests in MONTHS]
    rows = [(name, *(month[name] for month in months)) for name in months[0]]
    rows.append(("**together**", *(sum(month.values()) for month in months)))
    one = server_usd(1, 2)
    two = 2 * one - BALANCER_HOUR_USD * _HOURS
    lines = [
        "| a month, US dollars | no requests | 1 million | 100 million |",
        "|---|---|---|---|",
        *("| " + " | ".join((name, *(f"{cost:,.2f}" for cost in costs))) + " |" for name, *costs in rows),
        "",
        f"A server that waits, 1 vCPU and 2 GB (Fargate) behind a load balancer, is ${one:.2f}, two: ${two:.2f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table for a load."""
    default = Load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deployment_costs")
    parser.add_argument("--dimensions", type=int, default=default.dimensions)
    parser.add_argument("--hits", type=float, default=default.hits, help="the share of inputs that are hits")
    parser.add_argument("--kept", type=float, default=default.kept, help="the share of misses that the cache keeps")
    parser.add_argument("--hit-ms", type=float, default=default.hit_ms)
    parser.add_argument("--miss-ms", type=float, default=default.miss_ms)
    parser.add_argument("--memory-gb", type=float, default=default.memory_gb)
    parser.add_argument("--log-bytes", type=int, default=default.log_bytes)
    parser.add_argument("--architecture", choices=sorted(LAMBDA_GB_S_USD), default=default.architecture)
    load = Load(**vars(parser.parse_args()))
    print(load.sentence(), table(load), sep="\n\n")


if __name__ == "__main__":
    main()
