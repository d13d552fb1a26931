"""Where does a long reply lie? In room that its connection has from the one before, which is near the processor yet.

Joining the pieces of a reply takes as much memory once more, new each time. This takes none, and copies nothing.
"""

# Of a reply longer than this the room is not kept: a hundred entries of 3,072 numbers take 1.7 MB.
_MOST_KEPT_BYTES = 2 * 1024 * 1024


class ReplyRoom:
    """Room for one reply after the other. Where somebody still looks at the last one, the next has room of its own."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept = bytearray()

    def of(self, size_bytes: int) -> memoryview:
        """Return room of that size, with whatever lies there."""
        if size_bytes > _MOST_KEPT_BYTES:
            return memoryview(bytearray(size_bytes))
        if size_bytes > len(self._kept) or self._is_looked_at():
            self._kept = bytearray(size_bytes)
        return memoryview(self._kept)[:size_bytes]

    def _is_looked_at(self) -> bool:
        """Tell whether there are views of it: as long as there are, a bytearray refuses to grow."""
        try:
            self._kept.append(0)
        except BufferError:
            return True
        self._kept.pop()
        return False
