"""What do tests of commands work on? A folder with its state, and the router that would run on it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner, Result

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.routes_control import ControlRoutes
from embedge.adapters.sqlite_state import SqliteState
from embedge.cli.program import main
from embedge.settings import DEFAULT_LIMITS
from tests.fakes import FakeClock
from tests.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embedge.core.request import Principal
    from embedge.ports import Clock


class Laptop:
    """A folder with its state, the commands that are given there, and the router that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.folder = folder

    def run(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(main, ["--state", str(self.state), *map(str, arguments)])

    def done(self, *arguments: str | Path) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def refused(self, *arguments: str | Path) -> str:
        """Return why a command was refused: one line, and nothing else."""
        result = self.run(*arguments)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    def pems(self) -> list[Path]:
        return sorted((self.state / "keys").glob("*"))

    def file(self, name: str, content: str | bytes | Mapping[str, Any]) -> Path:
        path = self.folder / name
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def routes(self) -> set[str]:
        """Return the aliases that the router would serve."""
        database = SqliteState(self.state / "embedge.db")
        faults: list[str] = []
        routes = asyncio.run(ControlRoutes(SqliteControlTable(database), FakeClock(), faults.append).current())
        database.close()
        assert faults == []
        return {route.alias for route in routes.values()}

    def verified(self, token: str, clock: Clock | None = None) -> Principal:
        """Return whom the router takes the bearer of a token for."""
        database = SqliteState(self.state / "embedge.db")
        clock = clock or SystemClock()
        authenticator = Identity(SqliteControlTable(database), clock, DEFAULT_LIMITS).authenticator
        try:
            return asyncio.run(authenticator.confirm(f"Bearer {token}"))
        finally:
            database.close()

    def kept(self) -> dict[str, str]:
        """Return the routes' documents as they are in Control."""
        return self.documents("ROUTES")

    def documents(self, partition: str) -> dict[str, str]:
        """Return what a partition of Control holds."""
        database = SqliteState(self.state / "embedge.db")
        documents = dict(asyncio.run(SqliteControlTable(database).query(partition)))
        database.close()
        return documents

    def keep(self, alias: str, document: str) -> None:
        """Write a route as somebody else would."""
        database = SqliteState(self.state / "embedge.db")
        asyncio.run(SqliteControlTable(database).put("ROUTES", alias, document))
        database.close()
