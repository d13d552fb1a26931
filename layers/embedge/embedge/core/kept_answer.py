"""How is an answer kept that is too large to be sent back? Under a name that nobody guesses, for two minutes' link."""

import hashlib

LINK_VALID_S = 120
# The most that is kept. 2048 vectors of 3072 numbers, OpenAI's largest, are at most 107 MB as text.
LARGEST_KEPT_BYTES = 128_000_000


def answer_name(tenant: str, random: bytes) -> str:
    """Return the name of one answer. It tells whose it is only to those who know the tenant; `random` is 16 bytes."""
    return f"answers/{hashlib.sha256(tenant.encode()).hexdigest()[:32]}/{random.hex()}"
