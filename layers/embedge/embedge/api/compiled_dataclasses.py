"""How does a start do without compiling every dataclass? The texts that they compile were compiled with the layer.

It is here because `dataclass` takes 0.4 ms a class, of which 0.3 are compiling, and a start has 150 of ours. Only a
text that is the same to the last letter is taken from what was compiled; all others are compiled, as ever. So is
everything where the file is missing, or is another Python's.
"""

import builtins
import dataclasses
import marshal
import os
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import Any, cast

_FILE = Path(__file__).parents[1] / "dataclasses.bin"  # made by layers/embedge/dataclass_code.py


def use_compiled(file: Path = _FILE, taken: dict[str, CodeType] | None = None) -> int:
    """Take what was compiled for what `dataclass` executes from here on; return how many texts that are.

    `taken` is given all that is executed from here on, for `keep_compiled`.
    """
    compiled = _read(file)
    if compiled or taken is not None:

        def execute(text: str, *scopes: dict[str, Any]) -> None:
            code = compiled.get(text)
            if taken is not None:
                code = taken[text] = code or compile(text, "<string>", "exec")
            builtins.exec(text if code is None else code, *scopes)  # noqa: S102 (what dataclass does itself)

        cast("Any", dataclasses).exec = execute  # a name of the module comes before a built-in one
    return len(compiled)


def keep_compiled(file: Path, taken: Mapping[str, CodeType]) -> None:
    """Write what was executed for the next start, whole or not at all. Raises: OSError."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    unfinished.write_bytes(marshal.dumps((MAGIC_NUMBER, dict(taken))))
    unfinished.replace(file)


def _read(file: Path) -> dict[str, CodeType]:
    try:
        magic, compiled = marshal.loads(file.read_bytes())  # noqa: S302 (shipped beside this file)
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return compiled if magic == MAGIC_NUMBER else {}
