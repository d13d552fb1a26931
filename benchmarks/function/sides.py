"""Who is measured beside whom? Our function and the naive one, each with its token, its tables and its variables."""

import asyncio
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context

import certifi
import jwt
import orjson

from benchmarks.function import certificates
from benchmarks.function.artifact import ROOT, Built
from benchmarks.function.asked import Who, event_of
from benchmarks.function.environment import Program
from embedge.bootstrap.operating import operate_folder
from embedge.cli.key_commands import init_keys
from embedge.cli.token_commands import mint
from embedge.core.identity import ISSUED_SCOPES
from embedge.core.route_document import parse_route
from embedge.settings import Settings
from embedge.verification import ROUTES

_SECRET = "naive-and-secret-naive-and-secret"
MEMORY = "EMBEDGE_MEMORY_CACHE_BYTES"
_FAR_OFF_US = 1 << 60


@dataclass(frozen=True, slots=True)
class Side:
    """A function, and what makes a body the event of somebody whom it knows, or does not, or has heard too often."""

    program: Program
    events: Mapping[Who, Callable[[bytes], bytes]]


@dataclass(frozen=True, slots=True)
class Cloud:
    """The stubs, and the way to tell them something."""

    url: str
    trusted: Path

    def tell(self, path: str, said: object = None) -> None:
        """Say something to the stubs."""
        context = create_default_context(cafile=str(self.trusted))
        request = urllib.request.Request(f"{self.url}{path}", orjson.dumps(said), method="POST")  # noqa: S310
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        opener.open(request, timeout=10).close()


@contextmanager
def both(built: Built) -> Generator[tuple[Side, Side, Cloud, Path]]:
    """Start the stubs and tell them what both need. Gives ours, the naive one, the stubs, and a folder for logs."""
    with tempfile.TemporaryDirectory(prefix="embedge-bench-") as name:
        folder = Path(name)
        trust = certificates.make(folder)
        command = [sys.executable, "-m", "benchmarks.function.stub_cloud", trust.certificate, trust.key]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            assert server.stdout is not None
            cloud = Cloud(f"https://127.0.0.1:{int(server.stdout.readline())}", trust.authority)
            everyone = folder / "everyone.pem"
            everyone.write_bytes(Path(certifi.where()).read_bytes() + trust.authority.read_bytes())
            yield _ours(built, cloud, folder), _naive(built, cloud, everyone), cloud, folder
        finally:
            server.kill()
            server.communicate()


def _ours(built: Built, cloud: Cloud, folder: Path) -> Side:
    token, exhausted = asyncio.run(_operated(cloud, folder))
    roots = folder / "roots.pem"
    shipped = built.ours[2] / "embedge" / "adapters" / "amazon_roots.pem"
    roots.write_bytes(
        (shipped if shipped.exists() else Path(certifi.where())).read_bytes() + cloud.trusted.read_bytes()
    )
    everyone = folder / "everyone.pem"
    variables = {
        **dict(re.findall(r"((?:MALLOC|OPENBLAS)_\w+): \"(\d+)\"", (ROOT / "template.yaml").read_text())),
        "EMBEDGE_CONTROL_TABLE": "control",
        "EMBEDGE_LEDGER_TABLE": "ledger",
        "EMBEDGE_CACHE_TABLE": "cache",
        "EMBEDGE_ANSWERS_BUCKET": "answers",
        MEMORY: "1",  # every hit comes from the table, as the naive function's does
        "EMBEDGE_DEFAULT_REQUESTS_PER_MINUTE": "100000000",
        "EMBEDGE_REQUESTS_PER_SECOND_PER_ADDRESS": "0",  # all come from one
        "EMBEDGE_DEFAULT_TOKENS_PER_MINUTE": "100000000000",
        "EMBEDGE_DEFAULT_BUDGET_USD_DAY": "1000000",
        "EMBEDGE_DEFAULT_BUDGET_USD_MONTH": "1000000",
        "POWERTOOLS_SERVICE_NAME": "embedge",
        "POWERTOOLS_METRICS_NAMESPACE": "Embedge",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_CA_BUNDLE": str(roots),
        "SSL_CERT_FILE": str(everyone),
    }
    program = Program("ours", built.python, built.ours, variables)
    known = event_of(token)
    return Side(
        program, {"known": known, "unknown": event_of(token[:-20] + "A" * 20), "exhausted": event_of(exhausted)}
    )


async def _operated(cloud: Cloud, folder: Path) -> tuple[str, str]:
    """Put a route and a key where our function looks; return two tenants' tokens, of whom one has asked too often."""
    operation = operate_folder(folder / "state", Settings(state=folder / "state"))
    await init_keys(operation)
    route = orjson.dumps(_route(cloud.url))
    await operation.control.put(ROUTES, parse_route(route).alias, route.decode())
    for pk in (ROUTES, "KEYS"):
        for sk, document in (await operation.control.query(pk)).items():
            item = {"pk": {"S": pk}, "sk": {"S": sk}, "doc": {"S": document}}
            cloud.tell("/-/put", {"table": "control", "item": item})
    far_off = {"N": str(_FAR_OFF_US)}
    rate = {"pk": {"S": "RATE#exhausted"}, "sk": {"S": "requests"}, "g": far_off, "c": far_off}
    cloud.tell("/-/put", {"table": "ledger", "item": rate})
    minted = [
        await mint(operation, tenant=tenant, scopes=ISSUED_SCOPES, models=("*",), lifetime_s=86_400)
        for tenant in ("bench", "exhausted")
    ]
    await operation.close()
    return minted[0], minted[1]


def _route(url: str) -> dict[str, object]:
    return {
        "alias": "bench",
        "space": {"model": "bench", "revision": "1", "dimensions": 1536},
        "max_input_tokens": 8192,
        "tokenizer": {"family": "byte_bpe"},
        "admit": "always",  # every vector is stored, as the naive function does
        "targets": [
            {
                "id": "stub",
                "provider": "openai",
                "transport": "https",
                "endpoint": f"{url}/v1",
                "private": True,
                "price_usd_per_million_tokens": "0.02",
            }
        ],
    }


def _naive(built: Built, cloud: Cloud, everyone: Path) -> Side:
    variables = {
        "NAIVE_SECRET": _SECRET,
        "NAIVE_TABLE": "naive",
        "NAIVE_BUCKET": "answers",
        "NAIVE_OPENAI_URL": f"{cloud.url}/v1/embeddings",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_CA_BUNDLE": str(everyone),
        "SSL_CERT_FILE": str(everyone),
    }
    program = Program("naive", built.python, built.naive, variables)
    return Side(
        program,
        {
            "known": event_of(_token(_SECRET, 10**9)),
            "unknown": event_of(_token("another and secret, another and secret", 10**9)),
            "exhausted": event_of(_token(_SECRET, 0)),
        },
    )


def _token(secret: str, requests_per_minute: int) -> str:
    return jwt.encode({"sub": "bench", "requests_per_minute": requests_per_minute}, secret, "HS256")
