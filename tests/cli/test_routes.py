"""Do the commands for routes write what was planned, all or nothing of what is wrong, and never over somebody else?"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.deployment_folder import FolderDeployment
from embedge.adapters.signing_keys_file import FileSigningKeys
from embedge.adapters.usage_records_file import FileUsageRecords
from embedge.bootstrap.operating import Operation
from embedge.cli.route_applying import carry_out, plan_routes
from embedge.cli.route_files import routes_in
from embedge.core.route_plan import OTHER_HOST
from embedge.errors import EmbedgeError
from embedge.reconcile import Sources
from embedge.settings import DEFAULT_LIMITS
from tests.core.samples import document, target
from tests.fakes import FakeCache, FakeClock, FakeControlTable, FakeLeaseItems, FakeLedgerTable, FakeProbing
from tests.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedge.core.route_plan import Plan
    from tests.cli.laptop import Laptop

OTHER_SPACE = {"model": "vendor/large-v1", "revision": "1", "dimensions": 8}
LARGE = document(alias="large", space=OTHER_SPACE, shared=True)
YAML = """\
x-openai: &openai
  provider: openai
  transport: https
  price_usd_per_million_tokens: 0.02
routes:
  - alias: small
    space: {model: vendor/small-v1, revision: 2024-01-25, dimensions: 8}
    max_input_tokens: 8192
    targets:
      - <<: *openai
        id: one
        endpoint: https://provider.test/v1
  - alias: large
    space: {model: vendor/large-v1, revision: "1", dimensions: 8}
    max_input_tokens: 8192
    targets:
      - {<<: *openai, id: one, endpoint: https://provider.test/v1}
"""


def test_routes_are_applied_and_replace_those_of_their_alias(laptop: Laptop) -> None:
    files = [laptop.file("a.json", document()), laptop.file("b.json", LARGE)]
    assert laptop.done("routes", "apply", *files) == "Applied the route small.\nApplied the route large.\n"
    assert laptop.routes() == {"small", "large"}
    assert laptop.done("routes", "apply", *files) == "Nothing to do: 2 unchanged.\n"
    assert laptop.done("routes", "apply", laptop.file("a.json", document(names=["s"]))) == "Applied the route small.\n"
    assert laptop.routes() == {"small", "large"}


def test_the_routes_that_are_delivered_can_be_applied(laptop: Laptop) -> None:
    files = sorted((Path(__file__).parents[2] / "infra" / "routes").glob("*.json"))
    laptop.done("routes", "apply", *files)
    assert laptop.routes() == {file.stem for file in files}


def test_a_file_may_hold_many_routes_that_share_what_they_have_in_common(laptop: Laptop) -> None:
    laptop.done("routes", "apply", laptop.file("routes.yaml", YAML))
    assert laptop.routes() == {"small", "large"}
    assert json.loads(laptop.kept()["small"])["space"]["revision"] == "2024-01-25"


BAD = [document(alias=""), "{", "", b"\xff\xfe", b'{"alias": "\xe9"}', "[]", document(targets=[]), "routes: 3", "a: 1"]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_route_keeps_all_from_being_written_and_its_file_is_named(
    laptop: Laptop, bad: str | bytes | Mapping[str, Any], place: int
) -> None:
    laptop.done("routes", "apply", laptop.file("kept.json", document(alias="kept")))
    files = [laptop.file("a.json", document(alias="a")), laptop.file("b.json", LARGE)]
    files.insert(place, laptop.file("bad.json", bad))
    assert f"{files[place]}:1: " in laptop.refused("routes", "apply", *files)
    assert laptop.routes() == {"kept"}


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        (7, "    space: {model: m, revision: 3, dimensions: 8}", "7: space.revision: "),
        (8, "    max_input_tokens: many", "8: max_input_tokens: "),
        (8, "    unheard_of: 1", "8: unheard_of: "),
        (8, "", "6: max_input_tokens: "),
        (12, "        endpoint: http://provider.test/v1", "12: targets.0.endpoint: "),
        (11, "        id: a b", "11: targets.0.id: "),
        (4, "  price_usd_per_million_tokens: cheap", "4: targets.0.price_usd_per_million_tokens: "),
        (13, "  - alias: small", "13: alias: "),
        (5, "more: 1\nroutes:", "5: more means nothing"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_and_field(laptop: Laptop, line: int, instead: str, says: str) -> None:
    lines: list[str] = [*YAML.splitlines()]
    lines[line - 1] = instead
    file = laptop.file("routes.yaml", "\n".join(lines))
    assert f"{file}:{says}" in laptop.run("routes", "apply", file).stderr
    assert laptop.routes() == set()


def test_everything_that_is_wrong_in_every_file_is_named_at_once(laptop: Laptop) -> None:
    files = [laptop.file("a.json", document(alias="", ttl_s=0)), laptop.file("b.json", document(shared=3))]
    said = laptop.run("routes", "plan", *files).stderr.splitlines()
    assert [line.removeprefix("Error: ").partition(": ")[0] for line in said] == [f"{files[0]}:1"] * 2 + [
        f"{files[1]}:1"
    ]


def test_two_routes_of_one_alias_are_not_both_applied(laptop: Laptop) -> None:
    files = [laptop.file("a.json", document()), laptop.file("b.json", document(shared=True))]
    said = laptop.refused("routes", "apply", *files)
    assert f"{files[1]}:1: alias: {files[0]}:1 has the alias small too" in said
    assert laptop.routes() == set()


def test_two_routes_of_one_name_are_not_both_applied(laptop: Laptop) -> None:
    laptop.done("routes", "apply", laptop.file("a.json", document(names=["s"])))
    for command in ("plan", "apply"):
        assert "the name s." in laptop.refused("routes", command, laptop.file("b.json", {**LARGE, "names": ["s"]}))
    assert laptop.routes() == {"small"}


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize("arguments", [(), ("missing.json",), (".",)])
def test_files_that_are_not_there_are_an_error_of_usage(
    laptop: Laptop, command: str, arguments: tuple[str, ...]
) -> None:
    result = laptop.run("routes", command, *arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


PLAN = f"""\
~ small
    ~ targets.one.endpoint: "https://provider.test/v1" → "https://other.test/v1"  ← {OTHER_HOST}
    + ttl_s: 60
= 1 unchanged
Plan: 0 to add, 1 to change, 0 to remove.
"""


def test_a_plan_says_what_would_change_and_changes_nothing(laptop: Laptop) -> None:
    laptop.done("routes", "apply", laptop.file("a.json", document()), laptop.file("b.json", LARGE))
    before = laptop.kept()
    changed = document(ttl_s=60, targets=[target(endpoint="https://other.test/v1")])
    assert laptop.done("routes", "plan", laptop.file("a.json", changed), laptop.file("b.json", LARGE)) == PLAN
    assert laptop.kept() == before


def test_the_exit_status_tells_of_changes_only_where_that_is_asked_for(laptop: Laptop) -> None:
    file = laptop.file("a.json", document())
    assert laptop.run("routes", "plan", file).exit_code == 0
    assert laptop.run("routes", "plan", "--detailed-exitcode", file).exit_code == 2
    laptop.done("routes", "apply", file)
    assert laptop.done("routes", "plan", "--detailed-exitcode", file).endswith("0 to add, 0 to change, 0 to remove.\n")


def test_what_no_file_names_is_removed_only_where_that_is_asked_for(laptop: Laptop) -> None:
    small, large = laptop.file("a.json", document()), laptop.file("b.json", LARGE)
    laptop.done("routes", "apply", small, large)
    laptop.done("routes", "apply", small)
    assert laptop.routes() == {"small", "large"}
    assert "- large" in laptop.done("routes", "plan", "--prune", small)
    assert laptop.done("routes", "apply", "--prune", small) == "Removed the route large.\n"
    assert laptop.routes() == {"small"}


def test_a_list_has_a_line_for_each_route_also_for_one_that_cannot_be_read(laptop: Laptop) -> None:
    two = [target(disabled="it drifted"), target(id="two", price_usd_per_million_tokens="1.5"), target(id="three")]
    laptop.run("routes", "apply", "--force", laptop.file("a.json", document(targets=two)), laptop.file("b.json", LARGE))
    laptop.keep("broken", "{")
    lines = [line.split() for line in laptop.done("routes", "list").splitlines()[1:]]
    assert lines[0] == ["broken", "cannot", "be", "read"]
    assert lines[1][:5] == ["large", "vendor/large-v1", "8", "one", "0.02"]
    assert lines[2][:8] == ["small", "vendor/small-v1", "8", "two,", "three,", "one", "(out)", "0.02"]


def test_what_is_shown_is_taken_back_unchanged(laptop: Laptop) -> None:
    odd = document(
        names=["1e5", "true", "2024-01-01", "no"],
        space={"model": "null", "revision": "010", "dimensions": 8, "prompt": "query: é\n\x85\U0001f600 # "},
        targets=[target(disabled="it: drifted"), target(id="2", price_usd_per_million_tokens="100")],
    )
    laptop.done("routes", "apply", laptop.file("a.json", odd))
    before = laptop.kept()
    shown = laptop.file("shown.yaml", laptop.done("routes", "show", "small"))
    assert laptop.done("routes", "apply", shown) == "Nothing to do: 1 unchanged.\n"
    laptop.done("routes", "delete", "--yes", "small")
    laptop.done("routes", "apply", shown)
    assert laptop.kept() == before


@pytest.mark.parametrize("command", ["show", "delete"])
def test_a_route_that_is_not_there_is_an_error_of_one_line(laptop: Laptop, command: str) -> None:
    assert "embedge routes list" in laptop.refused("routes", command, "small")


@pytest.mark.parametrize("command", ["show", "delete", "verify"])
def test_whoever_gives_a_name_that_callers_use_is_told_its_alias(laptop: Laptop, command: str) -> None:
    laptop.done("routes", "apply", laptop.file("a.json", document(names=["team/small"])))
    assert "Use its alias: small" in laptop.refused("routes", command, "team/small")


def test_what_cannot_be_read_is_not_shown_but_can_be_removed(laptop: Laptop) -> None:
    laptop.done("routes", "list")
    laptop.keep("small", "{}")
    assert "alias: " in laptop.run("routes", "show", "small").stderr
    assert laptop.done("routes", "delete", "small", "--yes") == "Removed the route small.\n"
    assert laptop.kept() == {}


def test_a_route_is_removed_only_by_who_means_it(laptop: Laptop) -> None:
    laptop.done("routes", "apply", laptop.file("a.json", document()))
    assert laptop.run("routes", "delete", "small").exit_code == 1
    assert laptop.routes() == {"small"}


# Two operators at once.


class LostFrom(FakeControlTable):
    """A table that is out of reach from the exchange of this route on."""

    def __init__(self, alias: str) -> None:
        super().__init__()
        self.alias = alias

    @override
    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        self.down = self.down or sk == self.alias
        return await super().replace(pk, sk, seen, document)


async def planned_on(control: FakeControlTable, folder: Path) -> tuple[Operation, Plan]:
    """Return a plan for three new routes: a, b and c."""

    async def close() -> None:
        await asyncio.sleep(0)

    keys, entries = FileSigningKeys(folder), FakeCache(FakeClock())
    looking = Identity(control, SystemClock(), DEFAULT_LIMITS).authenticator
    ledger = FakeLedgerTable(FakeClock())
    sources = Sources(FileUsageRecords(folder / "log"), ledger, ledger, ledger, FakeLeaseItems(ledger))
    operation = Operation(
        control,
        keys,
        FakeProbing(),
        entries,
        sources,
        SystemClock(),
        "i",
        "a",
        looking,
        FolderDeployment(folder),
        None,
        close,
    )
    routes = {name: document(alias=name, space={**OTHER_SPACE, "model": f"{name}-model"}) for name in "abc"}
    files = {name: json.dumps(written).encode() for name, written in routes.items()}
    return operation, await plan_routes(operation, routes_in(files))


async def test_what_somebody_wrote_since_the_plan_is_not_overwritten_and_what_was_written_is_named(
    tmp_path: Path,
) -> None:
    control = FakeControlTable()
    operation, planned = await planned_on(control, tmp_path)
    control.documents["ROUTES", "b"] = "somebody else's"
    with pytest.raises(EmbedgeError, match=r"b was changed meanwhile: run `embedge routes plan` again.*written: a\.$"):
        await carry_out(operation, planned)
    assert control.documents.keys() == {("ROUTES", "a"), ("ROUTES", "b")}
    assert control.documents["ROUTES", "b"] == "somebody else's"


async def test_what_was_written_before_the_table_was_lost_is_named(tmp_path: Path) -> None:
    control = LostFrom("b")
    operation, planned = await planned_on(control, tmp_path)
    with pytest.raises(EmbedgeError, match=r"^The table is down. Already written: a\.$"):
        await carry_out(operation, planned)
    assert control.documents.keys() == {("ROUTES", "a")}
