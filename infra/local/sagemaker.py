"""What does SageMaker Runtime answer when text-embeddings-inference (TEI) runs behind it? A local stand-in.

`python -m infra.local.sagemaker` prints {"port": N} on stdout once it serves, and dies as soon as its stdin
closes: with its parent, however that ended. SigV4 signatures are accepted unread.

Sources, read 2026-11: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
(limits, errors; botocore's sagemaker-runtime model has their shapes) and
https://github.com/huggingface/text-embeddings-inference, router/src/http (bodies, statuses, error types).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

# Before numpy reads it: two BLAS threads on one text are slower than two texts on two threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from infra.local.listening import BACKLOG, listen
from infra.local.minilm import InputTooLong, MiniLM
from infra.local.model_files import DIMENSIONS, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

ENDPOINT = "all-MiniLM-L6-v2"
MAX_INPUTS = 32  # TEI's --max-client-batch-size
MAX_BODY_BYTES = 2_000_000  # TEI's --payload-limit
_JSON = "application/json"
_ARN = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/"
# Other fields of TEI's body, and the one value of each that is served, as JSON.
_SERVED = {"truncate": b"false", "normalize": b"true", "dimensions": b"%d" % DIMENSIONS, "prompt_name": b"null"}


@dataclass(frozen=True, slots=True)
class ContainerError(Exception):
    """What the container, TEI, answers instead of vectors. Never holds a text."""

    status: int
    message: str
    kind: str


class Endpoint:
    """The one endpoint in service, under some names: a model, and the routes that reach it."""

    def __init__(self, model: MiniLM, names: Sequence[str] = (ENDPOINT,)) -> None:
        self._model = model
        self._names = names
        self.app = Starlette(
            routes=[
                Route("/ping", self.ping, methods=["GET"]),
                Route("/endpoints/{name}/invocations", self.invoke, methods=["POST"]),
            ]
        )

    async def ping(self, _: Request) -> Response:
        """The container's health check."""
        return Response()

    async def invoke(self, request: Request) -> Response:
        """SageMaker's InvokeEndpoint: its own refusals first, then whatever the container says."""
        name = cast("str", request.path_params["name"])
        body = await _read(request)
        if name not in self._names:
            return _refusal(400, "ValidationError", {"message": f"Endpoint {name} of account 000000000000 not found."})
        try:
            inputs = parse(body)
            vectors = await run_in_threadpool(self._embed, inputs)
        except ContainerError as error:
            return _model_error(error)
        headers = {"x-amzn-requestid": str(uuid.uuid4()), "x-amzn-invoked-production-variant": "AllTraffic"}
        return Response(vectors, media_type=_JSON, headers=headers)

    def _embed(self, inputs: list[str]) -> bytes:
        try:
            return orjson.dumps(self._model.embed(inputs), option=orjson.OPT_SERIALIZE_NUMPY)
        except InputTooLong as error:
            message = f"`inputs` must have less than {error.maximum} tokens. Given: {error.tokens}"
            raise ContainerError(413, f"Input validation error: {message}", "Validation") from error


def parse(body: bytes | None) -> list[str]:
    """The inputs of TEI's native body. `None` is a body over the limit. Raises: ContainerError.

    Stricter than TEI in one thing: a field or value that is not served here is refused, never ignored.
    """
    if body is None:
        raise ContainerError(413, "Failed to buffer the request body: length limit exceeded", "Validation")
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ContainerError(400, "Failed to parse the request body as JSON", "Validation") from error
    if not isinstance(parsed, dict):
        raise ContainerError(422, "the body must be a JSON object", "Validation")
    fields = cast("dict[str, object]", parsed)
    inputs = _inputs(fields.pop("inputs", None))
    for field, value in fields.items():
        if field not in _SERVED:
            raise ContainerError(422, "unknown field beside `inputs`", "Validation")
        if value is not None and orjson.dumps(value) != _SERVED[field]:
            only = _SERVED[field].decode()
            raise ContainerError(422, f"`{field}` is served here as {only} only", "Validation")
    return inputs


def _inputs(value: object) -> list[str]:
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    inputs = [item for item in listed if isinstance(item, str)]
    if len(inputs) != len(listed):
        raise ContainerError(422, "`inputs` must be a string or a list of strings", "Validation")
    if not all(inputs) or not inputs:
        raise ContainerError(400, "`inputs` cannot be empty", "Empty")
    if len(inputs) > MAX_INPUTS:
        message = f"batch size {len(inputs)} > maximum allowed batch size {MAX_INPUTS}"
        raise ContainerError(422, message, "Validation")
    return inputs


async def _read(request: Request) -> bytes | None:
    """The body, or `None` when it is over the limit: read to its end, or the caller hears no answer."""
    body = bytearray()
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY_BYTES:
            body += chunk
    return bytes(body) if length <= MAX_BODY_BYTES else None


def _model_error(error: ContainerError) -> Response:
    """How SageMaker passes on a container's answer of 4xx or 5xx: 424, with the original inside."""
    original = orjson.dumps({"error": error.message, "error_type": error.kind}).decode()
    summary = f'Received client error ({error.status}) from primary with message "{original}".'
    body: dict[str, str | int] = {
        "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
        "LogStreamArn": _ARN + ENDPOINT,
        "Message": summary,
        "OriginalMessage": original,
        "OriginalStatusCode": error.status,
    }
    return _refusal(424, "ModelError", body)


def _refusal(status: int, kind: str, body: dict[str, str | int]) -> Response:
    headers = {"x-amzn-requestid": str(uuid.uuid4()), "x-amzn-errortype": kind}
    return Response(orjson.dumps(body), status, headers, _JSON)


def _serve(host: str, port: int, names: Sequence[str]) -> None:
    """Never returns: ends the process if serving ends."""
    try:
        listener = listen(host, port)
        endpoint = Endpoint(MiniLM.load(weights(), os.cpu_count() or 1), names)
        config = uvicorn.Config(
            endpoint.app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,  # longer than clients keep an idle connection, or they meet closed ones
        )
        sys.stdout.write(f'{{"port": {listener.getsockname()[1]}}}\n')  # from here on a connection waits at worst
        sys.stdout.flush()
        uvicorn.Server(config).run([listener])
    except BaseException:  # noqa: BLE001 - a thread's end would leave a process that serves nothing
        traceback.print_exc()
    os._exit(1)


def main() -> None:
    """Serve until stdin closes."""
    # Ctrl-C in a terminal reaches the whole group: a child leaves the end to its parent, who closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL if sys.stdin.isatty() else signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="python -m infra.local.sagemaker")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--name", action="append", default=[ENDPOINT], help="one more name that it has")
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine")
    arguments = parser.parse_args()
    # uvicorn leaves signals alone outside the main thread, which is free to wait for the parent's end.
    threading.Thread(target=_serve, args=(arguments.host, arguments.port, arguments.name), daemon=True).start()
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
