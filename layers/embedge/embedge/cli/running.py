"""Where does a command run? On a deployed stack, or on this folder's own state; an error of ours is a plain line."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from embedge.bootstrap.operating import Operation, operate_folder, operate_stack
from embedge.errors import EmbedgeError
from embedge.settings import SageMakerStandIn, Settings

# Where `make run` says at which URL its stand-in for SageMaker is, while it runs.
STAND_IN = "sagemaker.url"

Place: TypeAlias = tuple[str | None, Path]
_Result = TypeVar("_Result")


def run(place: Place, command: Callable[[Operation], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a command where it belongs. Raises: ClickException."""

    async def within() -> _Result:
        stack, folder = place
        environ = os.environ  # noqa: TID251 (what `env:` means, for targets that are asked from here)
        operation = await operate_stack(stack, environ) if stack else operate_folder(folder, _settings(folder, environ))
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


def _settings(folder: Path, environ: Mapping[str, str]) -> Settings:
    settings = Settings(state=folder, secrets=environ)
    with suppress(FileNotFoundError):
        return settings.with_sagemaker(SageMakerStandIn((folder / STAND_IN).read_text(encoding="ascii").strip()))
    return settings
