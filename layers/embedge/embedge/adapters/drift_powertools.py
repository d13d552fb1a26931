"""What do operators see of a comparison of targets? A log line for each route, and one EMF blob for all of them."""

from collections.abc import Sequence
from typing import TextIO

from aws_lambda_powertools import Logger

from embedge.adapters.emf import emit
from embedge.core.space_check import Watched


class PowertoolsDrift:
    """The DriftReports port: Powertools' Logger and Metrics, written to one stream."""

    def __init__(self, service: str, namespace: str, level: str, stream: TextIO) -> None:
        """Take the names under which operators look, and where lines go."""
        self._service = service
        self._namespace = namespace
        self._stream = stream
        self._logger = Logger(service=service, level=level, stream=stream, location=None)

    def report(self, watched: Sequence[Watched]) -> None:
        """Write what was found of each route, and how many targets were how."""
        for route in watched:
            problems = {verdict.target: verdict.problem for verdict in route.verdicts if verdict.problem}
            fields = {"route": route.alias, "problems": problems, "taken_out": list(route.taken_out)}
            level = self._logger.error if problems or route.error else self._logger.info
            level("space", extra={**fields, "error": route.error})
        verdicts = [verdict for route in watched for verdict in route.verdicts]
        emit(
            self._stream,
            self._namespace,
            {"service": self._service},
            {
                "routes_compared": sum(route.error is None for route in watched),
                "routes_not_compared": sum(route.error is not None for route in watched),
                "targets_drifting": sum(verdict.drifted for verdict in verdicts),
                "targets_silent": sum(verdict.problem is not None and not verdict.drifted for verdict in verdicts),
                "targets_taken_out": sum(len(route.taken_out) for route in watched),
            },
        )
