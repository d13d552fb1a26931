"""What happens when DynamoDB is slow, busy, broken or gone, and how often is it asked?"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedge.adapters.cache_dynamodb import CacheLimits, DynamoDbCache
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.core.breaker import FAILURES_IN_A_ROW
from embedge.core.conditional_update import Applied, Assign, Attribute, Compare, ConditionalUpdate, ItemUpdate, Refused
from embedge.core.vector_codec import StoredVector, encode
from embedge.errors import ServiceUnavailable
from tests.adapters.dynamodb_stub import Answer, Reply, Way, clients, dynamodb_stub, error
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

_DIMENSIONS = 2
_CORRUPT = Reply({"Item": {"doc": {"S": "{}"}}}, checksum_of=b"what was sent")
_TAKE = ConditionalUpdate((Assign("a", Attribute("a"), -1),), (Compare("a", ">=", 1),))
_TAKEN = Reply({"Attributes": {"pk": {"S": "acme"}, "a": {"N": "9"}}})
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
)


@pytest.fixture(autouse=True, params=["plain", "lean"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both clients meet every fault."""
    Way.chosen = request.param
    yield
    Way.chosen = "plain"


def always(answer: Answer) -> Callable[[str, dict[str, Any]], Answer]:
    return lambda _operation, _arguments: answer


def in_turn(*answers: Answer, then: Callable[[str, dict[str, Any]], Answer]) -> Callable[[str, dict[str, Any]], Answer]:
    left = list(answers)
    return lambda operation, arguments: left.pop(0) if left else then(operation, arguments)


def entries(how_many: int) -> dict[bytes, StoredVector]:
    keys = [number.to_bytes(32, "big") for number in range(1, how_many + 1)]
    return {key: encode(key, np.ones(_DIMENSIONS, np.float32), 1, estimated=False) for key in keys}


@dataclass
class Rows:
    """A cache table that has everything, and leaves unprocessed what `leave` says of each list it is given."""

    leave: Callable[[list[Any]], list[Any]]
    written: list[str] = field(default_factory=list[str])

    def answer(self, operation: str, arguments: dict[str, Any]) -> Answer:
        asked = arguments["RequestItems"]["t"]
        if operation == "BatchGetItem":
            left = self.leave(asked["Keys"])
            rows = [self._row(key["k"]["B"]) for key in asked["Keys"] if key not in left]
            return Reply({"Responses": {"t": rows}, "UnprocessedKeys": {"t": {"Keys": left}} if left else {}})
        left = self.leave(asked)
        self.written += [put["PutRequest"]["Item"]["k"]["B"] for put in asked if put not in left]
        return Reply({"UnprocessedItems": {"t": left} if left else {}})

    def _row(self, key: str) -> dict[str, dict[str, str]]:
        vector = encode(base64.b64decode(key), np.ones(_DIMENSIONS, np.float32), 1, estimated=False)
        value = base64.b64encode(vector.kept()).decode()
        return {"k": {"B": key}, "v": {"B": value}, "e": {"N": "9999999999"}}


@dataclass(frozen=True, slots=True)
class Tried:
    """A cache, the operations that its DynamoDB was asked for, and the faults that it counted."""

    cache: DynamoDbCache
    requests: list[tuple[str, dict[str, object]]]
    faults: list[str]


@asynccontextmanager
async def cache_over(answer: Callable[[str, dict[str, Any]], Answer], limit_s: float = 5) -> AsyncGenerator[Tried]:
    faults: list[str] = []
    async with dynamodb_stub(answer) as (aws, stub):
        cache = DynamoDbCache(aws, "t", FakeClock(), CacheLimits(limit_s, limit_s), faults.append)
        yield Tried(cache, stub.requests, faults)


# The cache.


async def test_keys_that_were_left_unprocessed_are_asked_for_again() -> None:
    everything = entries(250)
    async with cache_over(Rows(lambda asked: asked[: len(asked) // 2]).answer) as tried:
        found = await tried.cache.get_many(list(everything), _DIMENSIONS)
        # Half of a hundred are left at first, 25 then, 12, and 6 in the end; of fifty, 3.
        assert (len(found), len(tried.requests)) == (250 - 6 - 6 - 3, 3 * 4)
        assert tried.faults == ["read"] * 3


async def test_keys_that_are_processed_in_the_end_are_all_found_and_no_fault() -> None:
    everything, rounds = entries(100), iter([60, 30, 0])
    async with cache_over(Rows(lambda asked: asked[: next(rounds)]).answer) as tried:
        assert await tried.cache.get_many(list(everything), _DIMENSIONS) == everything
        assert (len(tried.requests), tried.faults) == (3, [])


async def test_items_that_were_left_unprocessed_are_written_again() -> None:
    rounds = iter([20, 5, 0])
    rows = Rows(lambda asked: asked[: next(rounds)])
    async with cache_over(rows.answer) as tried:
        await tried.cache.put_many(entries(25), 60)
        assert len(set(rows.written)) == len(rows.written) == 25
        assert tried.faults == []


async def test_items_that_stay_unprocessed_are_given_up_after_a_few_times() -> None:
    async with cache_over(Rows(lambda asked: asked).answer) as tried:
        await tried.cache.put_many(entries(1), 60)
        assert (len(tried.requests), tried.faults) == (4, ["write", "not_written"])


async def test_a_read_has_at_most_a_hundred_keys_and_a_write_twenty_five_items() -> None:
    async with cache_over(Rows(lambda _: []).answer) as tried:
        await tried.cache.put_many(entries(51), 60)
        await tried.cache.get_many(list(entries(201)), _DIMENSIONS)
        sizes = [_size(*request) for request in tried.requests]
        assert sorted(sizes) == [1, 1, 25, 25, 100, 100]


async def test_a_throttled_lookup_is_made_again() -> None:
    throttled = [error(code) for code in _THROTTLED[:3]]
    async with cache_over(in_turn(*throttled, then=Rows(lambda _: []).answer)) as tried:
        assert await tried.cache.get_many(list(entries(1)), _DIMENSIONS) == entries(1)
        assert (len(tried.requests), tried.faults) == (4, [])


async def test_a_connection_that_ends_without_an_answer_is_made_anew_for_a_cache() -> None:
    async with cache_over(in_turn("reset", then=Rows(lambda _: []).answer)) as tried:
        assert await tried.cache.get_many(list(entries(1)), _DIMENSIONS) == entries(1)
        assert (len(tried.requests), tried.faults) == (2, [])


@pytest.mark.parametrize(
    ("answer", "kind", "asked"),
    [
        (error("AccessDeniedException"), "", 1),
        (error("InternalServerError", 500), "", 4),
        ("reset", "", 4),
        (Reply({"Responses": "nonsense"}), "", 1),
        (Reply({"Responses": {}, "UnprocessedKeys": {}, "UnprocessedItems": {}}, checksum_of=b"x"), "corrupt", 1),
    ],
    ids=["refused", "broken", "reset", "nonsense", "corrupt"],
)
async def test_whatever_goes_wrong_is_misses_and_one_count(answer: Answer, kind: str, asked: int) -> None:
    async with cache_over(always(answer)) as tried:
        assert await tried.cache.get_many(list(entries(1)), _DIMENSIONS) == {}
        assert (tried.faults, len(tried.requests)) == ([kind or "read"], asked)
        await tried.cache.put_many(entries(1), 60)
        assert (tried.faults[1:], len(tried.requests)) == ([kind or "write", "not_written"], 2 * asked)


async def test_rows_that_are_no_entries_are_misses_and_counted_and_the_others_are_hits() -> None:
    rows = Rows(lambda _: [])

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        reply: Any = rows.answer(operation, arguments)
        good, no_expiry, no_number, no_base64 = reply.body["Responses"]["t"]
        del no_expiry["e"]
        no_number["e"]["N"], no_base64["v"]["B"] = "soon", "?"
        return Reply({"Responses": {"t": [no_expiry, good, no_number, no_base64]}, "UnprocessedKeys": {}})

    async with cache_over(answer) as tried:
        first = next(iter(entries(1)))
        assert set(await tried.cache.get_many(list(entries(4)), _DIMENSIONS)) == {first}
        assert tried.faults == ["corrupt"] * 3


async def test_an_entry_that_is_not_what_was_written_is_counted_and_one_that_has_expired_is_not() -> None:
    rows = Rows(lambda _: [])

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        reply: Any = rows.answer(operation, arguments)
        _, other, _, expired, both = reply.body["Responses"]["t"]
        for row in (other, both):
            row["v"]["B"] = row["v"]["B"][:-4] + "AAA="
        for row in (expired, both):
            row["e"]["N"] = "1"
        return reply

    async with cache_over(answer) as tried:
        first, _, third, *_ = entries(5)
        assert await tried.cache.get_many(list(entries(5)), _DIMENSIONS) == {
            key: entries(5)[key] for key in (first, third)
        }
        assert tried.faults == ["corrupt"]


async def test_an_item_without_a_vector_is_a_miss_and_no_fault() -> None:
    rows = Rows(lambda _: [])

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        reply: Any = rows.answer(operation, arguments)
        del reply.body["Responses"]["t"][0]["v"]
        return reply

    async with cache_over(answer) as tried:
        _, second = entries(2)
        assert set(await tried.cache.get_many(list(entries(2)), _DIMENSIONS)) == {second}
        assert tried.faults == []


async def test_a_cache_that_hangs_costs_its_limit_and_what_has_come_by_then_are_hits() -> None:
    everything, rows = entries(200), Rows(lambda _: [])
    first = base64.b64encode(next(iter(everything))).decode()

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        hangs = operation == "BatchWriteItem" or {"k": {"B": first}} not in arguments["RequestItems"]["t"]["Keys"]
        return "hang" if hangs else rows.answer(operation, arguments)

    async with cache_over(answer, limit_s=0.3) as tried:
        reading = asyncio.create_task(tried.cache.get_many(list(everything), _DIMENSIONS))
        writing = asyncio.create_task(tried.cache.put_many(entries(30), 60))
        # Its client would give up after 3 s: the cache does so before.
        done, _ = await asyncio.wait({reading, writing}, timeout=2.9)
        assert done == {reading, writing}
        assert len(await reading) == 100
        assert Counter(tried.faults) == {"timeout": 2, "not_written": 30}


async def test_a_request_that_is_cancelled_does_not_wait_for_the_cache() -> None:
    async with cache_over(always("hang")) as tried:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await tried.cache.get_many(list(entries(1)), _DIMENSIONS)
        assert tried.faults == []


async def test_of_a_write_that_is_cut_off_what_was_not_confirmed_is_counted() -> None:
    asked, numbers = asyncio.Event(), count(1)

    def answer(_operation: str, _arguments: dict[str, Any]) -> Answer:
        number = next(numbers)
        if number == 3:
            asked.set()
        return Reply({"UnprocessedItems": {}}) if number == 1 else "hang"

    async with cache_over(answer) as tried:
        writing = asyncio.create_task(tried.cache.put_many(entries(75), 60))
        await asyncio.gather(asked.wait(), asyncio.sleep(0.05))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert tried.faults == ["not_written"] * 50


async def test_a_cache_that_keeps_failing_is_asked_no_more_until_a_probe_finds_it_well() -> None:
    rows, broken = Rows(lambda _: []), True
    wanted = list(entries(1))

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        return error("AccessDeniedException") if broken else rows.answer(operation, arguments)

    async with cache_over(answer) as tried:
        for _ in range(FAILURES_IN_A_ROW + 3):
            assert await tried.cache.get_many(wanted, _DIMENSIONS) == {}
        assert len(tried.requests) == FAILURES_IN_A_ROW
        assert Counter(tried.faults) == {"read": FAILURES_IN_A_ROW, "cache_breaker_opened": 1, "read_bypassed": 3}
        broken = False
        await tried.cache.put_many(entries(1), 60)
        assert len(tried.requests) == FAILURES_IN_A_ROW + 1, "writes have a breaker of their own"
        found: Mapping[bytes, StoredVector] = {}
        while not found:  # until it is open no longer: a second at most
            await asyncio.sleep(0.05)
            found = await tried.cache.get_many(wanted, _DIMENSIONS)
        assert len(tried.requests) == FAILURES_IN_A_ROW + 2
        assert await tried.cache.get_many(wanted, _DIMENSIONS) == entries(1)


async def test_that_there_was_nothing_to_write_says_nothing_of_the_table() -> None:
    async with cache_over(always(error("AccessDeniedException"))) as tried:
        for _ in range(FAILURES_IN_A_ROW):
            await tried.cache.put_many({}, 60)
            await tried.cache.put_many(entries(1), 60)
        assert "cache_breaker_opened" in tried.faults


async def test_a_reply_cut_at_sixteen_megabytes_is_asked_on_until_all_has_come() -> None:
    # Each reply has as many rows as fit, as DynamoDB does it: the rest is left unprocessed, in whatever order.
    rounds: list[int] = []

    def leave(asked: list[Any]) -> list[Any]:
        rounds.append(len(asked))
        return asked[::-1][: max(0, len(asked) - 40)]

    async with cache_over(Rows(leave).answer) as tried:
        assert await tried.cache.get_many(list(entries(100)), _DIMENSIONS) == entries(100)
        assert (rounds, tried.faults) == ([100, 60, 20], [])


async def test_what_is_throttled_while_others_are_served_costs_only_its_own_part() -> None:
    rows, first = Rows(lambda _: []), base64.b64encode(next(iter(entries(1)))).decode()

    def answer(operation: str, arguments: dict[str, Any]) -> Answer:
        busy = {"k": {"B": first}} in arguments["RequestItems"]["t"]["Keys"]
        return error("ThrottlingException") if busy else rows.answer(operation, arguments)

    async with cache_over(answer) as tried:
        assert len(await tried.cache.get_many(list(entries(150)), _DIMENSIONS)) == 50
        assert tried.faults == ["read"]


async def test_a_cache_that_is_not_there_is_misses() -> None:
    faults: list[str] = []
    aws = clients("http://127.0.0.1:9")
    cache = DynamoDbCache(aws, "t", FakeClock(), CacheLimits(5, 5), faults.append)
    assert await cache.get_many(list(entries(1)), _DIMENSIONS) == {}
    await cache.put_many(entries(1), 60)
    await aws.close()
    assert faults == ["read", "write", "not_written"]
    await aws.close()


# The ledger.


@pytest.mark.parametrize("code", _THROTTLED)
async def test_a_step_that_was_throttled_is_sent_again(code: str) -> None:
    async with dynamodb_stub(in_turn(error(code), error(code), then=always(_TAKEN))) as (aws, stub):
        assert await DynamoDbLedgerTable(aws, "t").apply("acme", "B", _TAKE) == Applied({"a": 9})
        assert len(stub.requests) == 3


async def test_a_step_that_stays_throttled_is_given_up_after_a_few_times() -> None:
    async with dynamodb_stub(always(error("ThrottlingException"))) as (aws, stub):
        with pytest.raises(ServiceUnavailable) as caught:
            await DynamoDbLedgerTable(aws, "t").apply("acme", "B", _TAKE)
        assert (caught.value.retry_after_s, len(stub.requests)) == (5, 4)


@pytest.mark.parametrize(
    "answer",
    [
        "reset",
        error("InternalServerError", 500),
        error("ServiceUnavailable", 503),
        error("ValidationException"),
        Reply(_TAKEN.body, checksum_of=b"x"),
        Reply(error("ThrottlingException").body, 400, checksum_of=b"x"),
        Reply({}),
        Reply({"Attributes": {"a": {"N": "many"}}}),
    ],
    ids=["reset", "500", "503", "invalid", "corrupt", "corrupt error", "no item", "no number"],
)
async def test_a_step_of_unknown_outcome_is_an_error_and_is_sent_exactly_once(answer: Answer) -> None:
    async with dynamodb_stub(in_turn(_TAKEN, then=always(answer))) as (aws, stub):
        table = DynamoDbLedgerTable(aws, "t")
        await table.apply("acme", "B", _TAKE)  # so that the connection is one that was used before
        with pytest.raises(ServiceUnavailable) as caught:
            await table.apply("acme", "B", _TAKE)
        assert (caught.value.retry_after_s, len(stub.requests)) == (5, 2)


@pytest.mark.slow
async def test_a_step_that_is_never_answered_is_an_error_and_is_sent_exactly_once() -> None:
    async with dynamodb_stub(always("hang")) as (aws, stub):
        with pytest.raises(ServiceUnavailable):
            await DynamoDbLedgerTable(aws, "t").apply("acme", "B", _TAKE)
        assert len(stub.requests) == 1


async def test_a_ledger_that_is_not_there_is_an_error() -> None:
    aws = clients("http://127.0.0.1:9")
    with pytest.raises(ServiceUnavailable):
        await DynamoDbLedgerTable(aws, "t").apply("acme", "B", _TAKE)
    await aws.close()


async def test_a_refusal_carries_the_time_of_the_store() -> None:
    kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    refusal = Reply({"__type": kind, "Item": {"pk": {"S": "acme"}, "a": {"N": "0"}}}, 400)
    async with dynamodb_stub(always(refusal)) as (aws, _):
        outcome = await DynamoDbLedgerTable(aws, "t").apply("acme", "B", _TAKE)
        assert outcome == Refused({"a": 0}, store_time_s=1_800_000_000.0)


_BOTH = ItemUpdate("acme", "B", _TAKE), ItemUpdate("L#acme#07", "id", _TAKE)


def cancelled(*codes: str, **first: object) -> Reply:
    kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    reasons = [{"Code": code, **(first if not number else {})} for number, code in enumerate(codes)]
    return Reply({"__type": kind, "message": "cancelled", "CancellationReasons": reasons}, 400)


@pytest.mark.parametrize(
    "passing",
    [
        cancelled("TransactionConflict", "None"),
        cancelled("None", "ThrottlingError"),
        cancelled("ProvisionedThroughputExceeded", "TransactionConflict"),
        error("TransactionInProgressException"),
        error("ThrottlingException"),
    ],
)
async def test_two_updates_that_were_certainly_not_made_are_sent_again_with_the_same_token(passing: Reply) -> None:
    async with dynamodb_stub(in_turn(passing, passing, then=always(Reply({})))) as (aws, stub):
        assert await DynamoDbLedgerTable(aws, "t").transact(*_BOTH) == (None, None)
        assert len(stub.requests) == 3
        assert len({str(asked["ClientRequestToken"]) for _, asked in stub.requests}) == 1


async def test_of_two_updates_the_one_that_is_refused_shows_its_item_and_is_not_sent_again() -> None:
    refusal = cancelled("ConditionalCheckFailed", "TransactionConflict", Item={"a": {"N": "0"}})
    async with dynamodb_stub(always(refusal)) as (aws, stub):
        outcome = await DynamoDbLedgerTable(aws, "t").transact(*_BOTH)
        assert outcome == (Refused({"a": 0}, store_time_s=1_800_000_000.0), None)
        assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "unknown", ["reset", error("InternalServerError", 500), cancelled("ValidationError", "None"), cancelled()]
)
async def test_two_updates_of_which_nobody_knows_whether_they_were_made_are_never_sent_again(unknown: Answer) -> None:
    async with dynamodb_stub(always(unknown)) as (aws, stub):
        with pytest.raises(ServiceUnavailable):
            await DynamoDbLedgerTable(aws, "t").transact(*_BOTH)
        assert len(stub.requests) == 1


# The configuration.


async def test_a_document_that_cannot_be_read_now_is_asked_for_again() -> None:
    found = Reply({"Items": [{"pk": {"S": "ROUTES"}, "sk": {"S": "small"}, "doc": {"S": "{}"}}]})
    async with dynamodb_stub(in_turn(error("ThrottlingException"), "reset", then=always(found))) as (aws, stub):
        assert await DynamoDbControlTable(aws, "t").query("ROUTES") == {"small": "{}"}
        assert len(stub.requests) == 3


async def test_a_partition_of_several_pages_is_read_to_its_end() -> None:
    last = {"pk": {"S": "ROUTES"}, "sk": {"S": "large"}}
    first = Reply({"Items": [last | {"doc": {"S": "1"}}], "LastEvaluatedKey": last})
    then = Reply({"Items": [{"pk": {"S": "ROUTES"}, "sk": {"S": "small"}, "doc": {"S": "2"}}]})
    async with dynamodb_stub(in_turn(first, then=always(then))) as (aws, stub):
        assert await DynamoDbControlTable(aws, "t").query("ROUTES") == {"large": "1", "small": "2"}
        assert [arguments.get("ExclusiveStartKey") for _, arguments in stub.requests] == [None, last]


async def test_dynamodb_is_told_when_a_document_may_go_and_of_others_nothing() -> None:
    async with dynamodb_stub(always(Reply())) as (aws, stub):
        await DynamoDbControlTable(aws, "t").put("REVOKED#own#x", "-", "{}", 1_900_000_000)
        await DynamoDbControlTable(aws, "t").put("ROUTES", "small", "{}")
    items: list[Any] = [arguments["Item"] for _, arguments in stub.requests]
    assert [item.get("ttl") for item in items] == [{"N": "1900000000"}, None]


@pytest.mark.parametrize(
    "answer", [_CORRUPT, error("AccessDeniedException"), error("InternalServerError", 500), "reset"]
)
async def test_a_configuration_out_of_reach_is_an_error(answer: Answer) -> None:
    async with dynamodb_stub(always(answer)) as (aws, _):
        control = DynamoDbControlTable(aws, "t")
        with pytest.raises(ServiceUnavailable):
            await control.replace("ROUTES", "small", "{}", None)
        with pytest.raises(ServiceUnavailable):
            await control.query("ROUTES")
        with pytest.raises(ServiceUnavailable):
            await control.put("ROUTES", "small", "{}")


@pytest.mark.parametrize(
    ("answer", "sent"), [("reset", 1), (error("InternalServerError", 500), 1), (error("ThrottlingException"), 4)]
)
async def test_an_exchange_of_unknown_outcome_is_sent_exactly_once(answer: Answer, sent: int) -> None:
    async with dynamodb_stub(always(answer)) as (aws, stub):
        with pytest.raises(ServiceUnavailable):
            await DynamoDbControlTable(aws, "t").replace("ROUTES", "small", None, "{}")
        assert len(stub.requests) == sent


def _size(operation: str, arguments: dict[str, Any]) -> int:
    asked = arguments["RequestItems"]["t"]
    return len(asked["Keys"] if operation == "BatchGetItem" else asked)
