"""What does a caller without any SDK see? curl, as the README uses it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: `headers` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.body)

    def error(self) -> dict[str, Any]:
        """The error object, held to its shape."""
        assert self.headers["content-type"] == "application/json"
        document = self.json()
        assert document.keys() == {"error"}
        assert document["error"].keys() == {"message", "type", "param", "code"}
        return document["error"]


def curl(url: str, *options: str, body: bytes | None = None) -> Answer:
    """Ask for this URL; a body is sent as it is."""
    # `Expect:` for none: curl would wait for a 100 before it sends a large body.
    data = () if body is None else ("--data-binary", "@-", "--header", "Expect:")
    command = ("curl", "--silent", "--show-error", "--include", "--http1.1", "--noproxy", "*", *data, *options, url)
    done = subprocess.run(command, input=body or b"", capture_output=True, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, content)
