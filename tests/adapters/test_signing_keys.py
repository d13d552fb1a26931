"""Is a signing key that was kept the newest, and one that was forgotten gone, wherever they are?"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from embedge.adapters.signing_keys_file import FileSigningKeys
from embedge.adapters.stack_aws import signing_keys_in, signing_keys_text

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_key_that_was_kept_last_comes_first_and_one_that_was_forgotten_not_at_all(tmp_path: Path) -> None:
    keys = FileSigningKeys(tmp_path / "keys")
    assert list(await keys.load()) == []
    for number, kid in enumerate(("old", "newer", "newest")):
        await keys.keep(kid, f"pem of {kid}")
        os.utime(tmp_path / "keys" / f"{kid}.pem", (number, number))
    assert [kid for kid, _ in await keys.load()] == ["newest", "newer", "old"]
    await keys.forget("newer")
    await keys.forget("nobody")
    assert list(await keys.load()) == [("newest", "pem of newest"), ("old", "pem of old")]


def test_what_stands_in_the_parameter_is_read_as_it_was_written() -> None:
    keys = [("newest", "pem 1"), ("old", "pem 2")]
    assert signing_keys_in(signing_keys_text(keys)) == keys
    assert signing_keys_in(signing_keys_text([])) == []


def test_a_parameter_from_before_there_was_rotation_holds_its_one_key() -> None:
    assert signing_keys_in(json.dumps({"kid": "old", "pem": "pem"})) == [("old", "pem")]


def test_a_dozen_keys_fit_the_parameter() -> None:
    # A standard parameter holds 4 KB; a PEM of P-256 has 241 characters.
    assert len(signing_keys_text([("0" * 12, "x" * 245)] * 12)) < 4096
