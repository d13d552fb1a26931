"""Does the ledger keep to its laws, whatever happens; and would the machine that says so find a bug?"""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.adapters.breaking import Bug
from tests.adapters.ledger_machine import LedgerMachine

EXAMPLES = 200

TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)


@pytest.mark.slow
class TestLedgerForLong(LedgerMachine.TestCase):
    settings = settings(max_examples=2 * EXAMPLES, stateful_step_count=60, deadline=None)


# What must find them: not an accident on the way.
_LAWS = {
    "whatever_is_billed_or_in_hands_is_charged",
    "no_more_is_charged_than_the_highest_limit_but_for_overruns",
    "what_is_leased_out_is_in_open_leases_and_each_was_closed_once",
}


@pytest.mark.slow
@pytest.mark.timeout(400)  # some bugs need a few hundred schedules
@pytest.mark.parametrize("bug", get_args(Bug))
def test_the_machine_finds_each_known_bug(bug: Bug) -> None:
    class Broken(LedgerMachine):
        pass

    Broken.bug = bug
    with pytest.raises(AssertionError) as violated:
        run_state_machine_as_test(
            Broken,
            settings=settings(
                max_examples=3000,
                stateful_step_count=60,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
    assert violated.traceback[-1].name in _LAWS
