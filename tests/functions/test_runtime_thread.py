"""Does Lambda's runtime client wait in the main thread, as long as nobody there has to hear of a signal?"""

from __future__ import annotations

import signal
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from embedge.api.runtime_thread import wait_in_main_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MODULE = "awslambdaric.lambda_runtime_client"
_MAIN = threading.main_thread()


class _Client:
    """As much of the client as waits for an event, which is the thread that it is waited for in."""

    def __init__(self) -> None:
        self.use_thread_for_polling_next = True

    def wait_next_invocation(self) -> threading.Thread:
        if not self.use_thread_for_polling_next:
            return threading.current_thread()
        found: list[threading.Thread] = []
        thread = threading.Thread(target=lambda: found.append(threading.current_thread()))
        thread.start()
        thread.join()
        return found[0]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[_Client]:
    """Put a client where Lambda has its own, and tell it to wait in the main thread."""
    theirs = type("LambdaRuntimeClient", (_Client,), {})
    _put(monkeypatch, theirs)
    assert wait_in_main_thread()
    return theirs


@pytest.fixture
def handle() -> Iterator[Callable[[int, signal.Handlers | Callable[..., None]], None]]:
    """Return what sets a signal's handler until the test is over."""
    before: dict[int, object] = {}

    def set_handler(number: int, handler: signal.Handlers | Callable[..., None]) -> None:
        before[number] = signal.signal(number, handler)

    yield set_handler
    for number, handler in before.items():
        signal.signal(number, handler)  # pyright: ignore[reportArgumentType] (what it returned)


def _put(monkeypatch: pytest.MonkeyPatch, theirs: type | None) -> None:
    module = ModuleType(_MODULE)
    module.__dict__.update({} if theirs is None else {"LambdaRuntimeClient": theirs})
    monkeypatch.setitem(sys.modules, "awslambdaric", ModuleType("awslambdaric"))
    monkeypatch.setitem(sys.modules, _MODULE, module)


def _heard(*_: object) -> None:
    """Hear of a signal."""


@pytest.fixture(autouse=True)
def _by_default(handle: Callable[[int, signal.Handlers], None]) -> None:
    for number in signal.valid_signals() - {signal.SIGINT, signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):  # of whoever runs these tests
            handle(number, signal.SIG_DFL)


def test_every_event_is_waited_for_in_the_main_thread(client: type[_Client]) -> None:
    waiting = client()
    assert [waiting.wait_next_invocation() for _ in range(3)] == [_MAIN] * 3
    assert client.wait_next_invocation is _Client.wait_next_invocation, "nothing of ours is left in between"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_who_handles_a_signal_hears_of_it_while_an_event_is_waited_for(
    number: int, client: type[_Client], handle: Callable[[int, Callable[..., None]], None]
) -> None:
    handle(number, _heard)
    waiting = client()
    assert _MAIN not in [waiting.wait_next_invocation() for _ in range(3)]


def test_a_signal_that_is_ignored_is_not_handled(
    client: type[_Client], handle: Callable[[int, signal.Handlers], None]
) -> None:
    handle(signal.SIGTERM, signal.SIG_IGN)
    assert client().wait_next_invocation() is _MAIN


@pytest.mark.parametrize("theirs", [None, type("LambdaRuntimeClient", (), {})])
def test_another_client_is_left_alone(theirs: type | None, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(monkeypatch, theirs)
    assert not wait_in_main_thread()
    assert theirs is None or not hasattr(theirs, "wait_next_invocation")
