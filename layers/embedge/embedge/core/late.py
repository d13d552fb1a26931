"""Which packages are loaded only when they are first used? Those that most cold starts need not pay for.

numpy takes a twentieth of a second to load, and a hit in base64 does without it; so does every hit without httpx.
"""

from importlib import import_module
from typing import TYPE_CHECKING


class Late:
    """A module that is imported when something of it is first asked for."""

    def __init__(self, name: str) -> None:
        """Take the module's name."""
        self._name = name

    def __getattr__(self, name: str) -> object:
        """Return what the module has by this name, and know it from then on."""
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

__all__ = ["Late", "np"]
