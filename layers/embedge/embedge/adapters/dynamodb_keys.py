"""How are a hundred binary keys told to DynamoDB? As one piece of JSON, where nobody asks for a document of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import pybase64
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping


class BinaryKeys(Sequence["Mapping[str, Mapping[str, bytes]]"]):
    """Keys that are one binary attribute each, as BatchGetItem is asked for them."""

    def __init__(self, attribute: str, keys: Sequence[bytes]) -> None:
        """Take the attribute's name, and the keys."""
        self._attribute = attribute
        self._keys = keys

    @override
    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Mapping[str, bytes]]: ...
    @overload
    def __getitem__(self, index: slice) -> BinaryKeys: ...
    @override
    def __getitem__(self, index: int | slice) -> Mapping[str, Mapping[str, bytes]] | BinaryKeys:
        if isinstance(index, slice):
            return BinaryKeys(self._attribute, self._keys[index])
        return {self._attribute: {"B": self._keys[index]}}

    def as_json(self) -> bytes:
        """Return all of them as they travel."""
        start, end = b'{"%b":{"B":"' % self._attribute.encode(), b'"}}'
        between = b"%b,%b" % (end, start)
        texts = between.join(map(pybase64.b64encode, self._keys))
        return b"[%b%b%b]" % (start, texts, end) if self._keys else b"[]"
