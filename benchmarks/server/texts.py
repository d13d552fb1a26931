"""Which texts are asked for? A hundred that were asked for before, which are hits, and others that nobody has."""

from itertools import count

from benchmarks.server.load import Input

KNOWN = 100
_new = count()


def known(number: int) -> Input:
    """Return one that is a hit, another for each number."""
    return f"a passage that was asked for before, number {number % KNOWN}"


def unknown(_: int) -> Input:
    """Return one that is a miss."""
    return f"a passage that nobody has asked for, number {next(_new)}"


def all_known(_: int) -> Input:
    """Return all hundred hits."""
    return [f"a passage that was asked for before, number {number}" for number in range(KNOWN)]


def hundred_unknown(number: int) -> Input:
    """Return a hundred misses."""
    return [str(unknown(number)) for _ in range(100)]


def most_unknown(number: int) -> Input:
    """Return as many misses as one request may have."""
    return [str(unknown(number)) for _ in range(2048)]
