"""Do two servers of different makes serve one space, and does nobody notice when one of them is killed under load?

An optional suite, `make test-peers`: infinity is a server of other people's, and brings torch.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import openai
import pytest

from infra.local.minilm import MiniLM
from infra.local.model_files import weights
from infra.local.routes import embedded_model
from tests.e2e.passages import passages as real_passages
from tests.e2e.tools import ROOT, need
from tests.infra.test_laptop import free_port
from tests.peers.servers import MODEL, Server, server

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

REQUESTS, AT_ONCE, INPUTS = 60, 8, 4
LEAST_COSINE = 0.999
READ_TIMEOUT_S = (
    8  # for one that hangs; with that, and an answer from the other, a request is still within its deadline
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Asked:
    """What one request came to."""

    target: str
    latency_s: float
    least_cosine: float


class Peers:
    """A router, the two servers behind it, and the state on which an operator's commands work."""

    def __init__(self, state: Path, infinity: Server, sagemaker: Server) -> None:
        self.state = state
        self.servers = {"infinity": infinity, "sagemaker": sagemaker}
        (state / "sagemaker.url").write_text(sagemaker.url)

    def failovers(self) -> int:
        """Return how many calls the router has sent to the other server because the first had failed."""
        return (self.state / "embedge.log").read_text().count('"call_failed_over"')

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "embedge.cli", "--state", str(self.state), *arguments)
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def route(self) -> str:
        """Return the file of the laptop's route with infinity as a second target, of the same rank."""
        document = json.loads(embedded_model(weights() / "tokenizer.json"))
        (ours,) = document["targets"]
        ours |= {"id": "sagemaker", "read_timeout_s": READ_TIMEOUT_S}
        theirs = {
            **{field: ours[field] for field in ("price_usd_per_million_tokens", "limits", "read_timeout_s")},
            "id": "infinity",
            "provider": "openai",
            "transport": "https",
            "endpoint": f"{self.servers['infinity'].url}/v1",
            "private": True,
        }
        file = self.state / "route.json"
        file.write_text(json.dumps({**document, "targets": [ours, theirs]}))
        return str(file)


@contextmanager
def router(peers: Peers) -> Generator[openai.OpenAI]:
    """Serve the state; give a client of it that never tries again by itself."""
    assert peers.run("keys", "init").returncode == 0
    token = peers.run("token", "mint").stdout.strip()
    command = [sys.executable, "-m", "tests.peers.serving", str(peers.state), peers.servers["sagemaker"].url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        with openai.OpenAI(base_url=process.stdout.readline().strip(), api_key=token, max_retries=0) as client:
            yield client
    finally:
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def model() -> MiniLM:
    return MiniLM.load(weights())


@pytest.fixture(scope="session")
def passages(model: MiniLM) -> Iterator[tuple[str, ...]]:
    """Real text, a request's worth at a time, and none of it twice."""
    texts = iter(dict.fromkeys(real_passages(12 * REQUESTS * INPUTS, model)))
    return iter(lambda: tuple(islice(texts, INPUTS)), ())


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    need("peers", "infinity")
    with server("infinity", free_port()) as infinity, server("sagemaker", free_port()) as sagemaker:
        yield Peers(tmp_path_factory.mktemp("peers"), infinity, sagemaker)


def ask(client: openai.OpenAI, model: MiniLM, texts: Sequence[str]) -> Asked:
    """Ask for new texts, and hold each vector to the text's own."""
    began_s = time.monotonic()
    answer = client.embeddings.with_raw_response.create(model=MODEL, input=list(texts))
    took_s = time.monotonic() - began_s
    assert answer.headers["x-embedge-cache"] == f"hits=0; misses={len(texts)}"
    given = np.array([row.embedding for row in answer.parse().data], np.float64)
    expected = model.embed(texts).astype(np.float64)
    lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = np.einsum("ij,ij->i", given, expected) / lengths
    return Asked(answer.headers["x-embedge-target"], took_s, float(cosines.min()))


def test_a_server_of_other_people_s_and_ours_are_seen_to_be_one_space(peers: Peers) -> None:
    assert peers.run("routes", "apply", peers.route()).returncode == 0
    seen = peers.run("routes", "verify", MODEL)
    print(f"\n{seen.stdout}")  # noqa: T201 (what was seen)
    rows = [line.split() for line in seen.stdout.splitlines()[2:]]
    assert seen.returncode == 0
    assert [(row[0], row[1], row[-1]) for row in rows] == [("sagemaker", "384", "yes"), ("infinity", "384", "yes")]
    assert all(float(row[3]) >= LEAST_COSINE for row in rows)


def test_the_same_weights_in_another_space_are_refused(tmp_path: Path) -> None:
    need("peers", "infinity")
    of_first_token = shutil.copytree(weights(), tmp_path / "model")
    pooling = of_first_token / "1_Pooling/config.json"
    said = json.loads(pooling.read_text())
    pooling.write_text(json.dumps({**said, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    with (
        server("infinity", free_port(), of_first_token) as infinity,
        server("sagemaker", free_port()) as sagemaker,
    ):
        refused = Peers(tmp_path, infinity, sagemaker)
        seen = refused.run("routes", "apply", refused.route())
    assert seen.returncode == 1
    print(f"\n{seen.stderr}")  # noqa: T201 (what was seen)
    assert "infinity: its vectors are not those of sagemaker" in seen.stderr


@pytest.mark.parametrize(
    ("failing", "how"), [("infinity", "is killed"), ("sagemaker", "is killed"), ("infinity", "hangs")]
)
def test_one_fails_under_load_and_no_request_does_and_no_vector_is_wrong(
    peers: Peers, model: MiniLM, passages: Iterator[tuple[str, ...]], failing: str, how: str
) -> None:
    assert peers.run("routes", "apply", peers.route()).returncode == 0
    victim = peers.servers[failing]
    with router(peers) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        failovers = peers.failovers()
        asking = [pool.submit(ask, client, model, next(passages)) for _ in range(REQUESTS)]
        before, after = list[Asked](), list[Asked]()
        for done in as_completed(asking):
            (after if len(before) == REQUESTS // 2 else before).append(done.result())
            if len(before) == REQUESTS // 2 and not after:
                victim.kill() if how == "is killed" else victim.stop_answering()
        show(f"{failing} {how}", before, after)
        assert {one.target for one in before} == set(peers.servers)
        # Those that were under way when it failed may have been answered by it a moment before.
        assert {one.target for one in after[AT_ONCE:]} == set(peers.servers) - {failing}
        assert min(one.least_cosine for one in (*before, *after)) >= LEAST_COSINE
        victim.recover()
        until_s = time.monotonic() + 60
        while ask(client, model, next(passages)).target != failing:
            assert time.monotonic() < until_s, "it is up, and nobody asks it"
    assert peers.failovers() > failovers


def show(what: str, before: Sequence[Asked], after: Sequence[Asked]) -> None:
    """Print what was seen, as benchmarks/README.md has it."""
    print(f"\n{what} after {len(before)} of {REQUESTS} requests, {AT_ONCE} at once, {INPUTS} new texts each")  # noqa: T201
    for name, part in (("before", before), ("after", after)):
        served = ", ".join(
            f"{target} {sum(one.target == target for one in part)}" for target in ("sagemaker", "infinity")
        )
        took_ms = np.array([1000 * one.latency_s for one in part])
        least = min(one.least_cosine for one in part)
        print(  # noqa: T201
            f"  {name:6} {len(part)} answered ({served}), none failed; "
            f"median {np.median(took_ms):.0f} ms, slowest {took_ms.max():.0f}; least cosine {least:.6f}"
        )
