"""Does purging forget what it names at once, delete it where asked to, and go on where it was interrupted?"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
from click.testing import CliRunner, Result

from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.purges_control import ControlPurges
from embedge.adapters.sqlite_state import SqliteState
from embedge.cli.program import main
from embedge.core.cache_key import Keyring, space_id
from embedge.core.provenance import Provenance
from embedge.core.route import Space
from embedge.core.vector_codec import encode
from tests.core.samples import document, route

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

_Result = TypeVar("_Result")
SPACE = route().space
OTHER = Space("other", "1", 8, normalised=True)
SPACE_ID = space_id(SPACE).hex()


# Whoever started the tests may have told all their processes to ignore it, as a shell does behind `&`.
_HEARS_INTERRUPTIONS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from embedge.cli.program import main
main(prog_name="embedge")
"""


class Kept:
    """A laptop whose cache holds some entries, and what of them a router would still find."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--state", str(self.folder), "cache", "purge", *arguments])

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def keep(self, tenant: str | None, space: Space = SPACE, count: int = 1) -> None:
        keys = Keyring(tenant, space)
        entries = [keys.key(str(number)) for number in range(count)]
        vectors = {key: encode(key, np.ones(8, np.float32), 1, estimated=False) for key in entries}
        with_state(self, lambda state: cache(state).put_many(vectors, 9999, provenance=Provenance(keys.owner)))

    def finds(self, tenant: str | None, space: Space = SPACE) -> bool:
        async def found(state: SqliteState) -> bool:
            purged = await ControlPurges(SqliteControlTable(state), SystemClock(), list[str]().append).current()
            key = Keyring(tenant, space, purged).key("0")
            return key in await cache(state).get_many([key], 8)

        return with_state(self, found)

    def entries(self) -> int:
        async def counted(state: SqliteState) -> int:
            return state.connection.execute("SELECT count(*) FROM cache").fetchone()[0]

        return with_state(self, counted)


def with_state(kept: Kept, does: Callable[[SqliteState], Coroutine[Any, Any, _Result]]) -> _Result:
    state = SqliteState(kept.folder / "embedge.db")
    try:
        return asyncio.run(does(state))
    finally:
        state.close()


def cache(state: SqliteState) -> SqliteCache:
    return SqliteCache(state, SystemClock(), list[str]().append)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    (tmp_path / "route.json").write_text(json.dumps(document(names=["tiny"])), encoding="utf-8")
    state = tmp_path / "state"
    applied = CliRunner().invoke(main, ["--state", str(state), "routes", "apply", str(tmp_path / "route.json")])
    assert applied.exit_code == 0
    kept = Kept(state)
    for tenant in ("acme", "umbrella", None):
        kept.keep(tenant)
        kept.keep(tenant, OTHER)
    return kept


WHO: list[tuple[str | None, Space]] = [(who, space) for who in ("acme", "umbrella", None) for space in (SPACE, OTHER)]
PURGES: dict[tuple[str, ...], set[tuple[str | None, Space]]] = {
    ("--tenant", "acme"): {("acme", SPACE), ("acme", OTHER)},
    ("--model", "small"): {("acme", SPACE), ("umbrella", SPACE), (None, SPACE)},
    ("--model", "tiny"): {("acme", SPACE), ("umbrella", SPACE), (None, SPACE)},
    ("--space", SPACE_ID): {("acme", SPACE), ("umbrella", SPACE), (None, SPACE)},
    ("--all",): set(WHO),
}


@pytest.mark.parametrize("which", PURGES, ids=" ".join)
def test_what_is_purged_is_found_by_nobody_and_all_else_still_is(kept: Kept, which: tuple[str, ...]) -> None:
    said = kept.done(*which)
    assert "its generation is 1" in said
    assert {who for who in WHO if not kept.finds(*who)} == PURGES[which]
    assert kept.entries() == len(WHO)


@pytest.mark.parametrize("which", PURGES, ids=" ".join)
def test_what_is_deleted_is_gone_and_nothing_else(kept: Kept, which: tuple[str, ...]) -> None:
    said = kept.done(*which, "--delete", "--no-wait")
    assert f"Deleted {len(PURGES[which])} of {len(WHO)} entries." in said
    assert kept.entries() == len(WHO) - len(PURGES[which])


def test_purging_again_counts_on(kept: Kept) -> None:
    assert ["its generation is 1" in kept.done("--all"), "its generation is 2" in kept.done("--all")] == [True, True]


@pytest.mark.parametrize("which", [(), ("--all", "--tenant", "acme"), ("--tenant", "acme", "--model", "small")])
def test_exactly_one_part_must_be_named(kept: Kept, which: tuple[str, ...]) -> None:
    assert kept.run(*which).exit_code == 2
    assert all(kept.finds(*who) for who in WHO)


@pytest.mark.parametrize(
    "which", [("--tenant", "a b"), ("--model", "none"), ("--space", "xy"), ("--space", "ab"), ("--space", "")]
)
def test_a_part_that_there_is_not_is_an_error_of_one_line(kept: Kept, which: tuple[str, ...]) -> None:
    result = kept.run(*which)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert all(kept.finds(*who) for who in WHO)


def test_nothing_is_gone_on_with_that_was_not_interrupted(kept: Kept) -> None:
    assert kept.run("--all", "--resume").exit_code == 2
    refused = kept.run("--all", "--delete", "--resume")
    assert refused.exit_code == 1
    assert "Nothing of this was interrupted" in refused.stderr
    assert kept.done("--all", "--delete", "--no-wait")
    assert kept.run("--all", "--delete", "--resume").exit_code == 1  # it came to its end


@pytest.mark.slow
@pytest.mark.xdist_group("alone")
def test_a_deletion_that_was_interrupted_goes_on_where_it_stopped_and_purges_no_second_time(kept: Kept) -> None:
    kept.keep("acme", count=400)
    before = kept.entries()
    command = [sys.executable, "-c", _HEARS_INTERRUPTIONS, "--state", str(kept.folder), "cache", "purge"]
    wish = ["--all", "--delete", "--no-wait", "--per-second", "50"]
    process = subprocess.Popen([*command, *wish], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while kept.entries() == before:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--resume goes on" in said
    assert 0 < kept.entries() < before
    said = kept.done("--all", "--delete", "--resume")
    assert f"Deleted {before} of" in said
    assert "its generation" not in said
