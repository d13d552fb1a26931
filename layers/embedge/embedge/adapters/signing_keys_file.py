"""Where is the team's private key on a laptop? In a folder that only its owner can read."""

import os
from collections.abc import Sequence
from pathlib import Path


class FileSigningKeys:
    """The SigningKeys port on files, one for each key: KID.pem."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when the first key is kept."""
        self._folder = folder

    async def load(self) -> Sequence[tuple[str, str]]:
        """Return each key's name and its PEM, the newest first."""
        pems = sorted(self._folder.glob("*.pem"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
        return [(pem.stem, pem.read_text(encoding="ascii", errors="replace")) for pem in pems]

    async def keep(self, kid: str, pem: str) -> None:
        """Keep a key; it is readable by its owner alone from its first byte on."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._folder / f"{kid}.partial"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(pem)
        partial.rename(self._folder / f"{kid}.pem")

    async def forget(self, kid: str) -> None:
        """Keep a key no longer."""
        (self._folder / f"{kid}.pem").unlink(missing_ok=True)
