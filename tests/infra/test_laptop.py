"""Does `make run` do what it promises: one command, real vectors, and nothing lost whatever ends it?"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

from infra.local.listening import listen

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
MODEL = "local/minilm"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("laptop")]


@dataclass(frozen=True)
class Laptop:
    """A running stack, and what it printed."""

    process: subprocess.Popen[str]
    banner: str

    def shown(self, label: str) -> str:
        found = re.search(rf"^\s*{label}\s+(\S+)$", self.banner, re.MULTILINE)
        assert found, self.banner
        return found[1]

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.shown("Base URL"), api_key=self.shown("Token"), max_retries=0)

    def model_process(self) -> int:
        """Return the process id of the model's server, the only child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (child,) = children
        return int(child)


@contextmanager
def laptop(state: Path, port: int, openai_key: str = "", origins: str = "") -> Generator[Laptop]:
    told = {"OPENAI_API_KEY": openai_key, "EMBEDGE_CORS_ALLOWED_ORIGINS": origins}
    environment = {**os.environ, "PORT": str(port), "EMBEDGE_STATE": str(state), **told}
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        yield Laptop(process, "".join(lines))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        process.stdout.close()
        process.wait(10)
        assert "Traceback" not in rest, rest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def charged_nano_usd(state: Path) -> int:
    """Return what the ledger on disk has taken from the day's budget."""
    with closing(sqlite3.connect(state / "embedge.db")) as database:
        (item,) = database.execute("SELECT item FROM ledger WHERE pk = 'default' AND sk = 'B'").fetchone()
    balance = json.loads(item)
    return balance["dl"] - balance["da"]


def _route_of_mine(folder: Path) -> Path:
    """Return a file with a route that no start of the stack writes by itself."""
    document = json.loads((ROOT / "infra/routes/text-embedding-3-small.json").read_text())
    file = folder / "route.json"
    file.write_text(json.dumps({**document, "alias": "my-own-route"}))
    return file


def test_the_snippets_work_when_pasted(tmp_path: Path) -> None:
    with laptop(tmp_path, free_port()) as running:
        curl, python = re.findall(
            r"^(curl http.*?}')$|^(from openai.*?tokens\"\))$", running.banner, re.MULTILINE | re.DOTALL
        )
        answered = subprocess.run(["/bin/sh", "-c", curl[0]], capture_output=True, text=True, check=True)
        assert len(json.loads(answered.stdout)["data"]) == 4
        said = subprocess.run([sys.executable, "-c", python[1]], capture_output=True, text=True, check=True)
        assert said.stdout == "2 vectors of 384 numbers, 6 tokens\n"


def test_an_operator_reaches_the_model_behind_its_route_and_nobody_else_learns_where_it_is(tmp_path: Path) -> None:
    verify = (sys.executable, "-m", "embedge.cli", "--state", str(tmp_path), "routes", "verify")
    with laptop(tmp_path, free_port()):
        assert (tmp_path / "sagemaker.url").stat().st_mode & 0o777 == 0o600
        said = subprocess.run(verify, check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1].split()[:3] == ["local-sagemaker", "384", "1.0000"]
    assert not (tmp_path / "sagemaker.url").exists()
    assert subprocess.run(verify, check=False, capture_output=True).returncode == 1


def test_killed_at_any_moment_it_has_lost_no_route_vector_key_or_charge(tmp_path: Path) -> None:
    port = free_port()
    with laptop(tmp_path, port) as running, running.client() as client:
        token = running.shown("Token")
        first = client.embeddings.create(model=MODEL, input=["kept", "through", "a kill"])
        model = running.model_process()
        charged = charged_nano_usd(tmp_path)
        apply = ("-m", "embedge.cli", "--state", str(tmp_path), "routes", "apply", str(_route_of_mine(tmp_path)))
        subprocess.run([sys.executable, *apply], check=True, capture_output=True)
        running.process.kill()
        assert gone(model), "the model's server outlives its parent"
    with laptop(tmp_path, port) as running, openai.OpenAI(base_url=running.shown("Base URL"), api_key=token) as client:
        again = client.embeddings.with_raw_response.create(model=MODEL, input=["kept", "through", "a kill", "new"])
        assert again.headers["x-embedge-cache"] == "hits=3; misses=1"
        assert [row.embedding for row in again.parse().data[:3]] == [row.embedding for row in first.data]
        assert charged_nano_usd(tmp_path) >= charged > 0
        assert "my-own-route" in {model.id for model in client.models.list()}


def test_openai_s_models_are_offered_while_there_is_a_key_for_them(tmp_path: Path) -> None:
    offered = {"all-MiniLM-L6-v2", "text-embedding-3-large", "text-embedding-3-small"}
    for key, models in (("sk-test", offered), ("", {"all-MiniLM-L6-v2"})):
        with laptop(tmp_path, free_port(), openai_key=key) as running, running.client() as client:
            assert {model.id for model in client.models.list()} == models


def test_pages_of_the_origins_that_are_named_may_call(tmp_path: Path) -> None:
    page = "http://localhost:3000"
    asking = {"Origin": page, "Access-Control-Request-Method": "POST"}
    with laptop(tmp_path, free_port(), origins=page) as running, httpx.Client(trust_env=False) as browser:
        url = running.shown("Base URL") + "/embeddings"
        preflight, refused = browser.options(url, headers=asking), browser.post(url, headers={"Origin": page})
    assert (preflight.status_code, refused.status_code) == (200, 401)
    assert {one.headers["access-control-allow-origin"] for one in (preflight, refused)} == {page}


def test_an_origin_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    told = {"PORT": str(free_port()), "EMBEDGE_STATE": str(tmp_path), "EMBEDGE_CORS_ALLOWED_ORIGINS": "localhost:3000"}
    command = [sys.executable, "-m", "infra.local"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "EMBEDGE_CORS_ALLOWED_ORIGINS" in done.stderr


def test_ctrl_c_stops_everything_that_was_started(tmp_path: Path) -> None:
    with laptop(tmp_path, free_port()) as running:
        model = running.model_process()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0
        assert gone(model)


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {**os.environ, "PORT": str(taken.getsockname()[1]), "EMBEDGE_STATE": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "infra.local"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "PORT=8788 make run" in done.stderr


def test_an_input_that_is_too_long_is_named_with_its_tokens_before_it_is_sent(tmp_path: Path) -> None:
    with laptop(tmp_path, free_port()) as running, running.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model=MODEL, input=["fine", "word " * 300])
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.param == "input[1]"
        assert "maximum context length is 256 tokens" in caught.value.message
        assert "302 tokens" in caught.value.message


def test_a_model_s_server_that_dies_is_503_charges_nothing_and_is_started_again(tmp_path: Path) -> None:
    with laptop(tmp_path, free_port()) as running, running.client() as client:
        os.kill(running.model_process(), signal.SIGKILL)
        with pytest.raises(openai.InternalServerError) as caught:
            client.embeddings.create(model=MODEL, input="never embedded")
        assert (caught.value.status_code, caught.value.code) == (503, "upstream_unavailable")
        answer = client.with_options(max_retries=20).embeddings.create(model=MODEL, input="embedded in the end")
        assert len(answer.data[0].embedding) == 384
    log = (tmp_path / "embedge.log").read_text()
    blobs = [json.loads(line) for line in log.splitlines() if "_aws" in line]
    assert next(blob["cost_usd"] for blob in blobs if blob["status"] == 503) == [0.0]
    assert "never embedded" not in log


def test_stopped_under_load_it_answers_what_it_has_taken_and_logs_it_and_says_nothing_ugly(tmp_path: Path) -> None:
    batches = [[f"text {batch} {number} " + "word " * 40 for number in range(200)] for batch in range(4)]
    with laptop(tmp_path, free_port()) as running:
        url, token = running.shown("Base URL"), running.shown("Token")
        with ThreadPoolExecutor(len(batches)) as pool:
            asking = [pool.submit(_embed, url, token, batch) for batch in batches]
            time.sleep(1.0)
            running.process.send_signal(signal.SIGINT)
            answers = [asked.result() for asked in asking]
        assert running.process.wait(15) == 0
    for answer in answers:
        assert answer.status_code in {200, 503}
        assert answer.status_code == 200 or answer.json()["error"]["code"] == "service_unavailable"
    lines = [json.loads(line) for line in (tmp_path / "embedge.log").read_text().splitlines()]
    assert sum(line.get("message") == "request" for line in lines) == len(batches)


def _embed(url: str, token: str, texts: list[str]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/embeddings", json={"model": MODEL, "input": texts}, headers=headers, timeout=60)


def test_a_state_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "embedge.db").write_bytes(b"this is no database, and never was one" * 100)
    environment = {**os.environ, "PORT": str(free_port()), "EMBEDGE_STATE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "infra.local"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be used" in done.stderr


def test_what_is_kept_is_its_owner_s_alone(tmp_path: Path) -> None:
    with laptop(tmp_path, free_port()):
        kept = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert {"embedge.db", "embedge.log"} < {path.name for path in kept}
        assert not [path for path in kept if path.stat().st_mode & 0o077]


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_in_the_environment_is_taken_and_nonsense_is_refused(tmp_path: Path) -> None:
    environment = {**os.environ, "PORT": "80x", "EMBEDGE_STATE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "infra.local"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "embedge: PORT must be a number from 1 to 65535.\n")
    with laptop(tmp_path, free_port()) as running:
        url = running.shown("Base URL").removesuffix("/v1")
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}


def test_what_is_no_http_is_answered_in_the_shape_of_all_errors(tmp_path: Path) -> None:
    port = free_port()
    with laptop(tmp_path, port), socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /v1/mo\0dels HTTP/1.1\r\n\r\n")
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
