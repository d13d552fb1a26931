"""What does a tenant read whose money or tokens do not suffice? Which limit it was, and when trying again can help."""

from datetime import UTC, datetime, timedelta

from embedge.core.balance import Claim, Denied, Limited, Moment
from embedge.errors import BudgetSpent, EmbedgeError, TokenRateLimited


def refusal(refused: Denied | Limited, claim: Claim, moment: Moment) -> EmbedgeError:
    """Return the error for a claim that was refused."""
    return _limited(refused, claim) if isinstance(refused, Limited) else _denied(refused, moment)


def _limited(limited: Limited, claim: Claim) -> TokenRateLimited:
    rate = limited.rate
    retry_after_s = None
    if limited.wait_us is not None:
        retry_after_s = limited.wait_us / 1_000_000
        message = f"{rate.limit} tokens per minute. Please try again in {-(-limited.wait_us // 1000)} ms."
    else:
        message = (
            f"this request may need {claim.tokens} tokens, and {rate.limit} per minute are allowed. "
            "Please send fewer inputs in one request."
        )
    return TokenRateLimited(
        f"Rate limit reached: {message}",
        limit=rate.limit,
        remaining=rate.remaining,
        reset_us=rate.reset_us,
        retry_after_s=retry_after_s,
    )


def _denied(denied: Denied, moment: Moment) -> BudgetSpent:
    resets = "It does not reset by itself: ask whoever operates this deployment."
    if denied.period != "total":
        resets = f"It resets at {_reset(denied, moment)}."
    name = {"day": "daily", "month": "monthly", "total": "total"}[denied.period]
    return BudgetSpent(
        f"You exceeded your current quota: what is left of the {name} budget does not cover this request. {resets} "
        "Texts that are in the cache are still served."
    )


def _reset(denied: Denied, moment: Moment) -> str:
    today = datetime.fromtimestamp(moment.now_us / 1_000_000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monthly = denied.period == "month"
    following = today.replace(day=28) + timedelta(days=4) if monthly else today + timedelta(days=1)
    return (following.replace(day=1) if monthly else following).strftime("%Y-%m-%dT%H:%M:%SZ")
