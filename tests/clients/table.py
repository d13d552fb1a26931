"""Which clients are tried, and what must each be seen to do? The one place that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# As tests.e2e.tools.here knows it; `python` is the one that runs the tests.
Tool = Literal["python", "openai_old", "frameworks", "node", "java", "curl"]

# openai-python's and openai-node's classes.
_OPENAI: dict[int | str, str] = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    413: "APIStatusError",
    429: "RateLimitError",
    502: "InternalServerError",
    503: "InternalServerError",
}
_LITELLM: dict[int | str, str] = {
    **_OPENAI,
    403: "APIError",
    413: "BadRequestError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
    "context_length_exceeded": "ContextWindowExceededError",
}
_EVERYTHING = frozenset({"status", "code", "param", "request_id"})


@dataclass(frozen=True, slots=True)
class Client:
    """A client as its users have it.

    `asks_for` is the `encoding_format` that it sends by itself; `sends_tokens`, whether it makes token ids of texts;
    `passes_on`, whether its callers' input goes out as they gave it, whatever it is. `raises` says its class for each
    status, or for a code that has one of its own; None where it has no classes. `tells` is what of an error it gives
    its callers, beside the message. `mends_lines`: it sends spaces for ends of lines. `heeds_should_retry`:
    `x-should-retry: false` keeps it from trying again. `most_at_once`: the inputs that it puts into one request by
    itself, where its callers give it more. `speaks_http`: it knows nothing of OpenAI, nor tries again.
    """

    name: str
    tool: Tool
    program: str
    arguments: tuple[str, ...] = ()
    asks_for: Literal["base64", "float"] | None = "base64"
    sends_tokens: bool = False
    passes_on: bool = True
    raises: Mapping[int | str, str] | None = None
    tells: frozenset[str] = _EVERYTHING
    mends_lines: bool = False
    heeds_should_retry: bool = True
    most_at_once: int = 2048
    speaks_http: bool = False

    def raised(self, status: int, code: str | None) -> str | None:
        """Its class for an error."""
        if self.speaks_http:
            return None
        raises = self.raises or _OPENAI
        return raises[code] if code is not None and code in raises else raises[status]

    def tenant(self) -> str:
        """The name of a tenant of its own."""
        return self.name.replace(" ", "-")


CLIENTS = (
    Client("openai-python", "python", "openai_sync.py"),
    Client("openai-python async", "python", "openai_async.py"),
    # It asks for base64 only where numpy is installed, which nothing of its own brings.
    Client("openai-python 1.58", "openai_old", "openai_sync.py", asks_for=None),
    Client("openai-node", "node", "openai_node.mjs", raises={**_OPENAI, 413: "APIError"}),
    Client(
        "AI SDK",
        "node",
        "ai_sdk.mjs",
        asks_for="float",
        passes_on=False,
        raises=dict.fromkeys(_OPENAI, "APICallError"),
        heeds_should_retry=False,
    ),
    Client("curl", "curl", "curl.py", asks_for=None, speaks_http=True),
    Client("Java HttpClient", "java", "Ask.java", asks_for=None, speaks_http=True),
    Client("LangChain", "frameworks", "ask_langchain.py", sends_tokens=True, passes_on=False, most_at_once=1000),
    Client("LlamaIndex", "frameworks", "ask_llamaindex.py", passes_on=False, mends_lines=True, most_at_once=100),
    Client("Haystack", "frameworks", "ask_haystack.py", asks_for="float", passes_on=False, most_at_once=32),
    # It tells its callers a status and a sentence, and forgets the rest.
    Client("litellm", "frameworks", "ask_litellm.py", asks_for=None, raises=_LITELLM, tells=frozenset({"status"})),
)


def named(client: Client) -> str:
    return client.name


def those(fit: Callable[[Client], bool]) -> pytest.MarkDecorator:
    """Run a test with these clients only: what the others cannot say is not skipped, it is not asked."""
    return pytest.mark.parametrize("client", [client for client in CLIENTS if fit(client)], ids=named, indirect=True)
