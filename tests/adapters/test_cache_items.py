"""Is an entry's item as large as it is taken to be where its price is weighed?"""

from __future__ import annotations

import numpy as np

from embedge.adapters.cache_items import cache_items
from embedge.core.admission_economics import item_bytes
from embedge.core.provenance import OWNER_BYTES, Provenance
from embedge.core.vector_codec import encode, packed

_KEY = bytes(range(32))
_NOW_S = 1_800_000_000
_PLAIN = encode(_KEY, np.ones(1536, np.float32), 1, estimated=False)


def size_bytes(attribute: str, value: object) -> int:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html, read 2026-11."""
    match value:
        case {"B": bytes(held)}:
            return len(attribute) + len(held)
        case {"S": str(held)}:
            return len(attribute) + len(held.encode())
        case {"N": str(digits)}:
            return len(attribute) + -(-len(digits) // 2) + 1
        case _:
            raise AssertionError(f"{attribute} is of no kind that entries have")


def test_an_item_with_a_target_s_name_of_sixteen_letters_is_as_large_as_it_is_weighed() -> None:
    provenance = Provenance(bytes(OWNER_BYTES), {_KEY: "a" * 16})
    for entry in (_PLAIN, packed(_PLAIN)):
        item = cache_items({_KEY: entry}, _NOW_S, 86_400, provenance)[_KEY]
        sizes = (size_bytes(name, value) for name, value in item.items())
        assert sum(sizes) == item_bytes(len(entry.kept()))
