"""How is DynamoDB asked where every request does, in a fifth of the time? Signed and sent by our own code.

The law: whatever comes back, this returns or raises what aiobotocore's client would (tests, over mutated replies; and
every port's contract). It is here because that client takes 0.5 ms of the processor a call, and 0.2 s to load.

It has the operations that the api function makes often. What is not exactly as these replies usually are is read by
botocore's own parser; a read whose very frame is unusual is asked again by aiobotocore, and so is all that follows.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import orjson
import pybase64

from embedge.adapters.aws_reply import Broken, NotConnected, NotConnectedInTime, RawReply, Silent, Unreadable
from embedge.adapters.dynamodb_calls import check_sum
from embedge.adapters.dynamodb_keys import BinaryKeys
from embedge.adapters.dynamodb_replies import REPLIES, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from types_aiobotocore_dynamodb import DynamoDBClient

    from embedge.adapters.aws_connections import Connections
    from embedge.adapters.aws_signature import Signer

_READS = frozenset({"BatchGetItem", "Query"})


class LeanDynamoDb:
    """As much of DynamoDBClient as `REPLIES` names; every other method is that of the plain client."""

    def __init__(
        self,
        signer: Signer,
        connections: Connections,
        now_s: Callable[[], float],
        plain: Callable[[], Awaitable[DynamoDBClient]],
    ) -> None:
        """Take what signs and what carries, the time, and where the plain client comes from when it is needed."""
        self._signer = signer
        self._connections = connections
        self._now_s = now_s
        self._plain = plain
        self._trusted = True  # until a reply came in a frame that DynamoDB's have not

    async def batch_get_item(self, **asked: object) -> dict[str, Any]:
        """Read up to 100 items; the reply is left as it travelled: `RawBody`."""
        return await self._ask("BatchGetItem", asked)

    async def batch_write_item(self, **asked: object) -> dict[str, Any]:
        """Write up to 25 items."""
        return await self._ask("BatchWriteItem", asked)

    async def put_item(self, **asked: object) -> dict[str, Any]:
        """Write an item."""
        return await self._ask("PutItem", asked)

    async def query(self, **asked: object) -> dict[str, Any]:
        """Read items of a partition."""
        return await self._ask("Query", asked)

    async def transact_write_items(self, **asked: object) -> dict[str, Any]:
        """Change several items, or none."""
        return await self._ask("TransactWriteItems", asked)

    async def update_item(self, **asked: object) -> dict[str, Any]:
        """Change an item."""
        return await self._ask("UpdateItem", asked)

    def close(self) -> None:
        """Close what is idle."""
        self._connections.close()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return another operation: the plain client's."""

        async def ask(**asked: object) -> Any:  # noqa: ANN401 (whatever the operation returns)
            return await getattr(await self._plain(), name)(**asked)

        return ask

    async def _ask(self, operation: str, asked: dict[str, object]) -> dict[str, Any]:
        if not self._trusted:
            return await self._ask_plainly(operation, asked)
        body = orjson.dumps(asked, default=_as_json)
        try:
            reply = await self._connections.exchange(self._signer.request(operation, body, self._now_s()))
        except Unreadable as fault:
            self._trusted = False
            if operation in _READS:
                return await self._ask_plainly(operation, asked)
            raise _as_botocore_says(fault, self._connections.url) from fault
        except (NotConnected, Broken) as fault:
            raise _as_botocore_says(fault, self._connections.url) from fault
        check_sum(reply.headers, reply.body)
        try:
            parsed = REPLIES[operation](reply)
        except Refused as refusal:
            from botocore.exceptions import ClientError  # noqa: PLC0415 (a start is not to pay for it)

            raise ClientError(cast("Any", refusal.response), operation) from None
        return await self._parsed(operation, asked, reply) if parsed is None else parsed

    async def _ask_plainly(self, operation: str, asked: dict[str, object]) -> dict[str, Any]:
        client = await self._plain()
        return await cast("Any", client)._make_api_call(operation, asked)  # noqa: SLF001 (what its methods call)

    async def _parsed(self, operation: str, asked: dict[str, object], reply: RawReply) -> dict[str, Any]:
        """Return or raise what the plain client does with a reply."""
        token = replayed.set(reply)
        try:
            return await self._ask_plainly(operation, asked)
        finally:
            replayed.reset(token)


# What the plain client is to take for the reply, instead of sending anything.
replayed: ContextVar[RawReply | None] = ContextVar("replayed", default=None)


def replay(request: Any, **_: object) -> object:  # noqa: ANN401 (botocore's AWSPreparedRequest)
    """Answer a request of the plain client with the reply that is here already: a handler of its event before-send."""
    from aiobotocore.awsrequest import AioAWSResponse  # noqa: PLC0415 (it is loaded by then)
    from botocore.compat import HTTPHeaders  # noqa: PLC0415

    reply = replayed.get()
    if reply is None:
        return None
    return AioAWSResponse(
        request.url, reply.status, HTTPHeaders.from_dict(dict(reply.headers)), _Raw(bytes(reply.body))
    )


class _Raw:
    """A body as aiohttp would give it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


def _as_json(value: object) -> str | orjson.Fragment:
    """Write what JSON has no form for. Raises: TypeError."""
    if isinstance(value, BinaryKeys):
        return orjson.Fragment(value.as_json())
    if isinstance(value, bytes):
        return pybase64.b64encode_as_string(value)
    raise TypeError


def _as_botocore_says(fault: NotConnected | Broken, url: str) -> Exception:
    from botocore import exceptions  # noqa: PLC0415 (a start is not to pay for it)

    match fault:
        case NotConnectedInTime():
            return exceptions.ConnectTimeoutError(endpoint_url=url, error=fault)
        case NotConnected():
            return exceptions.EndpointConnectionError(endpoint_url=url, error=fault)
        case Silent():
            return exceptions.ReadTimeoutError(endpoint_url=url, error=fault)
        case _:
            return exceptions.ConnectionClosedError(endpoint_url=url, request=None, error=fault)
