"""What goes back for a request, whoever takes it there? JSON, with a status and headers in lower case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

JSON = "application/json"

Part: TypeAlias = bytes | memoryview


@dataclass(frozen=True)
class Answer:
    """An answer, but for the headers that all of them have.

    Its body is `parts`, joined. Every second of them is a vector's numbers, in which there is neither a quote nor a
    backslash: so where JSON is written into a string of JSON, as Lambda wants it, the most of it is left as it is.
    """

    status: int
    headers: Mapping[str, str]
    parts: Sequence[Part]

    def body(self) -> bytes:
        """Return it whole."""
        return b"".join(self.parts)

    @cached_property
    def size_bytes(self) -> int:
        """Return the length of its body."""
        return sum(map(len, self.parts))
