"""How are vectors kept in DynamoDB, so that whatever goes wrong there costs a miss, never a request?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from embedge.adapters.bounded_calls import BoundedCalls
from embedge.adapters.cache_items import FirstPut, cache_items
from embedge.adapters.dynamodb_calls import ATTEMPTS, FaultKind, fault_kind, may_pass, pause, send
from embedge.adapters.dynamodb_keys import BinaryKeys
from embedge.adapters.dynamodb_rows import PROJECTION, read_rows
from embedge.core.provenance import UNKNOWN, Provenance
from embedge.core.vector_codec import StoredVector, decode_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import KeysAndAttributesTypeDef, WriteRequestUnionTypeDef

    from embedge.adapters.aws_clients import AwsClients
    from embedge.ports import Clock
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


class _Found(NamedTuple):
    """What a lookup has found so far: vectors of so many dimensions."""

    dimensions: int
    vectors: dict[bytes, StoredVector]


class _LeftOver(Exception):
    """DynamoDB has left a part undone, as often as it was asked."""


class DynamoDbCache:
    """The Cache port: items as `cache_items` has them.

    An item without `v` is somebody's lease on the key (`leases_dynamodb`), and a miss.
    """

    def __init__(
        self, aws: AwsClients, table: str, clock: Clock, limits: CacheLimits, on_fault: Callable[[str], None]
    ) -> None:
        """Take the clients, the table's name, the time, and whom to tell of a fault, in one word."""
        self._aws = aws
        self._table = table
        self._clock = clock
        self._on_fault = on_fault
        self._reads = BoundedCalls("read", limits.read_limit_s, on_fault)
        self._writes = BoundedCalls("write", limits.write_limit_s, on_fault)
        self._writing = asyncio.Semaphore(_WRITES_AT_ONCE)

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        """Return what is kept, checked, under those of the keys that are; a fault is a miss."""
        del tenant
        found = _Found(dimensions, {})
        client = await self._client("read")
        if client is not None:
            chunks = _chunks(dict.fromkeys(keys), _KEYS_A_READ)
            await self._reads.make(self._read(found, chunk, client) for chunk in chunks)
        return found.vectors

    async def put_many(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> None:
        """Keep vectors for `ttl_s` seconds; a fault is nobody's error, but what was not written is counted."""
        del tenant
        items = cache_items(entries, int(self._clock.now_s()), ttl_s, provenance)
        left: dict[bytes, WriteRequestUnionTypeDef] = {
            key: {"PutRequest": {"Item": item}} for key, item in items.items()
        }
        try:
            client = await self._client("write")
            if client is not None:
                chunks = _chunks(entries, _ITEMS_A_WRITE)
                await self._writes.make(self._write(left, chunk, client) for chunk in chunks)
        finally:
            for _ in left:
                self._on_fault("not_written")

    async def keep_first(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> Mapping[bytes, StoredVector]:
        """Keep vectors, each only where none is kept yet, and return what stands then; what does not is counted."""
        del tenant
        now_s, standing = int(self._clock.now_s()), dict[bytes, StoredVector]()
        puts = [
            FirstPut(self._table, key, replace(entries[key], expires_s=now_s + ttl_s), item, now_s)
            for key, item in cache_items(entries, now_s, ttl_s, provenance).items()
        ]
        try:
            client = await self._client("write")
            if client is not None:
                await self._writes.make(self._keep_first(standing, put, client) for put in puts)
        finally:
            for _ in range(len(entries) - len(standing)):
                self._on_fault("not_written")
        return standing

    async def _keep_first(self, standing: dict[bytes, StoredVector], put: FirstPut, client: DynamoDBClient) -> None:
        async with self._writing:
            kept = await put.send(client)
            if isinstance(kept, bytes):
                self._on_fault("corrupt")
                kept = await put.overwrite(client, kept)
        if kept is not None:
            standing[put.key] = kept

    async def _client(self, kind: FaultKind) -> DynamoDBClient | None:
        """Return the client. It is made once in a process's life: the time limits are not for that."""
        try:
            return await self._aws.dynamodb()
        except Exception as error:  # noqa: BLE001 (no fault of the cache may become a request's)
            self._on_fault(fault_kind(error, kind))
            return None

    async def _read(self, found: _Found, keys: Sequence[bytes], client: DynamoDBClient) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await pause(attempt)
            keys = await send(partial(self._batch_get, found, client, keys), may_pass)
            if not keys:
                return
        raise _LeftOver

    async def _batch_get(self, found: _Found, client: DynamoDBClient, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Add what is found; return the keys that were not looked up."""
        wanted: KeysAndAttributesTypeDef = {"Keys": BinaryKeys("k", keys), "ProjectionExpression": PROJECTION}
        reply = await client.batch_get_item(RequestItems={self._table: wanted})
        body, told = cast("dict[str, bytes | memoryview]", reply)["RawBody"], partial(self._on_fault, "corrupt")
        rows, left = read_rows(body, self._table, told)
        now_s = self._clock.now_s()  # DynamoDB deletes what has expired up to two days late
        for _ in range(decode_all(rows, found.dimensions, now_s, found.vectors)):
            told()
        return left

    async def _write(
        self, left: dict[bytes, WriteRequestUnionTypeDef], keys: Sequence[bytes], client: DynamoDBClient
    ) -> None:
        """Write what is left under these keys; what has been written is left no longer."""
        puts = [left[key] for key in keys]
        async with self._writing:
            for attempt in range(ATTEMPTS):
                if attempt:
                    await pause(attempt)
                reply = await send(partial(client.batch_write_item, RequestItems={self._table: puts}), may_pass)
                puts = reply["UnprocessedItems"].get(self._table, ())
                undone = {put.get("PutRequest", {})["Item"]["k"].get("B") for put in puts}
                for key in keys:
                    if key not in undone:
                        left.pop(key, None)
                if not puts:
                    return
        raise _LeftOver


def _chunks(elements: Iterable[_Element], size: int) -> Iterator[tuple[_Element, ...]]:
    rest = iter(elements)
    while chunk := tuple(islice(rest, size)):
        yield chunk
