"""What does `make run` start? The router on this machine: no AWS, no key, a real model, its state in `.embedge/`.

In an order that takes little: ports are taken, the model loads in a child, and meanwhile all else here.
"""

from infra.local.starting import started  # isort: skip (before what it speeds up)

import os
import resource
import socket
from contextlib import suppress
from pathlib import Path

from infra.local.listening import Address, listen
from infra.local.model_process import Model

_MOST_FILES = 65_536


def main() -> None:
    """Read the environment and serve."""
    address = Address(os.environ.get("HOST") or "127.0.0.1", _port("PORT", 8787))
    answers_port = _port("ANSWERS_PORT", 0)
    folder = Path(os.environ.get("EMBEDGE_STATE") or ".embedge")
    os.umask(0o077)  # what is kept here is its owner's alone
    _allow_many_connections()
    listener = _listen(address, "PORT=8788")
    answers_listener = _listen(Address(address.host, answers_port), "ANSWERS_PORT=8789")
    model = Model()
    try:
        from infra.local.running import Place, run  # noqa: PLC0415 (while the model loads)

        run(Place(address, listener, answers_listener, folder), model, started)
    finally:
        model.stop()


def _listen(address: Address, another: str) -> socket.socket:
    """Take the port before anything else is started, so that a second `make run` ends with one clear line."""
    try:
        return listen(address.host, address.port)
    except OSError as error:
        raise SystemExit(
            f"embedge: {address.host}:{address.port} cannot be had ({error.strerror}). Another one: {another} make run"
        ) from error


def _port(name: str, default: int) -> int:
    port = os.environ.get(name) or str(default)
    if not port.isdecimal() or int(port) > 65_535 or (int(port) == 0 and default):  # noqa: PLR2004 (TCP's range)
        raise SystemExit(f"embedge: {name} must be a number from 1 to 65535.")
    return int(port)


def _allow_many_connections() -> None:
    """Each connection takes a file, and the usual limit is a few hundred."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    with suppress(ValueError, OSError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    main()
