"""Can a route with targets of two spaces be written, or go on serving, without an operator who knows it?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.providers import Provider, provider
from tests.core.samples import document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.laptop import Laptop


class Pair:
    """Two servers, and the route that has both as targets."""

    def __init__(self, laptop: Laptop, first: Provider, second: Provider) -> None:
        self.laptop = laptop
        self.first = first
        self.second = second

    def file(self, **changes: Any) -> Path:
        targets = [self.first.target("first"), self.second.target("second")]
        return self.laptop.file("a.json", document(**{"targets": targets, **changes}))

    def kept(self) -> dict[str, Any]:
        return json.loads(self.laptop.kept()["small"])


@pytest.fixture
def pair(laptop: Laptop) -> Iterator[Pair]:
    with provider() as first, provider() as second:
        yield Pair(laptop, first, second)


def test_targets_of_one_space_are_written_with_when_that_was_seen_and_not_asked_again(pair: Pair) -> None:
    assert pair.laptop.done("routes", "apply", pair.file()) == "Applied the route small.\n"
    verified = pair.kept()["verified"]
    assert verified["forced"] is False
    assert verified["at"] in pair.laptop.done("routes", "list")
    asked = len(pair.second.sizes)
    pair.laptop.done("routes", "apply", pair.file(ttl_s=60))
    assert len(pair.second.sizes) == asked
    assert pair.kept()["verified"] == verified


@pytest.mark.parametrize("fault", ["seed", "dimensions", "length", "status"])
def test_targets_that_are_not_one_space_are_not_written_and_named(pair: Pair, fault: str) -> None:
    pair.laptop.done("routes", "apply", pair.laptop.file("b.json", document()))
    setattr(pair.second, fault, {"seed": 1, "dimensions": 7, "length": 2.0, "status": 500}[fault])
    result = pair.laptop.run("routes", "apply", pair.file())
    assert result.exit_code == 1
    assert "  second: " in result.stderr
    assert "  first: " not in result.stderr
    assert len(pair.kept()["targets"]) == 1


def test_who_forces_it_is_told_what_that_risks_and_it_is_noted_and_ends_with_a_comparison(pair: Pair) -> None:
    result = pair.laptop.run("routes", "apply", "--force", pair.file())
    assert result.exit_code == 0
    assert "embedge routes verify small" in result.stderr
    assert pair.second.sizes == []
    assert pair.kept()["verified"]["forced"] is True
    assert "forced" in pair.laptop.done("routes", "list")
    pair.laptop.done("routes", "verify")
    assert pair.kept()["verified"]["forced"] is False


def test_a_comparison_is_void_when_an_endpoint_changes(pair: Pair) -> None:
    pair.laptop.done("routes", "apply", pair.file())
    pair.second.seed = 1
    moved = pair.second.target("second") | {"endpoint": f"http://127.0.0.1:{pair.second.server_port}/v2"}
    assert pair.laptop.run("routes", "apply", pair.file(targets=[pair.first.target("first"), moved])).exit_code == 1


def test_verify_shows_every_target_and_fails_where_one_does(pair: Pair) -> None:
    pair.laptop.done("routes", "apply", pair.file())
    rows = [line.split() for line in pair.laptop.done("routes", "verify", "small").splitlines()]
    assert [(row[0], row[1], row[2], row[-1]) for row in rows[2:]] == [
        ("first", "8", "1.0000", "yes"),
        ("second", "8", "1.0000", "yes"),
    ]
    pair.second.seed = 1
    before = pair.laptop.kept()
    result = pair.laptop.run("routes", "verify")
    assert result.exit_code == 1
    assert "second: its vectors are not those of first" in result.stdout
    assert pair.laptop.kept() == before


def test_a_target_that_drifts_is_taken_out_and_comes_back_only_as_the_same_space(pair: Pair) -> None:
    file = pair.file()
    pair.laptop.done("routes", "apply", file)
    pair.second.seed = 1
    assert "second: its vectors" in pair.laptop.run("routes", "verify", "--take-out").stdout
    assert "its vectors are not those of first" in pair.kept()["targets"][1]["disabled"]
    assert "second (out)" in pair.laptop.done("routes", "list")
    assert "targets.second.disabled" in pair.laptop.done("routes", "plan", file)
    assert pair.laptop.run("routes", "apply", file).exit_code == 1
    pair.second.seed = 0
    pair.laptop.done("routes", "apply", file)
    assert "disabled" not in pair.kept()["targets"][1]


def test_a_target_that_cannot_be_reached_stays_and_so_does_the_last_one(pair: Pair) -> None:
    pair.laptop.done("routes", "apply", pair.file())
    before = pair.laptop.kept()
    pair.second.status = 503
    assert pair.laptop.run("routes", "verify", "--take-out").exit_code == 1
    pair.first.dimensions = 7
    assert pair.laptop.run("routes", "verify", "--take-out").exit_code == 1
    assert pair.laptop.kept() == before


def test_what_is_left_of_three_is_known_to_be_one_space(pair: Pair) -> None:
    with provider() as third:
        targets = [pair.first.target("first"), pair.second.target("second"), third.target("third")]
        pair.laptop.done("routes", "apply", pair.file(targets=targets))
        known = pair.kept()["verified"]["fingerprint"]
        pair.second.seed = 1
        pair.laptop.run("routes", "verify", "--take-out")
        assert pair.kept()["verified"]["fingerprint"] != known
        assert "no" not in pair.laptop.done("routes", "list").splitlines()[1].split()


def test_a_target_is_asked_within_its_limits_and_with_its_secret(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER", json.dumps({"key": "sk-1", "hosts": ["127.0.0.1"]}))
    second = pair.second.target("second", limits={"inputs": 3}, secret="env:PROVIDER")
    pair.laptop.done("routes", "apply", pair.file(targets=[pair.first.target("first"), second]))
    assert (pair.first.sizes, pair.second.sizes) == ([8, 1], [3, 3, 2, 1])
    assert set(pair.second.keys) == {"Bearer sk-1"}


@pytest.mark.parametrize("hosts", [None, ["elsewhere.test"]])
def test_a_target_whose_secret_is_not_for_its_host_is_not_asked(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, hosts: list[str] | None
) -> None:
    monkeypatch.delenv("PROVIDER", raising=False)
    if hosts:
        monkeypatch.setenv("PROVIDER", json.dumps({"key": "sk-1", "hosts": hosts}))
    second = pair.second.target("second", secret="env:PROVIDER")
    result = pair.laptop.run("routes", "apply", pair.file(targets=[pair.first.target("first"), second]))
    assert "  second: " in result.stderr
    assert "sk-1" not in result.stderr
    assert pair.second.sizes == []


def test_a_route_that_is_not_there_cannot_be_verified(pair: Pair) -> None:
    assert "embedge routes list" in pair.laptop.refused("routes", "verify", "nobody")
