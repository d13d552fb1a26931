"""What comes back from DynamoDB? A reply as it travelled, or the fault that kept it away.

Only the plainest of replies is read: HTTP/1.1, a status that has a body, headers that stand once, a body whose length
is given. All else is `Unreadable`, and whoever asked goes the plain way, or takes the outcome as unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BODY_BYTES = 32 * 1024 * 1024  # twice what BatchGetItem returns at most
_HEAD = re.compile(
    r"HTTP/1\.1 (?!204|304)([2-5][0-9]{2})(?: [\x20-\x7e]*)?(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\x20-\x7e\t]*)+"
)
_LENGTH = re.compile(r"[0-9]{1,9}")


class NotConnected(Exception):
    """No connection was had, so nothing was sent."""


class NotConnectedInTime(NotConnected):
    """No connection was had in time."""


class Broken(Exception):
    """The connection ended before the reply did: nobody knows what became of the request."""


class Silent(Broken):
    """Nothing came for too long."""


class Unreadable(Broken):
    """A reply came that is not as plain as it should be."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply, its headers in lower case. A long body is a view of where it lies, which no other reply overwrites."""

    status: int
    headers: Mapping[str, str]
    body: bytes | memoryview


def read_head(head: bytes) -> tuple[int, Mapping[str, str]] | None:
    """Return status and headers, up to the empty line; None where anything is unusual."""
    text = head.decode("latin-1")
    plain = _HEAD.fullmatch(text)
    if plain is None:
        return None
    lines = text.split("\r\n")[1:]
    parts = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip(" \t") for name, _, value in parts}
    length = headers.get("content-length", "")
    once = len(headers) == len(lines)
    whole = headers.keys().isdisjoint(("transfer-encoding", "content-encoding", "trailer"))
    if not once or not whole or not _LENGTH.fullmatch(length) or int(length) > _MOST_BODY_BYTES:
        return None
    return int(plain[1]), headers
