"""How does an account look as JSON? Dollars are exact decimals in strings: no client makes floats of them unasked."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from embedge.core.dollars import dollars
from embedge.core.gcra import RateState
from embedge.core.usage import Counts
from embedge.core.usage_groups import Dimension, Group
from embedge.usage import Account, Question, Resetting


def usage_answer(tenant: str, question: Question, account: Account) -> dict[str, object]:
    """Return the answer of `GET /v1/usage`."""
    answer: dict[str, object] = {
        "object": "usage",
        "tenant": tenant,
        "start": question.first.isoformat(),
        "end": question.last.isoformat(),
        "total": counted(account.total),
        "days": _named(["day"], account.days),
        "models": _named(["model"], account.models),
        "bots": _named(["bot"], account.bots),
        "projects": _named(["project"], account.projects),
        "budgets": [_budget(one) for one in account.budgets],
        "rates": [_rate(one, account.now) for one in account.rates],
        "model_rates": [{"models": name, **_rate(one, account.now)} for name, one in account.model_rates],
    }
    return answer | ({"groups": _named(question.group_by, account.groups)} if question.group_by else {})


def counted(counts: Counts) -> dict[str, object]:
    """Return what rows come to: counts, tokens, and money."""
    return {
        "requests": counts.requests,
        "inputs": counts.inputs,
        "cache_hits": counts.hits,
        "cache_misses": counts.misses,
        "tokens_served": counts.served,
        "tokens_billed": counts.billed,
        "cost_usd": dollars(counts.cost),
        "saved_usd": dollars(counts.saved),
        "cache_cost_usd": dollars(counts.spent),
        "net_saved_usd": dollars(counts.net()),
    }


def _named(by: Sequence[Dimension], groups: Iterable[Group]) -> list[dict[str, object]]:
    return [{**dict(zip(by, group.names, strict=True)), **counted(group.counts)} for group in groups]


def _budget(one: Resetting) -> dict[str, object]:
    return {
        "period": one.budget.period,
        "limit_usd": dollars(one.budget.limit_nano_usd),
        "taken_usd": dollars(one.budget.taken_nano_usd),
        "left_usd": dollars(one.budget.left_nano_usd()),
        "resets_at": one.resets and _instant(one.resets),
    }


def _rate(rate: RateState, now: datetime) -> dict[str, object]:
    return {
        "kind": rate.kind,
        "limit_per_minute": rate.limit,
        "left": rate.remaining,
        "resets_at": _instant(now + timedelta(microseconds=rate.reset_us)),
    }


def _instant(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
