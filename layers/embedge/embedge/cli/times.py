"""How is a time shown to an operator?"""

from datetime import UTC, datetime


def utc(at_s: float) -> str:
    """Return seconds since the epoch as people read them, in UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
