"""What do the contract tests share? A DynamoDB and an S3 on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.ministack import DYNAMODB, ministack
from tests.e2e.tools import need

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["plain", "httpx"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way of HTTP once: where there is a proxy, though not for this machine, calls are httpx's own."""
    if request.param == "httpx":
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """The URL of a DynamoDB that is empty at first."""
    need("contract(dynamodb)", "ministack")
    with ministack(*DYNAMODB) as aws:
        yield aws.endpoint


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 that is empty at first."""
    need("contract(s3)", "ministack")
    with ministack("s3") as aws:
        yield aws.endpoint
