"""Is room used again only where nobody looks at what lies in it?"""

import pytest

from embedge.adapters.reply_room import ReplyRoom

LARGEST_KEPT = 2 * 1024 * 1024


@pytest.mark.parametrize("sizes", [(10, 10), (10, 3), (70_000, 10), (LARGEST_KEPT, LARGEST_KEPT)])
def test_it_is_used_again_once_nobody_looks(sizes: tuple[int, int]) -> None:
    room = ReplyRoom()
    first, second = sizes
    view = room.of(first)
    assert len(view) == first
    memory = view.obj
    view.release()
    again = room.of(second)
    assert len(again) == second
    assert again.obj is memory


@pytest.mark.parametrize("size", [1, 10, 70_000])
def test_it_is_not_while_somebody_looks_at_any_part(size: int) -> None:
    room = ReplyRoom()
    view = room.of(size)
    view[:] = b"a" * size
    part = view[size - 1 :]
    del view
    other = room.of(size)
    other[:] = b"b" * size
    assert bytes(part) == b"a"


def test_more_is_had_where_more_is_needed_and_what_is_very_large_is_not_kept() -> None:
    room = ReplyRoom()
    assert [len(room.of(size)) for size in (10, 20, 5)] == [10, 20, 5]
    kept = room.of(5).obj
    assert len(room.of(LARGEST_KEPT + 1)) == LARGEST_KEPT + 1
    assert room.of(5).obj is kept
