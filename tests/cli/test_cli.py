"""Does an operator's command do what it says or change nothing, and never answer with a traceback?"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from embedge.cli.program import main
from embedge.cli.signing import new_key_pair
from embedge.core.request import Principal
from embedge.errors import CredentialInvalid
from embedge.settings import DEFAULT_LIMITS
from tests.cli.laptop import Laptop

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_that_is_there_is_kept_and_only_its_owner_can_read_it(laptop: Laptop) -> None:
    before = os.umask(0)  # the most careless of users
    try:
        made = laptop.done("keys", "init")
    finally:
        os.umask(before)
    (pem,) = laptop.pems()
    assert made == f"Made the signing key {pem.stem}.\n"
    content = pem.read_bytes()
    assert laptop.done("keys", "init") == f"Kept the signing key {pem.stem}.\n"
    assert laptop.pems() == [pem]
    assert pem.read_bytes() == content
    assert (mode(pem), mode(pem.parent), mode(laptop.state)) == (0o600, 0o700, 0o700)


def test_a_token_is_printed_and_nothing_else_and_the_router_takes_it(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    printed = laptop.done("token", "mint")
    token = printed.removesuffix("\n")
    assert token.count(".") == 2
    assert len(token.split()) == 1
    principal = laptop.verified(token)
    assert replace(principal, token_id="") == Principal(
        "default", frozenset({"embeddings", "models", "usage"}), ("*",), DEFAULT_LIMITS, issuer="own"
    )


def test_a_token_says_what_was_asked_for_and_no_more(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    wish = ["--tenant", "acme", "--scope", "usage", "--model", "small", "--model", "vendor/*", "--days", "1"]
    token = laptop.done("token", "mint", *wish).strip()
    principal = laptop.verified(token)
    expected = Principal("acme", frozenset({"usage"}), ("small", "vendor/*"), DEFAULT_LIMITS, issuer="own")
    assert replace(principal, token_id="") == expected


def test_a_token_is_void_without_the_key_that_was_published(laptop: Laptop, tmp_path: Path) -> None:
    laptop.done("keys", "init")
    other = Laptop(tmp_path / "other")
    other.done("keys", "init")
    with pytest.raises(CredentialInvalid):
        laptop.verified(other.done("token", "mint").strip())


def test_no_two_tokens_are_the_same_so_that_each_can_be_revoked(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    assert laptop.done("token", "mint") != laptop.done("token", "mint")


def test_a_token_cannot_be_minted_without_a_key_and_one_is_told_how_to_make_it(laptop: Laptop) -> None:
    assert "embedge keys init" in laptop.refused("token", "mint")
    laptop.done("keys", "init")
    laptop.done("token", "mint")


@pytest.mark.parametrize("tenant", ["", "two words", "ténant", "a" * 65, "a/b", "a\nb", "a#B"])
def test_a_token_that_the_router_would_refuse_is_not_minted(laptop: Laptop, tenant: str) -> None:
    laptop.done("keys", "init")
    assert "tenant" in laptop.refused("token", "mint", "--tenant", tenant)


@pytest.mark.parametrize("tenant", ["a", "A-b_c.9", "a" * 64])
def test_a_tenant_that_the_router_knows_can_have_a_token(laptop: Laptop, tenant: str) -> None:
    laptop.done("keys", "init")
    assert laptop.verified(laptop.done("token", "mint", "--tenant", tenant).strip()).tenant == tenant


@pytest.mark.parametrize("wish", [("--scope", "everything"), ("--scope", ""), ("--days", "0"), ("--days", "3661")])
def test_what_no_token_can_say_is_an_error_of_usage(laptop: Laptop, wish: tuple[str, str]) -> None:
    laptop.done("keys", "init")
    result = laptop.run("token", "mint", *wish)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert result.stdout == ""


def test_a_token_of_more_than_the_router_reads_is_not_minted(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    models = [argument for number in range(500) for argument in ("--model", f"a-model-of-some-length-{number}")]
    assert "8192" in laptop.refused("token", "mint", *models)


@pytest.mark.parametrize("content", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
@pytest.mark.parametrize("command", [("keys", "init"), ("token", "mint")])
def test_a_key_that_is_damaged_is_named_and_left_alone(laptop: Laptop, command: tuple[str, str], content: str) -> None:
    laptop.done("keys", "init")
    (pem,) = laptop.pems()
    pem.write_text(content, encoding="utf-8")
    assert pem.stem in laptop.refused(*command)
    assert laptop.pems() == [pem]
    assert pem.read_text(encoding="utf-8") == content


def test_the_newest_key_signs_and_what_older_ones_signed_stays_good(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    (old,) = laptop.pems()
    token = laptop.done("token", "mint").strip()
    os.utime(old, (1, 1))
    (old.parent / "newer.pem").write_text(new_key_pair("newer").pem, encoding="ascii")
    assert laptop.done("keys", "init") == "Kept the signing key newer.\n"
    assert laptop.verified(token).tenant == laptop.verified(laptop.done("token", "mint").strip()).tenant


@pytest.mark.parametrize("command", [("keys", "init"), ("token", "mint")])
def test_a_state_that_is_no_folder_is_an_error_of_one_line(laptop: Laptop, command: tuple[str, str]) -> None:
    laptop.state.write_text("a file", encoding="utf-8")
    assert str(laptop.state) in laptop.refused(*command)
    assert laptop.state.read_text(encoding="utf-8") == "a file"


@pytest.mark.parametrize("command", [("keys", "init"), ("token", "mint")])
def test_a_state_that_is_no_database_is_an_error_of_one_line(laptop: Laptop, command: tuple[str, str]) -> None:
    laptop.state.mkdir()
    (laptop.state / "embedge.db").write_bytes(b"not a database, and long enough to be seen as none " * 20)
    assert str(laptop.state) in laptop.refused(*command)


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    assert all(name in text for name in ("keys", "routes", "token"))
