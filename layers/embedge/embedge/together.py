"""How do two things happen at once, where the outcome of one decides over the other?"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_First = TypeVar("_First")
_Second = TypeVar("_Second")


async def together(first: Coroutine[Any, Any, _First], second: Coroutine[Any, Any, _Second]) -> tuple[_First, _Second]:
    """Run both at once. Where the first raises, the second is cancelled and its outcome dropped."""
    other = asyncio.create_task(second)
    try:
        return await first, await other
    except BaseException:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        raise
