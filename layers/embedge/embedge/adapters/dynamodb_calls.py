"""How is DynamoDB called: which replies are believed, and what may be sent again?"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, TypeVar, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from embedge.core.checksum import crc32

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from botocore.model import OperationModel
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

ATTEMPTS = 4
_PAUSE_S = 0.025
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
}
_IN_PROGRESS = "TransactionInProgressException"
_CANCELLED_FOR_NOW = {"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}
_FIRST_ERROR = 300
_FIRST_SERVER_ERROR = 500

FaultKind: TypeAlias = Literal["read", "write", "lease", "timeout", "corrupt"]
_Reply = TypeVar("_Reply")


class CorruptReply(Exception):
    """The reply is not the one that DynamoDB sent."""


FAULTS = (BotoCoreError, ClientError, CorruptReply)


class HttpReply(TypedDict):
    """What botocore knows of a reply before it parses it."""

    status_code: int
    headers: dict[str, str]
    body: bytes


def check_reply(
    response_dict: HttpReply,
    customized_response_dict: dict[str, bytes],
    operation_model: OperationModel,
    **_: object,
) -> None:
    """Hold a reply against its checksum, and leave BatchGetItem's unparsed: `RawBody`. Raises: CorruptReply.

    A handler of botocore's event before-parse. Its standard retry mode answers with a corrupt body where no
    attempt is left, so the checksum is checked here. And its parser, which walks through every value by its
    shape, takes several times what reading the JSON does, so it is given an empty one.
    """
    body = response_dict["body"]
    check_sum(response_dict["headers"], body)
    if operation_model.name == "BatchGetItem" and response_dict["status_code"] < _FIRST_ERROR:
        customized_response_dict["RawBody"] = body
        response_dict["body"] = b"{}"


def check_sum(headers: Mapping[str, str], body: bytes | memoryview) -> None:
    """Hold a reply against its checksum. Raises: CorruptReply."""
    expected = headers.get("x-amz-crc32")
    if expected is not None and expected != str(crc32(body)):
        raise CorruptReply


async def send(call: Callable[[], Awaitable[_Reply]], may_repeat: Callable[[Exception], bool]) -> _Reply:
    """Make a call, and again, a few times and each time later, while its failure says that it may be."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await call()
        except FAULTS as error:
            if not may_repeat(error):
                raise
        await pause(attempt)
    return await call()


async def pause(attempt: int) -> None:
    """Wait after an attempt: up to twice as long each time, at random, so that callers do not meet again."""
    await asyncio.sleep(random.random() * _PAUSE_S * 2**attempt)  # noqa: S311 (no secret)


def was_throttled(error: Exception) -> bool:
    """Tell whether the call is known not to have been carried out, and may be later."""
    return isinstance(error, ClientError) and error_code(error) in _THROTTLED


class CancellationReason(TypedDict, total=False):
    """Why one update of a transaction kept it from being made; `Code` is None, as a word, where it did not."""

    Code: str
    Item: Mapping[str, AttributeValueTypeDef]


def cancellation_reasons(error: ClientError) -> Sequence[CancellationReason]:
    """Return why each update of a transaction was not made; nothing where the error is another."""
    return cast("Sequence[CancellationReason]", error.response.get("CancellationReasons", ()))


def was_not_carried_out(error: Exception) -> bool:
    """Tell whether a transaction is known not to have been made, and may be later; or is being made right now.

    What is asked again has the same token, so it is made once.
    """
    if not isinstance(error, ClientError):
        return False
    codes = {reason.get("Code", "None") for reason in cancellation_reasons(error)} - {"None"}
    return was_throttled(error) or error_code(error) == _IN_PROGRESS or (bool(codes) and codes <= _CANCELLED_FOR_NOW)


def may_pass(error: Exception) -> bool:
    """Tell whether a call that can be carried out twice without harm is worth another attempt."""
    if isinstance(error, ClientError):
        return was_throttled(error) or _status(error) >= _FIRST_SERVER_ERROR
    return isinstance(error, ConnectionClosedError | EndpointConnectionError)


def error_code(error: ClientError) -> str:
    """Return DynamoDB's name for what is wrong."""
    return error.response.get("Error", {}).get("Code", "")


def fault_kind(error: Exception, otherwise: FaultKind) -> FaultKind:
    """Return the word under which a fault is counted."""
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return "timeout"
    return "corrupt" if isinstance(error, CorruptReply) else otherwise


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
