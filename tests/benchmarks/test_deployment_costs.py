"""Does the deployment guide say what the arithmetic says, and does the arithmetic grow with what is asked?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.deployment_costs import MONTHS, Load, monthly_usd, table
from tests.e2e.tools import ROOT


def test_the_guide_has_the_figures_that_the_script_prints() -> None:
    guide = (ROOT / "docs/deploy.md").read_text()
    assert Load().sentence() in guide
    assert table(Load()) in guide


def test_without_requests_nothing_is_paid_and_a_hundred_times_as_many_cost_a_hundred_times_as_much() -> None:
    none, million, many = (monthly_usd(Load(), requests) for requests in MONTHS)
    assert sum(none.values()) == 0
    for service in ("API Gateway", "Lambda", "DynamoDB", "data out"):
        assert many[service] == pytest.approx(100 * million[service])


def test_hits_cost_less_than_misses() -> None:
    hits, misses = (sum(monthly_usd(replace(Load(), hits=share), 1_000_000).values()) for share in (1, 0))
    assert hits < misses
