"""Who may ask although the address has asked too often, and what are the others told?"""

from embedge.errors import AddressRateLimited, EmbedgeError
from embedge.ports import Authenticator


async def is_exempt(credential: str | None, authenticator: Authenticator) -> bool:
    """Tell whether a token is one that no rate binds."""
    try:
        return (await authenticator.verify(credential)).exempt
    except EmbedgeError:
        return False


def too_often(per_second: int, wait_us: int) -> AddressRateLimited:
    """Return what is wrong."""
    return AddressRateLimited(
        f"Rate limit reached: {per_second} requests a second from one address. "
        f"Please try again in {-(-wait_us // 1000)} ms, or send more inputs in each request.",
        retry_after_s=wait_us / 1_000_000,
    )
