"""What goes back for a request, whoever takes it there? JSON, with a status and headers in lower case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

JSON = "application/json"

Part: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, but for the headers that all of them have.

    Its body is `parts`, joined. `escaped`, where it is there, are the same as they stand in a string of JSON, which is
    how Lambda wants them; `known_bytes`, where it is there, is the length of its body.
    """

    status: int
    headers: Mapping[str, str]
    parts: Sequence[Part]
    escaped: Sequence[Part] | None = None
    known_bytes: int | None = None

    def body(self) -> bytes:
        """Return it whole."""
        return b"".join(self.parts)

    def in_json(self) -> Sequence[Part]:
        """Return the body as it stands in a string of JSON, between the quotes."""
        return [escaped_json(self.body())] if self.escaped is None else self.escaped

    @property
    def size_bytes(self) -> int:
        """Return the length of its body."""
        return sum(map(len, self.parts)) if self.known_bytes is None else self.known_bytes


@dataclass(frozen=True, slots=True)
class JsonPieces:
    """JSON as its pieces lie, to be joined or to be sent one after the other."""

    pieces: Sequence[Part]

    def joined(self) -> bytes:
        """Return it whole."""
        return b"".join(self.pieces)


def escaped_json(text: bytes) -> bytes:
    """Return JSON, in which no control character stands as it is, as it stands in a string of JSON."""
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
