"""How do two things happen at once, where the outcome of one decides over the other?"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

_First = TypeVar("_First")
_Second = TypeVar("_Second")


async def together(first: Coroutine[Any, Any, _First], second: Coroutine[Any, Any, _Second]) -> tuple[_First, _Second]:
    """Run both at once. Where the first raises, the second is cancelled and its outcome dropped.

    Mostly the first has nothing to wait for: then it is over before the second begins, which needs no task of its own.
    """
    begun = _Begun(first)
    try:
        begun.begin()
    except BaseException:
        second.close()
        raise
    if begun.is_over:
        return await begun, await second
    other = asyncio.create_task(second)
    try:
        return await begun, await other
    except BaseException:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        raise


class _Begun(Generic[_First]):
    """A coroutine that was run up to where it first waits, and goes on from there when it is awaited, once."""

    def __init__(self, coroutine: Coroutine[Any, Any, _First]) -> None:
        self._coroutine = coroutine
        self._result: Any = None
        self._waits_for: Any = None
        self.is_over = False

    def begin(self) -> None:
        """Run it up to there. Raises: what it raises by then."""
        try:
            self._waits_for = self._coroutine.send(None)
        except StopIteration as ended:
            self._result, self.is_over = ended.value, True

    def __await__(self) -> Generator[Any, Any, _First]:
        while not self.is_over:
            try:
                yield self._waits_for
            except BaseException as error:  # noqa: BLE001 (being cancelled, as a rule: it is the coroutine's to know)
                try:
                    self._waits_for = self._coroutine.throw(error)
                except StopIteration as ended:
                    self._result, self.is_over = ended.value, True
            else:
                return (yield from self._coroutine.__await__())
        return self._result
