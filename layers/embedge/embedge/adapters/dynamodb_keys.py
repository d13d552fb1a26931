"""How are a hundred binary keys told to DynamoDB? As one piece of JSON, where nobody asks for a document of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import pybase64
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_ONE_SHORT = 2  # of three bytes, which are four characters


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
        if not self._keys:
            return b"[]"
        start, end = b'{"%b":{"B":"' % self._attribute.encode(), b'"}}'
        texts, rest = _in_base64(self._keys)
        between = b"%b%b,%b" % (rest, end, start)
        return b"[%b%b%b%b]" % (start, between.join(texts), rest, end)


def _in_base64(keys: Sequence[bytes]) -> tuple[Iterable[bytes], bytes]:
    """Return each key in base64, and what all of them end with. Where all have a size that takes one "=", sooner.

    With a zero behind it such a key takes as many characters, of which only the last is another: so they are written
    at once, and cut apart.
    """
    size = len(keys[0])
    if size % 3 != _ONE_SHORT or set(map(len, keys)) != {size}:
        return map(pybase64.b64encode, keys), b""
    texts = pybase64.b64encode(b"\0".join(keys) + b"\0")
    chars = len(texts) // len(keys)
    return [texts[at : at + chars - 1] for at in range(0, len(texts), chars)], b"="
