"""Where does a command run? On a deployed stack, or on this folder's own state; an error of ours is a plain line."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from embedge.bootstrap import Operation, operate_folder, operate_stack
from embedge.errors import EmbedgeError
from embedge.settings import Settings

Place: TypeAlias = tuple[str | None, Path]
_Result = TypeVar("_Result")


def run(place: Place, command: Callable[[Operation], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a command where it belongs. Raises: ClickException."""

    async def within() -> _Result:
        stack, folder = place
        operation = await operate_stack(stack) if stack else operate_folder(folder, Settings(state=folder))
        try:
            return await command(operation)
        finally:
            await operation.close()

    try:
        return asyncio.run(within())
    except EmbedgeError as error:
        raise click.ClickException(error.message) from error
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"The state in {place[1]} cannot be used: {error}.") from error
