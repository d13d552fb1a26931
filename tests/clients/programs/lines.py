"""What does a client's program read and write? A job on each line, and for it a line of outcomes, one for each call.

A job: {"url": base URL, "key": token, "retries": number or null for the client's own habit, "calls": [call, ...]}
A call: {"model": name, "input": as OpenAI takes it, and where given "dimensions", "encoding_format"}
An outcome: {"rows": number, "floats": base64 of little-endian float32} or {"error": {...}, as far as the client tells}
All calls of a job are under way at once.
"""

import base64
import json
import os
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor

_TOLD = ("code", "param", "request_id")


def serve(answer):
    """Answer every job by `answer(job)`, which returns its outcomes, until the standard input ends."""
    with os.fdopen(os.dup(1), "w") as ours:
        os.dup2(2, 1)  # what a library prints must not look like an answer
        for line in sys.stdin:
            json.dump(answer(json.loads(line)), ours)
            ours.write("\n")
            ours.flush()
    os._exit(0)  # what some libraries do on their way out takes seconds


def serve_calls(prepare):
    """The same for a client that blocks: `prepare(job)` returns what embeds a call, as rows of numbers."""

    def answer(job):
        embed = prepare(job)

        def outcome(call):
            try:
                return vectors(embed(call))
            except Exception as error:  # noqa: BLE001 (what a client raises is what is asked for)
                return refusal(error)

        with ThreadPoolExecutor(len(job["calls"])) as pool:
            return list(pool.map(outcome, job["calls"]))

    serve(answer)


def vectors(rows):
    """The outcome of a call that was answered."""
    packed = b"".join(array("f", row).tobytes() for row in rows)
    return {"rows": len(rows), "floats": base64.b64encode(packed).decode()}


def refusal(error):
    """The outcome of a call that was refused."""
    told = {name: getattr(error, name, None) for name in _TOLD}
    kind = {"class": type(error).__name__, "status": getattr(error, "status_code", None)}
    return {"error": {**kind, **told, "message": str(error)}}


def decoded(embedding):
    """Numbers: base64 that was asked for by name is passed on as it came."""
    return array("f", base64.b64decode(embedding)) if isinstance(embedding, str) else embedding


def given(call, *names):
    """Those of these options that the call names."""
    return {name: call[name] for name in names if name in call}


def retries(job):
    """How often to try again, as an option, and none where the client's habit is wanted."""
    return {} if job["retries"] is None else {"max_retries": job["retries"]}
