"""What stands behind a function that is measured? DynamoDB, OpenAI and S3 on one port, over TLS, in another process.

`python -m benchmarks.function.stub_cloud CERTIFICATE KEY` prints its port. It speaks HTTP/1.1 on connections that are
kept, and `POST /-/put` keeps an item, `POST /-/close` ends every other connection, as servers do with idle ones.
"""

import asyncio
import ssl
import sys
import zlib
from email.utils import formatdate
from typing import Any

import numpy as np
import orjson
import pybase64
from typing_extensions import override

from benchmarks.function.stub_dynamodb import StubDynamoDb

DIMENSIONS = 1536
_VECTORS = 64


class _Cloud:
    """All that the connections share."""

    def __init__(self) -> None:
        self.dynamodb = StubDynamoDb()
        self.connections: set[_Connection] = set()
        drawn = np.random.default_rng(1).standard_normal((_VECTORS, DIMENSIONS)).astype(np.float32)
        vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        self._floats = [orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY) for vector in vectors]
        self._base64 = [b'"%b"' % pybase64.b64encode(vector.tobytes()) for vector in vectors]

    def answer(self, connection: "_Connection", head: bytes, body: bytes) -> tuple[int, bytes]:
        method, path, _ = head.split(b" ", 2)
        if method == b"PUT":  # an object, to S3
            return 200, b""
        if path == b"/v1/embeddings":
            return 200, self._embeddings(orjson.loads(body))
        if path == b"/-/put":
            asked = orjson.loads(body)
            self.dynamodb.put(asked["table"], asked["item"])
            return 200, b""
        if path == b"/-/close":
            for other in tuple(self.connections - {connection}):
                other.close()
            return 200, b""
        return self.dynamodb.answer(_operation(head), body)

    def _embeddings(self, asked: dict[str, Any]) -> bytes:
        count = 1 if isinstance(asked["input"], str) else len(asked["input"])
        written = self._base64 if asked.get("encoding_format") == "base64" else self._floats
        data = b",".join(
            b'{"object":"embedding","index":%d,"embedding":%b}' % (index, written[index % _VECTORS])
            for index in range(count)
        )
        usage = b'{"prompt_tokens":%d,"total_tokens":%d}' % (12 * count, 12 * count)
        return b'{"object":"list","data":[%b],"model":"bench","usage":%b}' % (data, usage)


class _Connection(asyncio.Protocol):
    def __init__(self, cloud: _Cloud) -> None:
        self._cloud = cloud
        self._received = bytearray()
        self._told_to_continue = False
        self._transport: Any = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._cloud.connections.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cloud.connections.discard(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            size = int(_header(head, b"content-length") or b"0")
            if len(self._received) < end + 4 + size:
                if _header(head, b"expect") and not self._told_to_continue:
                    self._told_to_continue = True
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._told_to_continue = False
            body = bytes(self._received[end + 4 : end + 4 + size])
            del self._received[: end + 4 + size]
            self._transport.write(_reply(*self._cloud.answer(self, head, body)))

    def close(self) -> None:
        self._transport.close()


def _reply(status: int, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Bad Request'}\r\nServer: Server\r\n"
        f"Date: {formatdate(usegmt=True)}\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\n"
        "x-amzn-RequestId: VJ3CMUKQAGOHE0E5FOGOBMDN47VV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
        f"x-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


def _operation(head: bytes) -> str:
    return (_header(head, b"x-amz-target") or b"").decode().rpartition(".")[2]


def _header(head: bytes, name: bytes) -> bytes | None:
    start = head.lower().find(b"\r\n" + name + b":")
    return head[start + len(name) + 3 :].split(b"\r\n", 1)[0].strip() if start >= 0 else None


async def _serve(certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    cloud = _Cloud()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(cloud), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:3]))
