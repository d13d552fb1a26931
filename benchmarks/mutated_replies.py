"""Does the lean client read every reply as aiobotocore's does, whatever is wrong with it? `make bench-mutated`.

Real replies are cut, doubled, swapped and garbled, most of them with the checksum of what came of that; each is given
to both clients, which must return the same or raise the same. Then what travels is garbled, frame included: what our
connections take for a reply must be what h11 reads. It ends with status 1 and the first reply that differs.
"""

import argparse
import asyncio
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import h11
import orjson
from botocore.exceptions import ClientError

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.aws_reply import RawReply, read_head
from embedge.adapters.aws_signature import Signer
from embedge.adapters.dynamodb_lean import LeanDynamoDb, replayed
from embedge.core.aws_access import Credentials

_REFUSAL = (
    b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The condi\xc3\xa4tion"'
)
_ITEM = b'{"pk":{"S":"RATE#acme"},"sk":{"S":"requests"},"t":{"N":"1796000000000000"}}'
_ERROR = b'{"__type":"com.amazon.coral.service#ThrottlingException","Message":"slow down"}'
REPLIES: Mapping[str, tuple[tuple[int, bytes], ...]] = {
    "BatchGetItem": (
        (200, b'{"Responses":{"t":[{"k":{"B":"AAEC"},"v":{"B":"AAECAwQF"},"e":{"N":"17"}}]},"UnprocessedKeys":{}}'),
        (400, _ERROR),
    ),
    "BatchWriteItem": (
        (200, b'{"UnprocessedItems":{}}'),
        (200, b'{"UnprocessedItems":{"t":[{"PutRequest":{"Item":{"k":{"B":"AAEC"}}}}]}}'),
        (500, b"<html>no</html>"),
    ),
    "PutItem": ((200, b"{}"), (400, _REFUSAL + b"}"), (400, _REFUSAL + b',"Item":' + _ITEM + b"}")),
    "Query": (
        (
            200,
            b'{"Count":1,"Items":[{"pk":{"S":"ROUTES"},"sk":{"S":"a"},"doc":{"S":"{\\"a\\": 1}"}}],"ScannedCount":1}',
        ),
        (200, b'{"Count":0,"Items":[],"ScannedCount":0,"LastEvaluatedKey":{"pk":{"S":"a"}}}'),
    ),
    "TransactWriteItems": (
        (200, b"{}"),
        (
            400,
            b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":'
            b'[{"Code":"None"},{"Code":"ConditionalCheckFailed","Item":' + _ITEM + b',"Message":"no"}],"Message":"no"}',
        ),
    ),
    "UpdateItem": (
        (200, b'{"Attributes":' + _ITEM + b"}"),
        (400, _REFUSAL + b"}"),
        (400, _REFUSAL + b',"Item":' + _ITEM + b"}"),
        (400, _ERROR),
        (503, b""),
    ),
}
# As much of a request as the plain client needs to go on to the reply.
_ASKED: Mapping[str, Mapping[str, object]] = {
    "BatchGetItem": {"RequestItems": {"t": {"Keys": [{"k": {"B": b"k"}}]}}},
    "BatchWriteItem": {"RequestItems": {"t": [{"PutRequest": {"Item": {"k": {"B": b"k"}}}}]}},
    "TransactWriteItems": {"TransactItems": [], "ClientRequestToken": "t"},
}
_TOKENS = (
    *(
        b'"N"',
        b'"S"',
        b'"B"',
        b'"M"',
        b'"L"',
        b'"BS"',
        b'"NULL"',
        b"null",
        b"true",
        b"NaN",
        b"1e999",
        b"-0",
        b"{}",
        b"[]",
    ),
    *(b'"\\ud800"', b'"\\u0000"', b"\xff", b'"Item"', b'"Attributes"', b'"Message"', b'"message"', b'"__type":"a:b#c"'),
    *(b",", b":", b'"', b"{", b"}", b"[", b"]", b" ", b"\n", b"9" * 30),
)
_STATUSES = (200, 200, 200, 201, 299, 300, 301, 400, 400, 404, 413, 500, 503)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client did with a reply: what it returned, or the kind of what it raised and what that shows."""

    kind: str
    shown: object


class Both:
    """Both clients, given replies instead of connections."""

    def __init__(self, aws: AwsClients) -> None:
        """Take where the plain client comes from."""
        self._aws = aws
        self.reply = RawReply(200, {}, b"{}")
        signer = Signer(Credentials("id", "secret", ""), "us-east-1", "h")
        self._lean = LeanDynamoDb(signer, cast("Any", self), lambda: 0.0, aws.plain_dynamodb)
        self.url = "http://h"

    async def exchange(self, request: bytes) -> RawReply:
        """Return the reply that is looked at: as Connections does."""
        del request
        return self.reply

    async def read(self, operation: str, reply: RawReply) -> tuple[Seen, Seen]:
        """Return what the lean and the plain client do with it."""
        self.reply = reply
        asked: dict[str, object] = dict(_ASKED.get(operation, {"TableName": "t"}))
        lean = await _seen(lambda: cast("Any", self._lean)._ask(operation, asked))  # noqa: SLF001 (under its methods)
        plain: Any = await self._aws.plain_dynamodb()
        token = replayed.set(reply)
        try:
            return lean, await _seen(lambda: plain._make_api_call(operation, asked))  # noqa: SLF001 (under its methods)
        finally:
            replayed.reset(token)


async def _seen(ask: Callable[[], Any]) -> Seen:
    try:
        return Seen("returned", _told(await ask()))
    except ClientError as error:  # of which botocore makes a class for each code; nobody asks for those
        return Seen("ClientError", (error.operation_name, _told(cast("Any", error.response))))
    except Exception as error:  # noqa: BLE001 (whatever one raises, the other has to)
        return Seen(type(error).__name__, str(error))


def _told(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return all of it but that one attempt was the only one that was allowed: the lean client knows of no others."""
    metadata = {name: value for name, value in response["ResponseMetadata"].items() if name != "MaxAttemptsReached"}
    return {**response, "ResponseMetadata": metadata}


def mutated_reply(draw: random.Random) -> tuple[str, RawReply]:
    """Return a reply to an operation, of which most have something wrong with them."""
    operation = draw.choice(tuple(REPLIES))
    status, body = draw.choice(REPLIES[operation])
    if draw.random() < 0.1:
        status, body = draw.choice(REPLIES[draw.choice(tuple(REPLIES))])
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
        body = garbled(draw, body)
    if draw.random() < 0.2:
        status = draw.choice(_STATUSES)
    headers = {"content-length": str(len(body)), "x-amzn-requestid": "R", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    if draw.random() < 0.9:
        headers["x-amz-crc32"] = str(zlib.crc32(body if draw.random() < 0.95 else body + b"x"))
    if draw.random() < 0.05:
        headers["x-amzn-query-error"] = draw.choice(("Queried;Sender", "Queried", ""))
    if draw.random() < 0.05:
        del headers["x-amzn-requestid"]
    return operation, RawReply(status, headers, body)


def garbled(draw: random.Random, body: bytes) -> bytes:
    """Return other bytes: some cut out, doubled, changed, or a token put among them."""
    at, to = sorted(draw.randrange(len(body) + 1) for _ in range(2))
    match draw.randrange(6):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + body[to:]
        case 2:
            return body[:to] + body[at:]
        case 3:
            return body[:at] + bytes((draw.randrange(256),)) + body[at + 1 :]
        case 4:
            return body[:at] + draw.choice(_TOKENS) + body[to if draw.random() < 0.5 else at :]
        case _:
            return _renested(draw, body)


def _renested(draw: random.Random, body: bytes) -> bytes:
    """Put another value in the place of one, and leave it JSON."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return body
    place = document
    while isinstance(place, dict) and place:
        places = cast("dict[str, Any]", place)
        name = draw.choice(tuple(places))
        if draw.random() < 0.4 or not isinstance(places[name], dict):
            places[name] = draw.choice(
                (None, 1, "s", "AA==", [], {}, {"S": "s"}, {"B": "!"}, {"N": 1}, {"S": "a", "N": "1"})
            )
            break
        place = places[name]
    return orjson.dumps(document)


def frame_seen(sent: bytes) -> tuple[tuple[int, Mapping[str, str], bytes] | None, bool]:
    """Return what we take for a reply, None where nothing; and whether h11 reads the same, or we take nothing."""
    end = sent.find(b"\r\n\r\n")
    head = read_head(sent[:end]) if end >= 0 else None
    if head is None:
        return None, True
    status, headers = head
    length = int(headers["content-length"])
    body = sent[end + 4 : end + 4 + length]
    if len(body) < length or len(sent) > end + 4 + length:
        return None, True  # unfinished, or more than was announced: the connection waits, or is given up
    ours = (status, headers, body)
    return ours, ours == _as_h11_reads(sent)


def _as_h11_reads(sent: bytes) -> tuple[int, Mapping[str, str], bytes] | None:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(sent)
    body = bytearray()
    status, headers = 0, dict[str, str]()
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return None
    except h11.RemoteProtocolError:
        return None
    return status, headers, bytes(body)


async def compare(how_many: int, seed: int) -> Counter[str]:
    """Compare that many replies, and as many frames. Returns what was done with them. Raises: AssertionError."""
    draw, counted = random.Random(seed), Counter[str]()  # noqa: S311 (no secret)
    aws = AwsClients(StandIn("http://h", "us-east-1", "id", "secret"))
    try:
        both = Both(aws)
        for _ in range(how_many):
            operation, reply = mutated_reply(draw)
            lean, plain = await both.read(operation, reply)
            assert lean == plain, f"{operation} {reply}: {lean} is not {plain}"
            counted[plain.kind] += 1
            frame = garbled(draw, _FRAME) if draw.random() < 0.9 else _FRAME
            taken, agreed = frame_seen(frame)
            assert agreed, f"{frame!r} was taken for {taken}"
            counted["frames refused" if taken is None else "frames taken"] += 1
    finally:
        await aws.close()
    return counted


_FRAME = (
    b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
    b"x-amz-crc32: 2745614147\r\n\r\n{}"
)


def main() -> None:
    """Compare, and say how many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        counted = asyncio.run(compare(arguments.replies, arguments.seed))
    except AssertionError as differs:
        raise SystemExit(f"mutated: {differs}") from None
    print(f"{arguments.replies:,} replies and as many frames, all read alike:")
    for kind, count in counted.most_common():
        print(f"{count:9,}  {kind}")


if __name__ == "__main__":
    main()
