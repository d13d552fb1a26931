"""In which thread does Lambda's runtime client wait for the next event? In the main one, where nobody minds.

Since Python 3.12 it makes an executor and a thread for each event, and ends both, which is half of what it takes of the
processor. It does so for functions that handle signals, which are only told of one between two steps of the main
thread (https://github.com/aws/aws-lambda-python-runtime-interface-client/issues/105). A process without a handler ends
at a SIGTERM whatever its main thread does, so here the client is told to do as it does under every older Python.
"""

import signal
from importlib import import_module
from typing import Any


def wait_in_main_thread() -> bool:
    """Have the client do so, unless a signal is handled when it first waits; return whether it is one that can."""
    try:
        client: Any = import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
        wait_next_invocation = client.wait_next_invocation
    except (ImportError, AttributeError):
        return False

    def wait(self: Any) -> object:  # noqa: ANN401 (their client)
        client.wait_next_invocation = wait_next_invocation  # once is enough: a process has one client
        if not _are_handled():
            self.use_thread_for_polling_next = False
        return wait_next_invocation(self)

    client.wait_next_invocation = wait
    return True


def _are_handled() -> bool:
    """Tell whether Python code waits for a signal; its own answer to Ctrl-C is not counted."""
    handlers = {signal.getsignal(number) for number in signal.valid_signals()}
    return any(callable(handler) for handler in handlers - {signal.default_int_handler})
