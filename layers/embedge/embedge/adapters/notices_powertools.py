"""What do operators see of what runs by itself? A log line, and an EMF blob, for each thing that it tells."""

from collections.abc import Mapping
from typing import TextIO

from aws_lambda_powertools import Logger

from embedge.adapters.emf import emit


class PowertoolsNotices:
    """The Notices port: Powertools' Logger and Metrics, written to one stream."""

    def __init__(self, service: str, namespace: str, level: str, stream: TextIO) -> None:
        """Take the names under which operators look, and where lines go."""
        self._service = service
        self._namespace = namespace
        self._stream = stream
        self._logger = Logger(service=service, level=level, stream=stream, location=None)

    def tell(self, what: str, fields: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
        """Write one log line, and one metrics blob with these numbers, where there are some."""
        self._logger.warning(what, extra={**fields, **numbers})
        if numbers:
            self.measure({}, numbers)

    def measure(self, of: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Write one metrics blob with these numbers, which are of what `of` names."""
        emit(self._stream, self._namespace, {"service": self._service, **of}, numbers)
