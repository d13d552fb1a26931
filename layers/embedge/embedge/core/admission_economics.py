"""Is an entry of the cache worth what it costs to write, to keep and to look for?

Pure arithmetic on expected values, in nano-dollars. What a hit saves is certain; whether there will be one is estimated
elsewhere (`repetition.py`) and given here as `Prospects`.
"""

from dataclasses import dataclass
from itertools import pairwise

_MILLION = 1_000_000
_GB = 1_000_000_000
_MONTH_S = 30 * 86_400
_WRITE_UNIT_BYTES = 1024
_READ_UNIT_BYTES = 4096
# The attributes of an item: `k` of 32 bytes, `e` and `w` of 10 digits (6 bytes each), `g` of 16 bytes, `t` of about as
# many, the name of `v`.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html, read 2026-11.
ITEM_OVERHEAD_BYTES = 82
_INDEXED_BYTES = 100  # what DynamoDB adds to each item for storage, same page
# At most this share of what the model costs is spent on entries that are written only to learn whether they are hit.
_EXPLORED_SHARE = 0.01
# Every so many-th key is looked up whatever is expected of it: entries may come from where this process cannot see.
_PROBED_ONE_IN = 64
# How much of an entry's price waiting may forgo. 1 is the usual answer to "rent or buy?"; 0.7 was better on real text
# (benchmarks/README.md), where what comes often comes more often still.
_FORGONE_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class StoreUse:
    """What was asked of the store: whole write units, half read units, and bytes times seconds that will be kept."""

    write_units: int = 0
    half_read_units: int = 0
    byte_s: int = 0


@dataclass(frozen=True, slots=True)
class StorePrices:
    """What a store asks, in nano-dollars for a million units, and for a GB and month."""

    million_writes_nano_usd: int
    million_reads_nano_usd: int
    gb_month_nano_usd: int

    def cost_nano_usd(self, use: StoreUse) -> int:
        """Return what a use costs, rounded up once."""
        units = 2 * use.write_units * self.million_writes_nano_usd + use.half_read_units * self.million_reads_nano_usd
        kept = -(-use.byte_s * self.gb_month_nano_usd // (_GB * _MONTH_S))
        return -(-units // (2 * _MILLION)) + kept


# https://aws.amazon.com/dynamodb/pricing/on-demand/ (us-east-1, standard table class), read 2026-11.
DYNAMODB_ON_DEMAND = StorePrices(625_000_000, 125_000_000, 250_000_000)
# A file on this machine.
NO_CHARGE = StorePrices(0, 0, 0)


def item_bytes(value_bytes: int) -> int:
    """Return the size of the item that holds a value of this size."""
    return ITEM_OVERHEAD_BYTES + value_bytes


def write_units(size_bytes: int) -> int:
    """Return what writing an item takes."""
    return -(-size_bytes // _WRITE_UNIT_BYTES)


def half_read_units(size_bytes: int) -> int:
    """Return what an eventually consistent read of an item takes; one that is not there takes as much as the least."""
    return max(1, -(-size_bytes // _READ_UNIT_BYTES))


def writing(size_bytes: int, ttl_s: int) -> StoreUse:
    """Return what it takes to write an item and to keep it until it expires."""
    return StoreUse(write_units=write_units(size_bytes), byte_s=(size_bytes + _INDEXED_BYTES) * ttl_s)


@dataclass(frozen=True, slots=True)
class Stakes:
    """What is at stake with one input: what a hit saves, what an entry costs, what a lookup in vain costs."""

    hit_nano_usd: float
    entry_nano_usd: float
    lookup_nano_usd: float


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is expected of an input's key.

    `sightings[n]` is how many sightings, relative to each other, were of keys that had come n times before within their
    time to live; the last counts all that had come more often, too. `elsewhere`: how likely a key that is new here was
    seen by other processes, or before this one started. `found`: how likely the cache has one that this process has not
    written.
    """

    sightings: tuple[float, ...]
    elsewhere: float
    found: float


def stakes(value_nano_usd: float, size_bytes: int, ttl_s: int, prices: StorePrices) -> Stakes:
    """Return what is at stake where a hit spares `value_nano_usd`, and the item has this size."""
    miss = prices.cost_nano_usd(StoreUse(half_read_units=2)) / 2
    hit = prices.cost_nano_usd(StoreUse(half_read_units=2 * half_read_units(size_bytes))) / 2
    return Stakes(value_nano_usd - hit, prices.cost_nano_usd(writing(size_bytes, ttl_s)), miss)


def worth_writing_after(at_stake: Stakes, expected: Prospects) -> tuple[bool, ...]:
    """Tell for a key without an entry, by how often it has come (once: the first), whether to write one now.

    Writing now gains all hits to come; waiting for the next sighting saves the entry where there is none. Which is
    worth more follows backwards from the last. Where other processes see the same keys, a sighting here stands for more
    hits than are seen here, and waiting forgoes those elsewhere. What is expected is too little while all keys are new;
    so a key whose hits, had it been written at first, would have paid for most of an entry by now, gets one in
    any case.
    """
    if at_stake.entry_nano_usd <= 0:
        return (True,) * (len(expected.sightings) - 1)
    here = 1 - expected.elsewhere
    to_come, later, worth = 0.0, 0.0, list[bool]()
    for now, after in pairwise(reversed(expected.sightings)):
        to_come += now
        hits = to_come / after
        gain = max(hits, (1 + hits) / here - 1) * at_stake.hit_nano_usd - at_stake.entry_nano_usd
        waiting = min(1.0, now / after) * later * here
        worth.append(gain > max(0.0, waiting))
        later = max(0.0, gain, waiting)
    forgone = (count * at_stake.hit_nano_usd for count in range(len(worth)))
    return tuple(
        w or f >= _FORGONE_SHARE * at_stake.entry_nano_usd for w, f in zip(reversed(worth), forgone, strict=True)
    )


def worth_looking(at_stake: Stakes, expected: Prospects) -> bool:
    """Tell whether to look for an entry that this process has not written."""
    return expected.found * at_stake.hit_nano_usd >= (1 - expected.found) * at_stake.lookup_nano_usd


def is_explored(key: bytes, at_stake: Stakes) -> bool:
    """Tell whether this key is one of the few that are always written and looked up, so that hits can be learned of.

    The key decides, so that all processes explore the same ones: a hit on one of them shows what others have seen.
    """
    drawn = int.from_bytes(key[-4:], "little")
    return drawn * at_stake.entry_nano_usd < (_EXPLORED_SHARE * at_stake.hit_nano_usd) * 2**32


def is_probed(key: bytes) -> bool:
    """Tell whether this key is one of the few that are always looked up."""
    return key[-5] % _PROBED_ONE_IN == 0
