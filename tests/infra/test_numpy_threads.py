"""Does numpy, where a request loads it, begin no threads that keep a processor busy by waiting?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.tools import need
from tests.infra.expanded import at, expanded

_ROOT = Path(__file__).parents[2]
_COUNT = "import os, numpy; print(len(os.listdir('/proc/self/task')))"


def _threads(program: str, variables: dict[str, str]) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = (sys.executable, "-c", program)
    done = subprocess.run(
        command, cwd=_ROOT, env={**environment, **variables}, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.parametrize("function", ["ApiFunction", "CanaryFunction"])
def test_a_function_that_uses_it_has_one_thread(function: str) -> None:
    need("numpy's threads", "sam")
    told = at(expanded("template.yaml"), "Resources", function, "Properties", "Environment", "Variables")
    assert _threads(_COUNT, {name: str(value) for name, value in told.items() if name.startswith("OPENBLAS_")}) == 1


def test_the_router_of_this_machine_has_one_thread_unless_somebody_wants_more() -> None:
    assert _threads(f"import infra.local.starting; {_COUNT}", {}) == 1
    two = {"OPENBLAS_NUM_THREADS": "2"}
    assert _threads(f"import infra.local.starting; {_COUNT}", two) == _threads(_COUNT, two)
