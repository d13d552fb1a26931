"""What has each request come to, by the log of `make run`? The file it writes, and the one before that."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from embedge.core.usage_record import UsageRecord, read_record
from embedge.errors import ServiceUnavailable


class FileUsageRecords:
    """The UsageRecords port: files are read once, when first asked for."""

    def __init__(self, log: Path) -> None:
        """Take where the newest log is; the one before it has `.1` at its end."""
        self._files = (log.with_name(log.name + ".1"), log)
        self._records: list[UsageRecord] | None = None

    async def read(self, start_ms: int, end_ms: int) -> AsyncIterator[UsageRecord]:
        """Yield what was logged from `start_ms` to before `end_ms`. Raises: ServiceUnavailable."""
        if self._records is None:
            self._records = await asyncio.to_thread(self._read)
        for record in self._records:
            if start_ms <= record.at_ms < end_ms:
                yield record

    def _read(self) -> list[UsageRecord]:
        records: list[UsageRecord] = []
        try:
            for file in self._files:
                if file.exists():
                    with file.open(encoding="utf-8", errors="replace") as lines:
                        records += [record for line in lines if (record := read_record(line)) is not None]
        except OSError as error:
            raise ServiceUnavailable(f"The log cannot be read: {error}.") from error
        return records
