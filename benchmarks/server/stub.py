"""What stands behind the router under load? OpenAI's wire format, one vector for all, faster than what is measured.

`python -m benchmarks.server.stub` prints its port, and ends when its standard input closes. What is asked under `/slow`
is answered 50 ms later.
"""

import asyncio
import base64
import sys
from functools import cache
from typing import cast

import numpy as np
import orjson
from typing_extensions import override

from benchmarks.server.wire import DIMENSIONS

_VECTOR = np.random.default_rng(0).normal(0, DIMENSIONS**-0.5, DIMENSIONS).astype("<f4")
_WRITTEN = {
    "base64": b'"%b"' % base64.b64encode(_VECTOR.tobytes()),
    "float": orjson.dumps(_VECTOR, option=orjson.OPT_SERIALIZE_NUMPY),
}
_TOKENS = 8
_SLOW_S = 0.05


class _Connection(asyncio.Protocol):
    """Reads requests, one after the other, and answers each as soon as it is whole."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _length(bytes(self._received[:end]).lower())
            if len(self._received) < whole:
                return
            body = bytes(self._received[end + 4 : whole])
            slow = self._received.startswith(b"POST /slow/")
            del self._received[:whole]
            assert self._transport is not None
            if slow:
                asyncio.get_running_loop().call_later(_SLOW_S, self._transport.write, _answer(body))
            else:
                self._transport.write(_answer(body))


def _length(head: bytes) -> int:
    return int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])


def _answer(body: bytes) -> bytes:
    asked = orjson.loads(body)
    inputs: str | list[str] = asked["input"]
    return _written(len(inputs) if isinstance(inputs, list) else 1, asked["encoding_format"])


@cache
def _written(count: int, encoding: str) -> bytes:
    data = b",".join(b'{"index":%d,"embedding":%b}' % (index, _WRITTEN[encoding]) for index in range(count))
    content = b'{"data":[%b],"usage":{"prompt_tokens":%d}}' % (data, _TOKENS * count)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
    return head + content


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
