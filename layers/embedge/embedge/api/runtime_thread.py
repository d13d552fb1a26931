"""In which thread does Lambda's runtime client wait for the next event? In one that is kept.

The client waits in a thread, so that the main one can take signals meanwhile. It makes an executor and a thread for
each event, and ends both: a third of what an event takes of the processor before any function has begun. Here its own
code runs with an executor that stays. Where the client is another than is known, it is left alone.
https://github.com/aws/aws-lambda-python-runtime-interface-client, `wait_next_invocation`, read 2026-11 (4.2).
"""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import TracebackType
from typing import Any


class KeptExecutor:
    """What the client is given where it makes an executor: always the same one, which nothing ends."""

    def __init__(self) -> None:
        """Begin without a thread: there is none before the first event, nor in a snapshot."""
        self._executor = ThreadPoolExecutor(max_workers=1)

    def __call__(self, max_workers: int = 1) -> "KeptExecutor":
        """Return it."""
        del max_workers  # it waits for one event at a time
        return self

    def __enter__(self) -> ThreadPoolExecutor:
        """Return what runs a call in the thread."""
        return self._executor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep it; who asks for a result waits for it anyway."""


def keep_runtime_thread() -> bool:
    """Have the client keep its thread from its first event on; return whether it is one that can be told to."""
    try:
        client: Any = import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
        wait_next_invocation = client.wait_next_invocation
    except (ImportError, AttributeError):
        return False

    def wait(self: Any) -> object:  # noqa: ANN401 (their client)
        client.wait_next_invocation = wait_next_invocation  # once is enough: a process has one client
        if getattr(self, "ThreadPoolExecutor", None) is ThreadPoolExecutor:
            self.ThreadPoolExecutor = KeptExecutor()
        return wait_next_invocation(self)

    client.wait_next_invocation = wait
    return True
