"""What stands behind the router under load? OpenAI's wire format, one vector for all, faster than what is measured.

`python -m benchmarks.server.stub` prints its port, and ends when its standard input closes.
"""

import asyncio
import base64
import json
import sys
from typing import cast

import numpy as np
from typing_extensions import override

DIMENSIONS = 1536
_ONE = base64.b64encode(np.full(DIMENSIONS, DIMENSIONS**-0.5, "<f4").tobytes()).decode()
_TOKENS = 8


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
            del self._received[:whole]
            assert self._transport is not None
            self._transport.write(_answer(body))


def _length(head: bytes) -> int:
    return int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])


def _answer(body: bytes) -> bytes:
    inputs: str | list[str] = json.loads(body)["input"]
    count = len(inputs) if isinstance(inputs, list) else 1
    data = ",".join(f'{{"index":{index},"embedding":"{_ONE}"}}' for index in range(count))
    content = f'{{"data":[{data}],"usage":{{"prompt_tokens":{_TOKENS * count}}}}}'.encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
