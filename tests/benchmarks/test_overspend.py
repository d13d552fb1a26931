"""Do budgets and rates hold while processes are killed and frozen and replies are lost? The benchmark's short runs."""

from __future__ import annotations

import pytest

from benchmarks.overspend import QUICK, Run, carry_out


@pytest.mark.slow
@pytest.mark.parametrize("run", QUICK, ids=lambda run: run.title)
def test_nothing_is_as_it_must_not_be(run: Run) -> None:
    result = carry_out(run)
    assert result.problems() == []
    assert result.counts["paid"] > 0
    assert result.kills + result.freezes > 0
