"""Does Lambda's runtime client wait in one thread, as it would wait in many?"""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

from embedge.api.runtime_thread import keep_runtime_thread

_MODULE = "awslambdaric.lambda_runtime_client"


class _Client:
    """As much of the client as waits for an event, in its own words; `events` says what comes."""

    def __init__(self, events: list[Callable[[], object]], *, in_a_thread: bool = True) -> None:
        self.events = events
        self.threads: list[threading.Thread] = []
        if in_a_thread:
            self.ThreadPoolExecutor = ThreadPoolExecutor

    def wait_next_invocation(self) -> object:
        if not hasattr(self, "ThreadPoolExecutor"):
            return self._next()
        with self.ThreadPoolExecutor(max_workers=1) as executor:
            future = executor.submit(self._next)
        return future.result()

    def _next(self) -> object:
        self.threads.append(threading.current_thread())
        return self.events.pop(0)()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[_Client]:
    """Put a client where Lambda has its own, and tell it to keep its thread."""
    theirs = type("LambdaRuntimeClient", (_Client,), {"wait_next_invocation": _Client.wait_next_invocation})
    module = ModuleType(_MODULE)
    module.__dict__["LambdaRuntimeClient"] = theirs
    monkeypatch.setitem(sys.modules, "awslambdaric", ModuleType("awslambdaric"))
    monkeypatch.setitem(sys.modules, _MODULE, module)
    assert keep_runtime_thread()
    return theirs


def _raises() -> object:
    raise OSError("no event")


def test_all_events_come_in_order_and_are_waited_for_in_one_thread_that_is_not_the_main_one(
    client: type[_Client],
) -> None:
    waiting = client([lambda: 1, lambda: 2, lambda: 3])
    assert [waiting.wait_next_invocation() for _ in range(3)] == [1, 2, 3]
    assert len(set(waiting.threads)) == 1
    assert threading.main_thread() not in waiting.threads


def test_a_failure_to_get_an_event_is_the_client_s_own_and_the_next_one_is_got(client: type[_Client]) -> None:
    waiting = client([_raises, lambda: 2])
    with pytest.raises(OSError, match="no event"):
        waiting.wait_next_invocation()
    assert waiting.wait_next_invocation() == 2


def test_there_is_no_thread_before_the_first_event(client: type[_Client]) -> None:
    before = threading.active_count()
    waiting = client([lambda: 1])
    assert threading.active_count() == before
    waiting.wait_next_invocation()
    assert threading.active_count() == before + 1


def test_a_client_that_waits_in_the_main_thread_goes_on_doing_so(client: type[_Client]) -> None:
    waiting = client([lambda: 1, lambda: 2], in_a_thread=False)
    assert [waiting.wait_next_invocation() for _ in range(2)] == [1, 2]
    assert set(waiting.threads) == {threading.main_thread()}


def test_another_client_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, _MODULE, ModuleType(_MODULE))
    monkeypatch.setitem(sys.modules, "awslambdaric", ModuleType("awslambdaric"))
    assert not keep_runtime_thread()
