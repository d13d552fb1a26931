"""What can the other side of a socket do, record by record? A server in threads: no loop has to run for it to act."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, TypeAlias

from benchmarks.function import certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

Ending: TypeAlias = Literal["with close_notify", "silently", "by a reset"]
LONGEST_S = 10.0


class Other:
    """One connection, as its other side has it."""

    def __init__(self, raw: socket.socket, tls: ssl.SSLContext | None) -> None:
        raw.settimeout(LONGEST_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = raw if tls is None else tls.wrap_socket(raw, server_side=True)

    def request(self) -> bytes:
        """Return the body of the next request; nothing where the connection has ended."""
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            if not self._more(received):
                return b""
        length = int(received[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(received) < end + 4 + length:
            if not self._more(received):
                return b""
        return bytes(received[end + 4 :])

    def send(self, *records: bytes) -> None:
        """Send each, as a record of its own where that is TLS."""
        for record in records:
            self.socket.sendall(record)

    def end(self, how: Ending) -> None:
        """End it, at once."""
        if how == "with close_notify" and isinstance(self.socket, ssl.SSLSocket):
            self.socket.settimeout(0)
            with suppress(OSError):  # it is said, and not waited for what is said to it
                self.socket.unwrap()
        if how == "by a reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self, received: bytearray) -> bool:
        try:
            piece = self.socket.recv(65_536)
        except (ConnectionError, ssl.SSLError):
            return False
        received += piece
        return bool(piece)


Act: TypeAlias = "Callable[[Other], None]"


class Served:
    """Where it listens, who proves it, and how many connections it was asked for."""

    def __init__(self, acts: Sequence[Act], tls: Path | None) -> None:
        self.connections = 0
        self.done = [threading.Event() for _ in acts]  # of each, when its act is over
        self.failures: list[Exception] = []
        self.trusted: ssl.SSLContext | None = None
        self._acts = acts
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            made = certificates.make(tls)
            self.trusted = ssl.create_default_context(cafile=str(made.authority))
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(made.certificate, made.key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def end(self) -> None:
        """Accept no more, and wait until every act is over."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(2 * LONGEST_S)
        self._listening.close()

    def _accept(self) -> None:
        for number in range(len(self._acts)):
            try:
                raw, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(raw, number)))
            self._threads[-1].start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        with raw:
            try:
                other = Other(raw, self._context)
            except OSError:  # there was no handshake, so there is nobody to serve
                self.done[number].set()
                return
            try:
                with other.socket:
                    self._acts[number](other)
            except Exception as failure:  # noqa: BLE001 (it is the test's)
                self.failures.append(failure)
            finally:
                self.done[number].set()


@contextmanager
def other_side(acts: Sequence[Act], tls: Path | None) -> Generator[Served]:
    """Serve one connection with each of the acts, at the same time; over TLS where there is a folder for its keys."""
    served = Served(acts, tls)
    try:
        yield served
    finally:
        served.end()
    assert not served.failures, served.failures
