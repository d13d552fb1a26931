"""Does `cache simulate` say what each policy would have cost, and what is wrong with a line?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from embedge.cli.program import main

if TYPE_CHECKING:
    from pathlib import Path


def simulate(folder: Path, *lines: object, options: tuple[str, ...] = ()) -> Result:
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return CliRunner().invoke(main, ["cache", "simulate", str(corpus), *options])


def rows(result: Result) -> dict[str, list[str]]:
    assert result.exit_code == 0, result.output
    return {cells[0]: cells[1:] for cells in (line.split() for line in result.stdout.splitlines()[2:])}


def test_each_policy_is_played_through_to_its_net_cost(tmp_path: Path) -> None:
    lines = [{"text": "a" * 4000, "ts": at} for at in range(3)] + [{"hash": "b", "tokens": 1000, "ts": 3}]
    came = rows(simulate(tmp_path, *lines, options=("--price", "1", "--dimensions", "128")))
    assert came["never"] == ["0", "0", "0", "0.004000", "0.000000", "0.004000"]
    assert came["always"][:4] == ["4", "2", "2", "0.002000"]
    assert came["second_sight"][:4] == ["4", "1", "1", "0.003000"]
    assert came.keys() == {"always", "economic", "second_sight", "never"}


def test_lines_are_replayed_in_the_order_of_their_times_and_entries_expire(tmp_path: Path) -> None:
    lines = [{"text": "a", "ts": at} for at in (7200, 0, 3599)]
    assert rows(simulate(tmp_path, *lines, options=("--ttl", "1h")))["always"][1] == "1"


def test_tenants_share_nothing(tmp_path: Path) -> None:
    lines = [{"text": "a", "tenant": tenant} for tenant in ("acme", "umbrella", "acme")]
    assert rows(simulate(tmp_path, *lines))["always"][1] == "1"


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"tokens": 3}', '{"hash": "x"}', '{"text": 5}', '{"text": "a", "tokens": 0}']
)
def test_a_line_that_says_too_little_is_named(tmp_path: Path, line: str) -> None:
    result = simulate(tmp_path, {"text": "a"}, line)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "line 2: " in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", [("--ttl", "3x"), ("--ttl", "0s"), ("--price", "-1"), ("--price", "NaN")])
def test_an_option_that_makes_no_sense_is_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    assert simulate(tmp_path, {"text": "a"}, options=option).exit_code == 2


def test_an_empty_corpus_costs_nothing(tmp_path: Path) -> None:
    assert rows(simulate(tmp_path))["always"] == ["0", "0", "0", "0.000000", "0.000000", "0.000000"]
