"""What do dataclasses compile at every start? Compiled here, once, when the layer is built.

`dataclass` writes the methods of each class as text and compiles it: 0.3 ms each, a fifth of a cold start. This
imports every module of the package, notes each text, and writes what it compiles to. What is not among it when the
function runs is compiled then, as ever (`embedge/api/compiled_dataclasses.py`), so this can only save time.

Other people's packages may not be here, or not for this machine: stand-ins take their place.
"""

# pyright: reportImplicitOverride=false
# What marks overriding is Python 3.12's, or somebody else's package.

import builtins
import dataclasses
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import sys
from pathlib import Path
from types import CodeType, ModuleType


class StandIn:
    """Anything that a module may need of another while it is imported."""

    def __init__(self, *_: object, **__: object) -> None:
        """Be made of anything."""

    def __call__(self, *given: object, **named: object) -> object:
        """Decorate a function or class by itself; else be called."""
        return given[0] if len(given) == 1 and not named and callable(given[0]) else self

    def __getattr__(self, name: str) -> object:
        """Have everything but what Python itself asks for."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _: object) -> object:
        """Be generic."""
        return self

    def __or__(self, _: object) -> object:
        """Be one of several types."""
        return self

    __ror__ = __or__

    def __mro_entries__(self, _: tuple[object, ...]) -> tuple[type, ...]:
        """Be no base class at all."""
        return ()


class Stranger(ModuleType):
    """A package that is not here."""

    def __getattr__(self, name: str) -> object:
        """Have everything but what Python itself asks for."""
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn()


class Strangers(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for every package that is neither ours nor Python's own."""

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Return how it is loaded; None for what is loaded as ever."""
        if name.partition(".")[0] in {"embedge", *sys.stdlib_module_names}:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the stand-in."""
        return Stranger(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing."""


def noted(site: Path) -> dict[str, CodeType]:
    """Return every text that the package's dataclasses compile, and what it compiles to."""
    texts: dict[str, CodeType] = {}

    def execute(text: str, *scopes: dict[str, object]) -> None:
        texts[text] = compile(text, "<string>", "exec")
        builtins.exec(texts[text], *scopes)  # noqa: S102 (what dataclass does itself)

    dataclasses.exec = execute  # type: ignore[attr-defined]  # shadows the builtin in that module alone
    sys.path.insert(0, str(site))
    sys.meta_path.insert(0, Strangers())
    for file in sorted(site.glob("embedge/**/*.py")):
        name = ".".join(file.relative_to(site).with_suffix("").parts).removesuffix(".__init__")
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 (its dataclasses are compiled when it is loaded, as ever)
            print(f"dataclass_code: {name} is left out: {error!r}", file=sys.stderr)  # noqa: T201 (a build says so)
    return texts


if __name__ == "__main__":
    where = Path(sys.argv[1])
    sys.dont_write_bytecode = True
    written = where / "embedge" / "dataclasses.bin"
    written.write_bytes(marshal.dumps((importlib.util.MAGIC_NUMBER, noted(where))))
