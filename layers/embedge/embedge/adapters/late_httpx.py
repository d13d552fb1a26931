"""How does a process that never needs httpx not load it?"""

from typing import TYPE_CHECKING

from embedge.core.late import Late

if TYPE_CHECKING:
    import httpx
else:
    httpx = Late("httpx")

__all__ = ["httpx"]
