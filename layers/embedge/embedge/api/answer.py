"""What goes back for a request, whoever takes it there? JSON, with a status and headers in lower case."""

from collections.abc import Mapping
from dataclasses import dataclass

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, but for the headers that all of them have."""

    status: int
    headers: Mapping[str, str]
    body: bytes
