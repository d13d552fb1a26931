"""How does a server on this machine listen? So that no answer waits for the client's next acknowledgement."""

import socket
from dataclasses import dataclass

# What uvicorn is given too: asyncio tries this many times in a row to accept where no file is left to open.
BACKLOG = 128


_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (only compared)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; port 0 is any that is free."""

    host: str
    port: int

    def is_everywhere(self) -> bool:
        """Tell whether this is no address of its own, but all that the machine has."""
        return self.host in _EVERYWHERE

    def named(self) -> str:
        """Return the host as URLs for clients on this machine name it."""
        host = "127.0.0.1" if self.is_everywhere() else self.host
        return f"[{host}]" if ":" in host else host


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises: OSError.

    A server writes head and body one after the other, and the second waits for the acknowledgement of the first, 40 ms,
    unless TCP_NODELAY is set. asyncio sets it only where the socket names its protocol, which `create_server`'s does
    not; accepted sockets inherit it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
