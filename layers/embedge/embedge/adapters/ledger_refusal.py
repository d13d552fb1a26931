"""What does a tenant read whose money or tokens do not suffice? Which limit it was, and when trying again can help."""

from datetime import UTC, datetime, timedelta

from embedge.core.balance import Claim, Denied, Moment
from embedge.core.gcra import Rate
from embedge.core.request import Principal
from embedge.errors import BudgetSpent, EmbedgeError, TokenRateLimited


def refusal(denied: Denied, principal: Principal, claim: Claim, moment: Moment) -> EmbedgeError:
    """Return the error for a claim that was denied."""
    if denied.what == "tokens":
        limit = principal.limits.tokens_per_minute
        if not Rate("tokens", limit).fits(claim.tokens):
            return TokenRateLimited(
                f"Rate limit reached: this request may need {claim.tokens} tokens, and {limit} per minute are allowed. "
                "Please send fewer inputs in one request."
            )
        return TokenRateLimited(
            f"Rate limit reached: {limit} tokens per minute. Please try again in {-(-denied.wait_us // 1000)} ms.",
            retry_after_s=denied.wait_us / 1_000_000,
        )
    resets = f"It resets at {_reset(denied, moment)}." if denied.what != "total" else "It does not reset by itself."
    name = {"day": "daily", "month": "monthly", "total": "total"}[denied.what]
    return BudgetSpent(
        f"You exceeded your current quota: what is left of the {name} budget does not cover this request. {resets} "
        "Texts that were embedded before are still served."
    )


def _reset(denied: Denied, moment: Moment) -> str:
    today = datetime.fromtimestamp(moment.now_us / 1_000_000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    following = today.replace(day=28) + timedelta(days=4) if denied.what == "month" else today + timedelta(days=1)
    return (following.replace(day=1) if denied.what == "month" else following).strftime("%Y-%m-%dT%H:%M:%SZ")
