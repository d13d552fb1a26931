"""Are keys that are told in one piece those that a client would be told one by one?"""

import base64
from collections.abc import Mapping, Sequence

import orjson
from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.dynamodb_keys import BinaryKeys

KEYS = st.lists(st.binary(max_size=40), max_size=5) | st.integers(0, 40).flatmap(
    lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=5)
)


def one_by_one(attribute: str, keys: Sequence[bytes]) -> list[Mapping[str, Mapping[str, bytes]]]:
    return [{attribute: {"B": key}} for key in keys]


@given(st.sampled_from(["k", "other"]), KEYS)
def test_who_goes_through_them_is_given_each(attribute: str, keys: list[bytes]) -> None:
    told, expected = BinaryKeys(attribute, keys), one_by_one(attribute, keys)
    assert (list(told), len(told)) == (expected, len(keys))
    assert [list(told[:start]) for start in range(4)] == [expected[:start] for start in range(4)]


@given(st.sampled_from(["k", "other"]), KEYS)
def test_as_json_they_are_what_a_client_writes(attribute: str, keys: list[bytes]) -> None:
    written = [{attribute: {"B": base64.b64encode(key).decode()}} for key in keys]
    assert BinaryKeys(attribute, keys).as_json() == orjson.dumps(written)
