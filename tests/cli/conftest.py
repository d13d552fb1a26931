"""What do the tests of commands share? A folder of their own for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.laptop import Laptop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)
