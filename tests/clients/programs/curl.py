"""How does curl embed? By one command line: the token in a header, the body on its standard input."""

import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

_TOLD = "\n%{http_code} %header{x-request-id}"


def ask(job, body):
    command = ["curl", "--silent", "--show-error", "--location", "--max-time", "60", "--noproxy", "127.0.0.1"]
    headers = ["-H", f"Authorization: Bearer {job['key']}", "-H", "Content-Type: application/json"]
    url = f"{job['url']}/embeddings"
    sent = base64.b64decode(body)
    done = subprocess.run(
        [*command, *headers, "--data-binary", "@-", "--write-out", _TOLD, url],
        input=sent,
        capture_output=True,
        check=True,
    )
    answer, _, told = done.stdout.rpartition(b"\n")
    status, _, request_id = told.decode().partition(" ")
    return {"status": int(status), "request_id": request_id, "body": base64.b64encode(answer).decode()}


if __name__ == "__main__":
    for line in sys.stdin:
        job = json.loads(line)
        with ThreadPoolExecutor(len(job["bodies"])) as pool:
            print(json.dumps(list(pool.map(partial(ask, job), job["bodies"]))), flush=True)
