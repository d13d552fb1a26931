"""How are vectors kept in DynamoDB, so that whatever goes wrong there costs a miss, never a request?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar, cast

import orjson
import pybase64

from embedge.adapters.dynamodb_calls import ATTEMPTS, FaultKind, fault_kind, may_pass, pause, send
from embedge.core.vector_codec import StoredVector, decode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import KeysAndAttributesTypeDef, WriteRequestUnionTypeDef

    from embedge.adapters.aws_clients import AwsClients
    from embedge.ports import Clock

    _Call: TypeAlias = Callable[[DynamoDBClient], Awaitable[None]]

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html and
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html, read 2026-11.
_KEYS_A_READ = 100
_ITEMS_A_WRITE = 25
_WRITES_AT_ONCE = 8

_Element = TypeVar("_Element")


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How long a request waits for its lookup and for its writes; what is not done by then is given up."""

    read_limit_s: float
    write_limit_s: float


class DynamoDbCache:
    """The Cache port: attributes `k`, `v`, and `e`, the second from which on an entry is none."""

    def __init__(
        self, aws: AwsClients, table: str, clock: Clock, limits: CacheLimits, on_fault: Callable[[str], None]
    ) -> None:
        """Take the clients, the table's name, the time, and whom to tell of a fault, in one word."""
        self._aws = aws
        self._table = table
        self._clock = clock
        self._limits = limits
        self._on_fault = on_fault
        self._writing = asyncio.Semaphore(_WRITES_AT_ONCE)

    async def get_many(self, keys: Sequence[bytes], dimensions: int) -> Mapping[bytes, StoredVector]:
        """Return what is kept, checked, under those of the keys that are; a fault is a miss."""
        rows: list[_Row] = []
        chunks = _chunks(dict.fromkeys(keys), _KEYS_A_READ)
        await self._all("read", (partial(self._read, rows, chunk) for chunk in chunks), self._limits.read_limit_s)
        found: dict[bytes, StoredVector] = {}
        for key, value in self._alive(rows):
            vector = decode(key, value, dimensions)
            if vector is None:
                self._on_fault("corrupt")
            else:
                found[key] = vector
        return found

    async def put_many(self, entries: Mapping[bytes, StoredVector], ttl_s: int) -> None:
        """Keep vectors for `ttl_s` seconds; a fault is nobody's error."""
        expires = {"N": str(int(self._clock.now_s()) + ttl_s)}
        puts: Iterator[WriteRequestUnionTypeDef] = (
            {"PutRequest": {"Item": {"k": {"B": key}, "v": {"B": entry.value}, "e": expires}}}
            for key, entry in entries.items()
        )
        chunks = _chunks(puts, _ITEMS_A_WRITE)
        await self._all("write", (partial(self._write, chunk) for chunk in chunks), self._limits.write_limit_s)

    async def _all(self, kind: FaultKind, calls: Iterable[_Call], limit_s: float) -> None:
        """Make the calls side by side, and count those that fail or are not done within the limit."""
        try:
            client = await self._aws.dynamodb()  # made once in a process's life: the limit is not for that
            async with asyncio.timeout(limit_s), asyncio.TaskGroup() as under_way:
                for call in calls:
                    under_way.create_task(self._faultless(kind, call(client)))
        except TimeoutError:
            self._on_fault("timeout")
        except Exception as error:  # noqa: BLE001 (no fault of the cache may become a request's)
            self._on_fault(fault_kind(error, kind))

    async def _faultless(self, kind: FaultKind, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001 (as above, and the calls beside it go on)
            self._on_fault(fault_kind(error, kind))

    async def _read(self, rows: list[_Row], keys: Sequence[bytes], client: DynamoDBClient) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await pause(attempt)
            reply = await send(partial(self._batch_get, client, keys), may_pass)
            rows += reply["Responses"].get(self._table, ())
            unprocessed = reply["UnprocessedKeys"].get(self._table)
            if unprocessed is None:
                return
            keys = [_bytes(key["k"]) for key in unprocessed["Keys"]]
        self._on_fault("read")

    async def _batch_get(self, client: DynamoDBClient, keys: Sequence[bytes]) -> _Reply:
        wanted: KeysAndAttributesTypeDef = {"Keys": [{"k": {"B": key}} for key in keys]}
        reply = await client.batch_get_item(RequestItems={self._table: wanted})
        return cast("_Reply", orjson.loads(cast("dict[str, bytes]", reply)["RawBody"]))

    async def _write(self, puts: Sequence[WriteRequestUnionTypeDef], client: DynamoDBClient) -> None:
        async with self._writing:
            for attempt in range(ATTEMPTS):
                if attempt:
                    await pause(attempt)
                reply = await send(partial(client.batch_write_item, RequestItems={self._table: puts}), may_pass)
                puts = reply["UnprocessedItems"].get(self._table, ())
                if not puts:
                    return
        self._on_fault("write")

    def _alive(self, rows: Iterable[_Row]) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of what has not expired; DynamoDB deletes up to two days late."""
        now_s = self._clock.now_s()
        for row in rows:
            try:
                if int(row["e"]["N"]) > now_s:
                    yield _bytes(row["k"]), _bytes(row["v"])
            except (KeyError, ValueError):
                self._on_fault("corrupt")


class _Binary(TypedDict):
    B: str


class _Number(TypedDict):
    N: str


class _Key(TypedDict):
    k: _Binary


class _Row(_Key):
    v: _Binary
    e: _Number


class _Unprocessed(TypedDict):
    Keys: list[_Key]


class _Reply(TypedDict):
    """BatchGetItem's reply, as it travels."""

    Responses: dict[str, list[_Row]]
    UnprocessedKeys: dict[str, _Unprocessed]


def _bytes(value: _Binary) -> bytes:
    return pybase64.b64decode(value["B"], validate=True)


def _chunks(elements: Iterable[_Element], size: int) -> Iterator[tuple[_Element, ...]]:
    rest = iter(elements)
    while chunk := tuple(islice(rest, size)):
        yield chunk
