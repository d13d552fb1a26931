"""Is money that was taken never promised twice, and does every call count once, whatever became of it?"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from embedge.core.hold import HoldAccount, PaidAttempt

AMOUNTS = st.integers(0, 50)


class OneRequest(RuleBasedStateMachine):
    """Calls are started only when covered, as the law demands; what each may still cost is counted beside it."""

    under_way = Bundle[tuple[PaidAttempt, int, int]]("under_way")
    ended = Bundle[PaidAttempt]("ended")

    @initialize(taken=AMOUNTS)
    def begin(self, taken: int) -> None:
        self.account = HoldAccount(taken)
        self.taken_in_all = taken
        self.open: dict[int, tuple[int, int]] = {}  # bound and worst by attempt
        self.known = 0

    @rule(target=under_way, bound=AMOUNTS, unknown_costs=st.booleans())
    def send(self, bound: int, unknown_costs: bool) -> tuple[PaidAttempt, int, int]:  # noqa: FBT001 (drawn)
        free = self.account.taken - self.known - sum(open_bound for open_bound, _ in self.open.values())
        missing = self.account.missing_for(bound)
        assert missing == max(0, bound - free), "exactly what is not there is taken"
        self.account.taken += missing
        worst = bound if unknown_costs else 0
        attempt = self.account.start(bound, worst)
        self.open[id(attempt)] = (bound, worst)
        return attempt, bound, worst

    @rule(target=ended, sent=consumes(under_way), share=st.integers(0, 100))
    def is_billed_up_to_its_bound(self, sent: tuple[PaidAttempt, int, int], share: int) -> PaidAttempt:
        attempt, bound, _ = sent
        attempt.billed(bound * share // 100)
        return self._end(attempt, bound * share // 100)

    @rule(target=ended, sent=consumes(under_way))
    def is_not_billed(self, sent: tuple[PaidAttempt, int, int]) -> PaidAttempt:
        sent[0].unbilled()
        return self._end(sent[0], 0)

    @rule(target=ended, sent=consumes(under_way))
    def is_never_heard_of_again(self, sent: tuple[PaidAttempt, int, int]) -> PaidAttempt:
        attempt, _, worst = sent
        attempt.unknown()
        return self._end(attempt, worst)

    @rule(attempt=ended)
    def is_said_to_be_unknown_after_all(self, attempt: PaidAttempt) -> None:
        before = attempt.cost()
        attempt.unknown()
        assert attempt.cost() == before, "what was known stays known"

    def _end(self, attempt: PaidAttempt, cost: int) -> PaidAttempt:
        del self.open[id(attempt)]
        self.known += cost
        assert attempt.set_aside() == attempt.cost() == cost
        return attempt

    @invariant()
    def every_call_counts_once_and_one_under_way_as_its_worst(self) -> None:
        assert self.account.billed() == self.known + sum(worst for _, worst in self.open.values())

    @invariant()
    def what_was_taken_covers_all_calls_even_if_each_costs_its_bound(self) -> None:
        assert self.account.taken >= self.known + sum(bound for bound, _ in self.open.values())


OneRequest.TestCase.settings = settings(max_examples=40)
TestOneRequest = OneRequest.TestCase


def test_a_provider_that_bills_beyond_the_bound_leaves_less_for_the_next_call() -> None:
    account = HoldAccount(10)
    account.start(10, 10).billed(15)
    assert account.missing_for(4) == 9
    assert account.billed() == 15


def test_what_a_call_did_not_use_pays_for_the_next() -> None:
    account = HoldAccount(10)
    account.start(10, 10).billed(4)
    assert account.missing_for(6) == 0
    assert account.missing_for(7) == 1
