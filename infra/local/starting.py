"""How does a start on this machine take little? What it compiles is kept for the next, and nothing is collected.

Import this before all else: what is loaded from here on is what it is for.
"""

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import CodeType

from embedge.api.compiled_dataclasses import keep_compiled, use_compiled

# Beside what pip has compiled: as good as the environment that it lies in, and gone with it.
_FILE = Path(sys.prefix) / "embedge-dataclasses.bin"
_taken: dict[str, CodeType] = {}

# More of OpenBLAS's threads wait busily for 0.1 s once numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
gc.disable()
_found = use_compiled(_FILE, _taken)


def started() -> None:
    """Call this once the server is ready: what stands by now stays, and nobody looks through it again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    if len(_taken) != _found:
        with suppress(OSError):  # of an environment that is somebody else's
            keep_compiled(_FILE, _taken)
