"""Does the built api function answer real events, again and again, with nothing at hand but what is shipped?"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from embedge.core.request import MAX_BODY_BYTES
from embedge.core.usage_record import read_record
from infra.local.routes import embedded_model
from tests.e2e.deploy import build
from tests.e2e.ministack import DYNAMODB, Ministack, ministack
from tests.e2e.tools import ROOT, SAM_PYTHON, need, python313, run
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("built")]

MODEL = "local/minilm"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (read 2026-11)
LARGEST_EVENT_BYTES = 6 * 1024 * 1024
# All headers and the URL together; an event holds them up to three times.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html (read 2026-11)
LARGEST_HEADERS_BYTES = 10_240

_TABLES = """
import boto3, sys
dynamodb = boto3.client("dynamodb")
pair = [("pk", "S", "HASH"), ("sk", "S", "RANGE")]
for name, key in (("control", pair), ("ledger", pair), ("cache", [("k", "B", "HASH")])):
    dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t, _ in key],
        KeySchema=[{"AttributeName": n, "KeyType": k} for n, _, k in key])
keys = {"pk": {"S": "KEYS"}, "sk": {"S": sys.argv[1]}, "doc": {"S": sys.argv[2]}}
route = {"pk": {"S": "ROUTES"}, "sk": {"S": "all-MiniLM-L6-v2"}, "doc": {"S": sys.argv[3]}}
for item in (keys, route):
    dynamodb.put_item(TableName="control", Item=item)
"""

# Lambda's runtime client in few words: one process, one event after the other, a context that knows the time left.
_RUNTIME = """
import sys
sys.path[:0] = sys.argv[1:]
import json, app

class Context:
    function_name = "embedge-api"
    def get_remaining_time_in_millis(self):
        return 29_900

events = json.load(sys.stdin)
answers = [app.handler(event, Context()) for event in events]
print("\\n" + json.dumps(answers))
"""


# The same, but for a process that is gone once it has answered: what it had not written by then, nobody ever sees.
_CUT_OFF = (
    _RUNTIME.split("answers =", maxsplit=1)[0]
    + """
for event in events:
    app.handler(event, Context())
import os
os._exit(0)
"""
)


# Lambda's runtime with SnapStart: it takes a snapshot of a process that has been asked already, and wakes it.
_SNAPSHOT = (
    """
import types, sys
hooks = types.ModuleType("snapshot_restore_py")
hooks.before, hooks.after = [], []
hooks.register_before_snapshot, hooks.register_after_restore = hooks.before.append, hooks.after.append
sys.modules["snapshot_restore_py"] = hooks
import os
os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
"""
    + _RUNTIME.split("answers =", maxsplit=1)[0]
    + """
primed = {"aiobotocore", "fastapi", "httpx", "mangum", "numpy"} <= sys.modules.keys()
answers = [app.handler(event, Context()) for event in events]
for hook in reversed(hooks.before):
    hook()
import gc
kept = sorted({type(one).__name__ for one in gc.get_objects()} & {"PurseLedger", "JwtAuthenticator", "EventAnswers"})
for hook in hooks.after:
    hook()
answers += [app.handler(event, Context()) for event in events]
print("\\n" + json.dumps({"primed": primed, "kept": kept, "answers": answers}))
"""
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A place where the built function can be run, and a token that it takes."""

    built: Path
    variables: dict[str, str]
    token: str

    def invoke(self, *events: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
        """Run these events through one process; return its answers, and what it wrote before."""
        log, _, answers = self.written(_RUNTIME, *events).rstrip().rpartition("\n")
        return json.loads(answers), log

    def written(self, program: str, *events: dict[str, Any]) -> str:
        """Run these events through this program, and return what it wrote."""
        folders = ("ApiFunction", "DependenciesLayer/python", "EmbedgeLayer/python")
        environment = ("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in self.variables.items()))
        python = python313()
        assert python is not None
        command = (*environment, str(python), "-I", "-S", "-B", "-c", program, *(str(self.built / f) for f in folders))
        done = subprocess.run(command, input=json.dumps(events), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def embedding(self, texts: Sequence[str], **changes: Any) -> dict[str, Any]:
        """Return the event of a request for these texts."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = json.dumps({"model": MODEL, "input": texts, "encoding_format": "base64"})
        return rest_event("POST", "/v1/embeddings", headers, body) | changes


@contextmanager
def model_server() -> Generator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local.sagemaker"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Generator[Runtime]:
    need("built layers", "python3.13", "sam", "ministack")
    folder = tmp_path_factory.mktemp("runtime")
    built = build(folder / "built")
    with model_server() as port, ministack(*DYNAMODB) as aws:
        token = _prepare(aws, folder)
        variables = {
            **aws.environment,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://127.0.0.1:{port}",
            "EMBEDGE_CONTROL_TABLE": "control",
            "EMBEDGE_LEDGER_TABLE": "ledger",
            "EMBEDGE_CACHE_TABLE": "cache",
        }
        yield Runtime(built, variables, token)


def _prepare(aws: Ministack, folder: Path) -> str:
    embedge = (sys.executable, "-m", "embedge.cli", "--state", folder / "operator")
    run(*embedge, "keys", "init")
    query = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]); "
        "print(*connection.execute(\"SELECT sk, doc FROM control WHERE pk = 'KEYS'\").fetchone())"
    )
    kid, _, jwk = run(sys.executable, "-c", query, folder / "operator" / "embedge.db").strip().partition(" ")
    run(SAM_PYTHON, "-c", _TABLES, kid, jwk, embedded_model(None), environment=aws.environment)
    return run(*embedge, "token", "mint").strip()


def test_one_process_answers_event_after_event_on_the_same_loop(runtime: Runtime) -> None:
    texts = ["seen twice", "seen once", "seen twice"]
    health = rest_event("GET", "/health", {}, None)
    answers, log = runtime.invoke(health, runtime.embedding(texts), runtime.embedding(texts), health)
    assert [answer["statusCode"] for answer in answers] == [200] * 4
    _, first, second, _ = answers
    assert first["headers"]["x-embedge-cache"] == "hits=0; misses=2"
    assert second["headers"]["x-embedge-cache"] == "hits=3; misses=0"
    assert first["body"] == second["body"]
    assert first["isBase64Encoded"] is False
    assert first["headers"]["x-request-id"] == "77375676-xmpl-4b79-853a-f982474efe18"
    data = json.loads(first["body"])["data"]
    assert data[0]["embedding"] == data[2]["embedding"] != data[1]["embedding"]
    blobs = [json.loads(line) for line in log.splitlines() if '"_aws"' in line]
    assert [blob["requests"] for blob in blobs] == [[1.0]] * 4


def test_with_snapstart_a_process_wakes_with_all_that_is_loaded_and_nothing_that_may_exist_only_once(
    runtime: Runtime,
) -> None:
    said = runtime.written(_SNAPSHOT, runtime.embedding(["known before the snapshot"]))
    log, _, last = said.rstrip().rpartition("\n")
    woken = json.loads(last)
    assert (woken["primed"], woken["kept"]) == (True, [])
    before, after = woken["answers"]
    assert (before["headers"]["x-embedge-cache"], after["headers"]["x-embedge-cache"]) == (
        "hits=0; misses=1",
        "hits=1; misses=0",
    )
    assert before["body"] == after["body"]
    assert len([line for line in log.splitlines() if '"_aws"' in line]) == 2  # and none of the priming


def test_what_a_request_came_to_is_written_before_its_invocation_ends(runtime: Runtime) -> None:
    log = runtime.written(_CUT_OFF, runtime.embedding(["a process that dies after this"]))
    (record,) = [found for line in log.splitlines() if (found := read_record(line)) is not None]
    assert (record.row.tenant, record.counts.requests, record.counts.misses) == ("default", 1, 1)
    assert record.counts.cost > 0


def test_a_body_that_travelled_as_base64_and_a_stage_in_the_path_are_the_same_request(runtime: Runtime) -> None:
    plain = runtime.embedding(["as base64"])
    headers = plain["headers"]
    encoded = rest_event("POST", "/prod/v1/embeddings/", headers, plain["body"].encode())
    first, second = runtime.invoke(encoded, plain)[0]
    assert (first["statusCode"], second["statusCode"]) == (200, 200)
    assert second["headers"]["x-embedge-cache"] == "hits=1; misses=0"


def test_the_largest_body_fits_into_lambda_s_event_whatever_is_in_it_and_one_byte_more_is_refused(
    runtime: Runtime,
) -> None:
    plain = runtime.embedding(["the largest"])
    start = plain["body"].removesuffix("}") + ', "user": "'
    escaped = '\\"' * ((MAX_BODY_BYTES - len(start)) // 2 - 1)
    largest = (start + escaped).encode().ljust(MAX_BODY_BYTES - 2, b"u") + b'"}'
    assert len(largest) == MAX_BODY_BYTES
    event = rest_event("POST", "/v1/embeddings", plain["headers"], largest)
    as_text = rest_event("POST", "/v1/embeddings", plain["headers"], largest.decode())
    assert len(json.dumps(event)) < LARGEST_EVENT_BYTES - 3 * LARGEST_HEADERS_BYTES < len(json.dumps(as_text))
    over = rest_event("POST", "/v1/embeddings", plain["headers"], largest + b" ")
    served, refused = runtime.invoke(event, over)[0]
    assert served["statusCode"] == 200
    assert (refused["statusCode"], json.loads(refused["body"])["error"]["code"]) == (413, "request_too_large")


def test_gzip_is_read_whether_or_not_api_gateway_has_inflated_it_and_left_its_header(runtime: Runtime) -> None:
    plain = runtime.embedding(["was gzip"])
    headers = {**plain["headers"], "Content-Encoding": "gzip"}
    inflated = rest_event("POST", "/v1/embeddings", headers, plain["body"].encode())
    as_sent = rest_event("POST", "/v1/embeddings", headers, gzip.compress(plain["body"].encode()))
    first, second, third = runtime.invoke(inflated, as_sent, plain)[0]
    assert [answer["statusCode"] for answer in (first, second, third)] == [200] * 3
    assert first["body"] == second["body"] == third["body"]
    assert third["headers"]["x-embedge-cache"] == "hits=1; misses=0"


def test_no_answer_is_base64_though_every_body_came_as_it(runtime: Runtime) -> None:
    origin = "https://app.example.com"
    open_to_pages = replace(runtime, variables={**runtime.variables, "EMBEDGE_CORS_ALLOWED_ORIGINS": origin})
    from_a_page = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    events = [
        rest_event("GET", "/health", {}, None) | {"isBase64Encoded": True},
        rest_event("OPTIONS", "/v1/embeddings", from_a_page, b""),
        rest_event("POST", "/v1/embeddings", {"Origin": origin, "Accept": "image/png"}, b"\xff\x00"),
    ]
    answers, _ = open_to_pages.invoke(*events)
    assert [answer["statusCode"] for answer in answers] == [200, 200, 401]
    assert [answer["isBase64Encoded"] for answer in answers] == [False] * 3
    assert [answer["headers"].get("access-control-allow-origin") for answer in answers] == [None, origin, origin]
    assert json.loads(answers[-1]["body"])["error"]["code"] == "missing_api_key"


def test_errors_reach_api_gateway_as_openai_s_and_the_next_event_is_served(runtime: Runtime) -> None:
    events = [
        rest_event("POST", "/v1/embeddings", {"Content-Type": "application/json"}, "{}"),
        runtime.embedding(["a"], body="{"),
        runtime.embedding(["a"], body=None),
        rest_event("DELETE", "/v1/embeddings", {}, None),
        rest_event("GET", "/", {}, None),
        runtime.embedding(["still served"]),
    ]
    answers, _ = runtime.invoke(*events)
    assert [answer["statusCode"] for answer in answers] == [401, 400, 400, 405, 404, 200]
    assert all(json.loads(answer["body"])["error"]["code"] for answer in answers[:-1])


def test_a_request_that_waited_too_long_in_front_of_us_is_answered_before_the_gateway_gives_up(
    runtime: Runtime,
) -> None:
    late = runtime.embedding(["never sent"])
    late["requestContext"]["requestTimeEpoch"] -= 40_000
    (answer,), log = runtime.invoke(late)
    assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (504, "upstream_timeout")
    assert json.loads(log.splitlines()[-1])["cost_usd"] == [0.0]
