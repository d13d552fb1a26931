"""How does a server on this machine listen? So that no answer waits for the client's next acknowledgement."""

import socket

# What uvicorn is given too: asyncio tries this many times in a row to accept where no file is left to open.
BACKLOG = 128


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
