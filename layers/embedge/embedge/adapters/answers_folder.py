"""Where do answers wait that are too large to be sent back? In a folder, which a server on this machine gives out."""

import asyncio
import os
from pathlib import Path

from embedge.core.kept_answer import LINK_VALID_S, answer_name
from embedge.core.signed_link import signed
from embedge.ports import Clock, NotKept


class FolderAnswers:
    """The AnswerStore port on files. Whoever runs the server removes them in time."""

    def __init__(self, folder: Path, url: str, key: bytes, clock: Clock) -> None:
        """Take where the files go, where the server is (no slash at its end), what links are signed with, the time."""
        self._folder = folder
        self._url = url
        self._key = key
        self._clock = clock

    async def keep(self, tenant: str, body: bytes) -> str:
        """Write one file and return a link to it. Raises: NotKept."""
        name = answer_name(tenant, os.urandom(16))
        try:
            await asyncio.to_thread(_write, self._folder / name, body)
        except OSError as fault:
            raise NotKept from fault
        return self._url + signed(f"/{name}", int(self._clock.now_s()) + LINK_VALID_S, self._key)


def _write(path: Path, body: bytes) -> None:
    """Write a file that is its owner's alone; what could not be written whole is not left behind."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
    except OSError:
        path.unlink()
        raise
