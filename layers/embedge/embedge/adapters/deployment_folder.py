"""What do operators see of the router on this machine? Its log; it has no quotas."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from embedge.core.findings import Capacity, Unreadable

_MOST_BYTES = 1_000_000
_MILLI = 1000


class FolderDeployment:
    """The Deployment port on the log that `make run` writes."""

    def __init__(self, log: Path) -> None:
        """Take the log's path."""
        self._log = log

    async def log_lines(self, since_s: float) -> Sequence[str] | Unreadable:
        """Return the metrics lines since then, among the last megabyte."""
        try:
            return await asyncio.to_thread(self._read, since_s)
        except OSError:
            return Unreadable(f"there is no {self._log}: the router that answers keeps its log elsewhere")

    async def capacity(self) -> Capacity | Unreadable:
        """Return that there is none to speak of."""
        return Unreadable("this machine sets no quotas")

    def _read(self, since_s: float) -> list[str]:
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _MOST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return [line for line in lines if _moment_ms(line) >= since_s * _MILLI]


def _moment_ms(line: str) -> float:
    try:
        return json.loads(line)["_aws"]["Timestamp"]
    except (ValueError, KeyError, TypeError):
        return 0.0
