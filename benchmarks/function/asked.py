"""What is asked of both functions? The cases, as API Gateway's events.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import orjson

Who = Literal["known", "unknown", "exhausted"]
_new = itertools.count()


@dataclass(frozen=True, slots=True)
class Case:
    """So many inputs that both caches have, and so many that nobody has asked for before; asked `rounds` times."""

    name: str
    rounds: int
    hits: int = 0
    misses: int = 0
    encoding: Literal["base64", "float"] = "base64"
    who: Who = "known"
    status: int = 200

    def body(self) -> bytes:
        """Return a request; its new inputs are others each time."""
        texts = [*(_old(number) for number in range(self.hits)), *(_passage(next(_new)) for _ in range(self.misses))]
        return orjson.dumps({"model": "bench", "input": texts, "encoding_format": self.encoding})


MOST_HITS = 2048
CASES = (
    Case("one hit", 400, hits=1),
    Case("100 hits base64", 300, hits=100),
    Case("100 hits float", 40, hits=100, encoding="float"),
    Case("700 hits base64", 60, hits=700),
    Case("one miss", 80, misses=1),
    Case("100 misses", 30, misses=100),
    Case("mixed 50/50", 30, hits=50, misses=50),
    Case("2048 inputs 303", 12, hits=MOST_HITS, status=303),
    Case("401", 200, hits=1, who="unknown", status=401),
    Case("429", 200, hits=1, who="exhausted", status=429),
)
FROM_MEMORY = (
    Case("one, memory", 400, hits=1),
    Case("100, memory", 300, hits=100),
    Case("100 float, memory", 40, hits=100, encoding="float"),
)
FIRST = Case("first request", 1, hits=1)


def filling() -> tuple[bytes, ...]:
    """Return requests that fill a cache with all that is to be found there."""
    texts = [_old(number) for number in range(MOST_HITS)]
    parts = [texts[start : start + 256] for start in range(0, MOST_HITS, 256)]
    return tuple(orjson.dumps({"model": "bench", "input": part, "encoding_format": "base64"}) for part in parts)


def event_of(token: str) -> Callable[[bytes], bytes]:
    """Return what makes a body the event of a request with this token."""

    def event(body: bytes) -> bytes:
        headers = {
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "host": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "user-agent": "OpenAI/Python 2.8.0",
            "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-stainless-lang": "python",
            "x-stainless-package-version": "2.8.0",
            "x-stainless-retry-count": "0",
            "x-stainless-runtime-version": "3.13.0",
        }
        return orjson.dumps(
            {
                "resource": "/{proxy+}",
                "path": "/v1/embeddings",
                "httpMethod": "POST",
                "headers": headers,
                "multiValueHeaders": {name: [value] for name, value in headers.items()},
                "queryStringParameters": None,
                "multiValueQueryStringParameters": None,
                "pathParameters": {"proxy": "v1/embeddings"},
                "stageVariables": None,
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "abcdefghij",
                    "httpMethod": "POST",
                    "identity": {"sourceIp": "192.0.2.1", "userAgent": "OpenAI/Python 2.8.0"},
                    "path": "/prod/v1/embeddings",
                    "protocol": "HTTP/1.1",
                    "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                    "resourceId": "123456",
                    "resourcePath": "/{proxy+}",
                    "stage": "prod",
                },
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
        )

    return event


def _old(number: int) -> str:
    return f"a passage of some length that both have in their caches, the one with the number {number}"


def _passage(number: int) -> str:
    return f"a passage of some length that nobody has asked for before, the one with the number {number}"
