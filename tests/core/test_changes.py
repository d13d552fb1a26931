"""Does who looks at the one document of changes hear of each, however long it has been away?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.changes import NO_CHANGES, Changes, read_changes


def _after(changes: Changes, *partitions: str) -> Changes:
    for partition in partitions:
        read = read_changes(changes.and_of(partition))
        assert read is not None
        changes = read
    return changes


@given(st.lists(st.text(min_size=1, max_size=300), max_size=80), st.integers(0, 80))
def test_every_change_since_is_named_or_anything_may_have_changed(partitions: list[str], looked_after: int) -> None:
    looked_after = min(looked_after, len(partitions))
    changes = _after(NO_CHANGES, *partitions)
    missed = changes.since(looked_after)
    assert changes.count == len(partitions)
    assert missed is None or list(missed) == partitions[looked_after:]


def test_who_has_missed_nothing_reads_nothing() -> None:
    assert list(_after(NO_CHANGES, "KEYS").since(1) or ()) == []


def test_a_dozen_changes_can_be_missed_and_the_document_stays_one_read_unit() -> None:
    changes = _after(NO_CHANGES, *(f"REVOKED#embedge#{number:032}" for number in range(1000)))
    assert len(changes.and_of("KEYS").encode()) < 4_000
    assert list(changes.since(988) or ()) == [f"REVOKED#embedge#{number:032}" for number in range(988, 1000)]
    assert changes.since(0) is None


def test_a_table_that_was_put_back_to_an_earlier_state_may_have_changed_anywhere() -> None:
    assert _after(NO_CHANGES, "KEYS").since(2) is None


@pytest.mark.parametrize("damaged", ["", "{", "[]", "1", '{"count": "1", "recent": []}', '{"count": 1}', "[" * 9000])
def test_what_cannot_be_read_is_not_no_change(damaged: str) -> None:
    assert read_changes(damaged) is None
