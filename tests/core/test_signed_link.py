"""Does a link open what it was given for, until then, and nothing else?"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from hypothesis import assume, given
from hypothesis import strategies as st

from embedge.core.kept_answer import answer_name
from embedge.core.signed_link import Verdict, judge, signed

KEY = bytes(32)
RANDOM = bytes(range(16))
PATH = f"/{answer_name('acme', RANDOM)}"
UNTIL_S = 1_800_000_000


def verdict(link: str, now_s: float = UNTIL_S, key: bytes = KEY) -> Verdict:
    parts = urlsplit(link)
    return judge(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), key, now_s)


def test_a_link_is_good_until_its_second_and_expired_after_it() -> None:
    link = signed(PATH, UNTIL_S, KEY)
    assert [verdict(link, now_s) for now_s in (0, UNTIL_S, UNTIL_S + 0.001)] == ["good", "good", "expired"]


@given(st.integers(0, 10_000), st.text(max_size=3))
def test_a_link_that_differs_anywhere_is_forged(place: int, other: str) -> None:
    link = signed(PATH, UNTIL_S, KEY)
    place %= len(link)
    changed = link[:place] + other + link[place + 1 :]
    parts, right = urlsplit(changed), urlsplit(link)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    assume((parts.path, query) != (right.path, dict(parse_qsl(right.query))))
    assert judge(parts.path, query, KEY, UNTIL_S) == "forged"


@given(st.dictionaries(st.sampled_from(["X-Embedge-Until", "X-Embedge-Signature", "x"]), st.text()), st.text())
def test_any_query_that_was_never_given_is_forged(query: dict[str, str], path: str) -> None:
    assert judge(path, query, KEY, 0) == "forged"


def test_a_link_signed_with_another_key_is_forged() -> None:
    assert verdict(signed(PATH, UNTIL_S, b"another")) == "forged"


@given(st.text(min_size=1), st.binary(min_size=16, max_size=16))
def test_a_name_has_all_the_randomness_and_does_not_show_the_tenant(tenant: str, random: bytes) -> None:
    name = answer_name(tenant, random)
    prefix, owner, rest = name.split("/")
    assert (prefix, rest) == ("answers", random.hex())
    assert len(owner) == 32
    assert set(owner) <= set("0123456789abcdef")
    assert answer_name(tenant + "x", random) != name
