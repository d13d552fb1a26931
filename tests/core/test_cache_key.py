"""Do two inputs share a vector exactly where scope, space, kind and bytes are the same?"""

from __future__ import annotations

import hashlib
import hmac
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedge
from embedge.core.cache_key import Keyring, space_id
from embedge.core.generations import Generations
from embedge.core.request import Input, Tokens
from embedge.core.route import Space
from embedge.core.wanted import want
from tests.core.samples import request, route

if TYPE_CHECKING:
    from collections.abc import Mapping

SPACE = Space("model", "revision", 8, normalised=True)
# Few and awkward, so that equal ones meet, and so that one part's end could pass for the next one's beginning.
AWKWARD = st.text(alphabet="a'\",\0", max_size=2)
TENANTS = st.none() | AWKWARD | st.sampled_from(["shared", "tenant", "None"])
SPACES = st.builds(Space, AWKWARD, AWKWARD, st.sampled_from([1, 11]), normalised=st.booleans(), prompt=AWKWARD)
CHARACTERS = st.sampled_from(["a", "b", "\0", "é", "e\u0301", "toks", "text"])
INPUTS: st.SearchStrategy[Input] = st.lists(CHARACTERS, max_size=3).map("".join) | st.lists(
    st.sampled_from([0, 0x61616161, int.from_bytes(b"toks", "little")]), max_size=2
).map(lambda ids: Tokens(tuple(ids)))
PARTS = st.tuples(TENANTS, SPACES, INPUTS)


def key(tenant: str | None, space: Space, content: Input) -> bytes:
    return Keyring(tenant, space).key(content)


@settings(max_examples=200)
@given(PARTS, PARTS, st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_two_keys_are_equal_exactly_where_scope_space_kind_and_bytes_are(
    one: tuple[str | None, Space, Input],
    drawn: tuple[str | None, Space, Input],
    same: tuple[bool, bool, bool],
) -> None:
    same_tenant, same_space, same_input = same
    other = (
        one[0] if same_tenant else drawn[0],
        one[1] if same_space else drawn[1],
        one[2] if same_input else drawn[2],
    )
    assert (key(*one) == key(*other)) == (one == other)


@given(TENANTS, SPACES, st.lists(INPUTS, max_size=5))
def test_a_keyring_makes_the_same_key_whatever_it_has_made_before(
    tenant: str | None, space: Space, contents: list[Input]
) -> None:
    keyring = Keyring(tenant, space)
    assert [keyring.key(content) for content in contents] == [key(tenant, space, content) for content in contents]


@given(st.lists(st.integers(0, 2**32 - 1), max_size=6))
def test_tokens_never_pass_for_a_text_of_the_same_bytes(ids: list[int]) -> None:
    tokens = Tokens(tuple(ids))
    try:
        text = tokens.identity().decode()
    except UnicodeDecodeError:
        text = "a" * 4 * len(ids)
    assert len(text.encode()) == len(tokens.identity())
    assert key("acme", SPACE, tokens) != key("acme", SPACE, text)


def test_a_text_is_its_exact_bytes_neither_trimmed_nor_normalised() -> None:
    texts = ["é", "e\u0301", "É", " é", "é ", "é\n", "\ufeffé"]
    assert len({key("acme", SPACE, text) for text in texts}) == len(texts)


def test_no_tenant_is_named_so_that_it_reads_what_all_share() -> None:
    assert len({key(tenant, SPACE, "a") for tenant in (None, "", "shared", "tenant", "None")}) == 5


# Computed from the law by hand, not by this code.
KEY_OF_TEXT = "be3697068666f3c13d98add1adb45ec8c163b6906de7f8c4a948654fa67813e7"
KEY_OF_TOKENS = "aadc52bedda05626399c1a7c706c1390418917f727d1faeec0ffff4f17a72695"

CHANGED: Mapping[str, Any] = {
    "model": "modeL",
    "revision": "revision2",
    "dimensions": 9,
    "normalised": False,
    "prompt": "query: ",
    "storage": "f16",
    "input_type": "query",
}


def test_every_field_of_a_space_changes_its_id() -> None:
    assert CHANGED.keys() == {field.name for field in fields(Space)}
    spaces = [SPACE, *(replace(SPACE, **{name: value}) for name, value in CHANGED.items())]
    assert len({space_id(space) for space in spaces}) == len(spaces)
    assert len({key(None, space, "a") for space in spaces}) == len(spaces)


def test_a_space_whose_vectors_are_packed_without_loss_is_the_same_space() -> None:
    assert space_id(replace(SPACE, storage="f32z")) == space_id(SPACE)


@pytest.mark.parametrize(
    "fields_of_request",
    [
        {"encoding_format": "base64"},
        {"dimensions": 3},
        {"user": "someone"},
        {"service_tier": "flex"},
    ],
)
def test_what_does_not_change_the_vector_does_not_change_the_key(fields_of_request: Mapping[str, Any]) -> None:
    plain = want(request("a", "b"), route(), "acme")
    assert want(request("a", "b", **fields_of_request), route(), "acme").distinct_keys == plain.distinct_keys


def test_neither_the_name_that_was_asked_for_nor_the_targets_change_the_key() -> None:
    plain = want(request("a"), route(), "acme").distinct_keys
    other = route(alias="other", names=["more"], ttl_s=60, owned_by="x", created_s=1, max_input_tokens=3)
    assert want(replace(request("a"), model="other"), other, "acme").distinct_keys == plain


def test_a_route_that_is_shared_shares_among_all_tenants_and_another_with_none() -> None:
    alone, shared = route(), route(shared=True)
    assert want(request("a"), alone, "acme").distinct_keys != want(request("a"), alone, "umbrella").distinct_keys
    assert want(request("a"), shared, "acme").distinct_keys == want(request("a"), shared, "umbrella").distinct_keys
    assert want(request("a"), shared, "acme").distinct_keys != want(request("a"), alone, "acme").distinct_keys


@given(TENANTS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_purge_of_a_part_changes_its_keys_and_no_others(
    tenant: str | None, everything: int, mine: int, space: int
) -> None:
    counts = {"everything": everything, f"tenant#{tenant}": mine, f"space#{space_id(SPACE).hex()}": space}
    bystanders = {"tenant#other": 9, f"space#{space_id(replace(SPACE, dimensions=9)).hex()}": 9}
    number = everything + space + (mine if tenant is not None else 0)
    content = "a"
    purged = Keyring(tenant, SPACE, Generations({**counts, **bystanders})).key(content)
    assert purged == Keyring(tenant, SPACE, Generations({"everything": number})).key(content)
    assert (purged == key(tenant, SPACE, content)) == (number == 0)
    assert purged != Keyring(tenant, SPACE, Generations({"everything": number + 1})).key(content)


def test_keys_stay_what_they_were_so_that_a_release_does_not_empty_the_cache() -> None:
    assert key("acme", SPACE, "a").hex() == KEY_OF_TEXT
    assert key(None, SPACE, Tokens((1, 2))).hex() == KEY_OF_TOKENS


def test_a_new_field_of_a_request_does_not_import_until_somebody_decides_whether_it_is_identity(tmp_path: Path) -> None:
    package = shutil.copytree(Path(embedge.__file__).parent, tmp_path / "embedge")
    source = package / "core" / "request.py"
    last_field = "    service_tier: ServiceTier | None = None\n"
    changed = source.read_text(encoding="utf-8").replace(last_field, last_field + "    truncate: bool = False\n")
    assert "truncate" in changed
    source.write_text(changed, encoding="utf-8")
    # Without asserts too: a deployment may run with -O.
    command = [sys.executable, "-O", "-c", "import embedge.core.cache_key"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "decide whether these fields are part of the cache key: ['truncate']" in done.stderr


SECRETS = st.none() | st.binary(max_size=3)


@given(PARTS, st.tuples(SECRETS, SECRETS))
def test_keys_made_with_another_secret_or_none_are_others(
    parts: tuple[str | None, Space, Input], secrets: tuple[bytes | None, bytes | None]
) -> None:
    tenant, space, content = parts
    one, other = (Keyring(tenant, space, secret=secret).key(content) for secret in secrets)
    assert (one == other) == (secrets[0] == secrets[1])


@given(PARTS, PARTS)
def test_with_a_secret_keys_are_equal_exactly_where_they_are_without(
    one: tuple[str | None, Space, Input], other: tuple[str | None, Space, Input]
) -> None:
    hidden = [Keyring(tenant, space, secret=b"s").key(content) for tenant, space, content in (one, other)]
    assert (hidden[0] == hidden[1]) == (key(*one) == key(*other))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 1023, 1024, 1025, 70_000])
def test_a_hidden_key_is_the_hash_of_an_hmac_and_the_input(size: int) -> None:
    shared = b"embedge/1" + b"".join(len(part).to_bytes(8, "little") + part for part in (b"shared", space_id(SPACE)))
    begin = hmac.new(b"secret", shared, hashlib.sha256).digest()
    expected = hashlib.sha256(begin + b"text" + size.to_bytes(8, "little") + b"h" * size).digest()
    assert Keyring(None, SPACE, secret=b"secret").key("h" * size) == expected


def test_whose_an_entry_is_does_not_depend_on_the_secret() -> None:
    assert Keyring("acme", SPACE, secret=b"s").owner == Keyring("acme", SPACE).owner
