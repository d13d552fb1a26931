"""How is money written for people and programs? As an exact decimal, which never was a float."""

_NANO = 1_000_000_000


def dollars(nano_usd: int) -> str:
    """Return a plain decimal without a trailing zero: 160 nano-dollars are 0.00000016."""
    whole, rest = divmod(abs(nano_usd), _NANO)
    return ("-" if nano_usd < 0 else "") + f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
