"""Is a dataclass the same whether its methods were compiled before or not?"""

from __future__ import annotations

import dataclasses
import marshal
import subprocess
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING, Any, cast

import pytest

from embedge.api.compiled_dataclasses import keep_compiled, use_compiled
from tests.e2e.tools import ROOT, python313

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def as_ever() -> Iterator[None]:
    yield
    if hasattr(dataclasses, "exec"):
        del cast("Any", dataclasses).exec


def _made() -> type[Any]:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Made:
        number: int
        name: str = "a"

    return Made


def _noted() -> dict[str, Any]:
    """Return what making the class compiles."""
    texts: dict[str, Any] = {}

    def execute(text: str, *scopes: dict[str, Any]) -> None:
        texts[text] = compile(text, "<string>", "exec")
        exec(texts[text], *scopes)  # noqa: S102 (what dataclass does)

    cast("Any", dataclasses).exec = execute
    _made()
    del cast("Any", dataclasses).exec
    return texts


def test_what_one_start_compiles_the_next_takes_whoever_else_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "dataclasses.bin"
    taken: dict[str, Any] = {}
    assert use_compiled(file, taken) == 0
    _made()
    assert taken.keys() == _noted().keys()
    keep_compiled(file, taken)
    keep_compiled(file, taken)
    again: dict[str, Any] = {}
    assert use_compiled(file, again) == len(taken) > 0
    assert _made()(1).number == 1
    assert again.keys() == taken.keys()
    assert list(tmp_path.iterdir()) == [file]


def test_a_class_is_the_same_and_compiles_nothing(tmp_path: Path) -> None:
    file = tmp_path / "dataclasses.bin"
    file.write_bytes(marshal.dumps((MAGIC_NUMBER, _noted())))
    assert use_compiled(file) > 0
    made = _made()
    assert repr(made(1)) == "_made.<locals>.Made(number=1, name='a')"
    assert made(1) == made(1) != made(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made(1).number = 2


@pytest.mark.parametrize("content", [b"", b"nonsense", marshal.dumps((b"another Python", {"a": None}))])
def test_what_cannot_be_read_or_is_another_pythons_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "dataclasses.bin"
    file.write_bytes(content)
    assert use_compiled(file) == use_compiled(tmp_path / "missing") == 0
    assert _made()(1).name == "a"


def test_a_text_that_was_not_compiled_before_is_compiled_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "dataclasses.bin"
    file.write_bytes(marshal.dumps((MAGIC_NUMBER, {"another text": compile("pass", "", "exec")})))
    assert use_compiled(file) == 1
    assert _made()(2).number == 2


def test_the_layers_own_are_all_there(tmp_path: Path) -> None:
    python = python313()
    if python is None:
        pytest.skip("SKIPPED built layers: python3.13")
    site = tmp_path / "python"
    site.mkdir()
    (site / "embedge").symlink_to(ROOT / "layers/embedge/embedge")
    compiling = (python, "-I", "-S", "-B", ROOT / "layers/embedge/dataclass_code.py", site)
    done = subprocess.run(compiling, capture_output=True, text=True, check=True)
    written = ROOT / "layers/embedge/embedge/dataclasses.bin"
    try:
        counting = "import marshal, sys; print(len(marshal.loads(open(sys.argv[1], 'rb').read())[1]))"
        count = subprocess.run((python, "-c", counting, written), capture_output=True, text=True, check=True).stdout
    finally:
        written.unlink()
    assert int(count) > 120
    assert "embedge.core" not in done.stderr
    assert "embedge.adapters" not in done.stderr
