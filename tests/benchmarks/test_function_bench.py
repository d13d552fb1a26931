"""Do the stubs behave, and does each function that is compared do what its case says?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.function.artifact import build
from benchmarks.function.asked import CASES, FIRST
from benchmarks.function.bench import Bench
from benchmarks.function.environment import Environment, Took
from benchmarks.function.results import Result, write
from benchmarks.function.sides import Side, both
from benchmarks.function.stub_dynamodb import StubDynamoDb
from embedge.adapters.update_expression import render
from embedge.core.conditional_update import Attribute, ConditionalUpdate, Item, evaluate
from tests.adapters.updates import UPDATES
from tests.e2e.tools import need

if TYPE_CHECKING:
    from pathlib import Path

_ITEMS = st.none() | st.dictionaries(st.sampled_from(["da", "t", "x", "date", "day"]), st.integers(-3, 3))
_KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


@given(UPDATES, _ITEMS)
def test_the_stub_of_dynamodb_updates_as_every_store_must(update: ConditionalUpdate, item: Item | None) -> None:
    if any(isinstance(step.left, Attribute) and step.left.name not in (item or {}) for step in update.assignments):
        return  # DynamoDB refuses it, and nobody asks for it
    stub, words = StubDynamoDb(), render(update)
    if item is not None:
        stub.put("t", {**_KEY, **{name: {"N": str(value)} for name, value in item.items()}})
    asked = {
        "TableName": "t",
        "Key": _KEY,
        "UpdateExpression": words.update,
        "ExpressionAttributeNames": words.names,
        "ExpressionAttributeValues": {name: {"N": str(value)} for name, value in words.values.items()},
        **({"ConditionExpression": words.condition} if words.condition else {}),
    }
    status, answer = stub.answer("UpdateItem", json.dumps(asked).encode())
    expected = evaluate(update, item)
    assert status == (400 if expected is None else 200)
    shown = json.loads(answer).get("Item" if expected is None else "Attributes", {})
    numbers = {name: int(value["N"]) for name, value in shown.items() if "N" in value}
    assert numbers == ((item or {}) if expected is None else expected)


def test_the_results_are_medians_and_the_ratio_is_that_of_the_rounds(tmp_path: Path) -> None:
    ours, naive = [Took(1, 2), Took(2, 3), Took(9, 9)], [Took(6, 7), Took(8, 6), Took(7, 8)]
    write([Result("one hit", ours, naive)], tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text()) == [
        {
            "case": "one hit",
            "ours_cpu_ms": 2,
            "naive_cpu_ms": 7,
            "ratio": 4,
            "ours_wall_ms": 3,
            "naive_wall_ms": 7,
        }
    ]
    assert Result("one hit", ours, naive).line().endswith("reached")
    assert Result("one hit", naive, ours).line().endswith("missed")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("built")
def test_both_functions_answer_every_case_as_it_says_under_lambdas_own_runtime_client() -> None:
    need("function benchmark", "python3.13", "sam", "runtime")
    with both(build()) as (ours, naive, cloud, logs):
        bench = Bench(ours, naive, cloud, logs)
        warm = bench.cases([replace(case, rounds=1) for case in CASES])
        lives = bench.lives(1)
    assert [result.case for result in (*warm, *lives)] == [
        *(case.name for case in CASES),
        "init",
        FIRST.name,
        "after a freeze",
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("built")
def test_our_function_has_lambdas_runtime_client_wait_in_the_main_thread_and_the_naive_one_does_not(
    tmp_path: Path,
) -> None:
    need("function benchmark", "python3.13", "sam", "runtime")
    with both(build()) as (ours, naive, _, _):
        for side, in_main_thread in ((ours, True), (naive, False)):
            environment = Environment(side.program, tmp_path / "log")
            try:
                seen = [_threads_after(environment, side) for _ in range(3)]
            finally:
                environment.close()
            assert (seen[0] == seen[1] == seen[2]) is in_main_thread


def _threads_after(environment: Environment, side: Side) -> frozenset[int]:
    environment.invoke(side.events["unknown"](b"{}"))
    return environment.threads()
