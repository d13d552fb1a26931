"""What do the contract tests share? One DynamoDB on this machine for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.ministack import DYNAMODB, ministack
from tests.e2e.tools import need

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """The URL of a DynamoDB that is empty at first."""
    need("contract(dynamodb)", "ministack")
    with ministack(*DYNAMODB) as aws:
        yield aws.endpoint
