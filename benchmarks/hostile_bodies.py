"""With which bodies would one try to keep a router busy? Each kind can be made of any size, and is refused."""

import gzip
import random
from collections.abc import Callable, Mapping
from functools import cache

MODEL = "bench"
_HEAD = b'{"model":"bench","input":'
_ZEROS = 16 * 1024 * 1024


@cache
def _noise() -> bytes:
    return random.Random(0).randbytes(5_000_000)  # noqa: S311 (what cannot be compressed)


def _filled(size_bytes: int, head: bytes, unit: bytes, tail: bytes = b"") -> bytes:
    """Return `head`, as many units as fit, and `tail`."""
    return head + unit * ((size_bytes - len(head) - len(tail)) // len(unit)) + tail


def _of(head: bytes, unit: bytes, tail: bytes = b"") -> Callable[[int], bytes]:
    return lambda size_bytes: _filled(size_bytes, head, unit, tail)


def _names(size_bytes: int) -> bytes:
    """Return an object of many unknown names, each another one."""
    return b"{" + b",".join(b'"%08d":0' % number for number in range(size_bytes // 13)) + b"}"


def _stored(size_bytes: int) -> bytes:
    """Return gzip that nothing was saved with, and that is cut off at its end."""
    return gzip.compress(_noise()[:size_bytes], 1)[: size_bytes - 1]


def _bomb(size_bytes: int) -> bytes:
    """Return members that each inflate to a thousand times what they have."""
    member = gzip.compress(b" " * _ZEROS)
    return member * max(1, size_bytes // len(member))


PLAIN: Mapping[str, Callable[[int], bytes]] = {
    "[[[[": _of(b"", b"["),
    '{"a":{"a":': _of(b"", b'{"a":'),
    "[[1000 deep]], again and again": _of(_HEAD + b"[", b"[" * 1000 + b"]" * 1000 + b",", b"0]}"),
    "the same, and a field twice": _of(_HEAD + b'0,"user":0,"user":0,"x":[', b"[" * 1000 + b"]" * 1000 + b",", b"0]}"),
    "[[],[],[],": _of(_HEAD + b"[", b"[],", b"0]}"),
    "[{},{},{},": _of(_HEAD + b"[", b"{},", b"0]}"),
    '["a","a","a",': _of(_HEAD + b"[", b'"a",', b"0]}"),
    "token ids, and no token id at the end": _of(_HEAD + b"[[", b"7,", b"true]]}"),
    "token ids, too many": _of(_HEAD + b"[[", b"7,", b"7]]}"),
    "one long text": _of(_HEAD + b'"', b"a", b'"}'),
    "one long text of escapes": _of(_HEAD + b'"', b"\\u00e9", b'"}'),
    "escapes, and no end": _of(_HEAD + b'"', b"\\u00e9"),
    "escapes, and half a pair at the end": _of(_HEAD + b'"', b"\\ud83d\\ude00", b'\\ud83d"}'),
    "backslashes": _of(_HEAD + b'"', b"\\\\"),
    "quotation marks": _of(_HEAD, b'"'),
    "not UTF-8, at its very end": _of(_HEAD + b'"', "é".encode(), b'\xff"}'),
    "a line break in a string, at its very end": _of(_HEAD + b'"', b"a", b'\n"}'),
    "a long unknown name": _of(b'{"', b"x", b'":0}'),
    "a long unknown name of escapes": _of(b'{"', b"\\u0078", b'":0}'),
    "many unknown names": _names,
    "one unknown name many times": _of(b"{", b'"x":0,', b'"x":0}'),
    "one of our names many times": _of(b"{", b'"user":0,', b'"user":0}'),
    "the same, escaped": _of(b"{", b'"us\\u0065r":0,', b'"user":0}'),
    "our names as texts": _of(_HEAD + b"[", b'"input",', b'"input"]}'),
    "our names in texts": _of(_HEAD + b'"', b'\\"input\\":', b'","user":0}'),
    "a long integer": _of(_HEAD, b"9", b"}"),
    "a long integer, and a field twice": _of(b'{"user":0,"user":0,"x":0.', b"9", b"}"),
    "many long numbers, and a field twice": _of(b'{"user":0,"user":0,"x":[', b"9" * 300 + b",", b"0]}"),
    "a long fraction": _of(_HEAD + b"0.", b"9", b"}"),
    "a long exponent": _of(_HEAD + b"1e", b"9", b"}"),
    "white space": _of(b"", b" "),
    "line breaks, and no JSON behind": _of(b"", b"\n", b"x"),
    "NUL": _of(b"", b"\0"),
}
GZIP: Mapping[str, Callable[[int], bytes]] = {
    "gzip: a bomb": _bomb,
    "gzip: members of nothing": _of(b"", gzip.compress(b"")),
    "gzip: members of one byte": _of(b"", gzip.compress(b" ")),
    "gzip: noise, cut off": _stored,
    "gzip: none at all": _of(b"", b"\x1f\x8b"),
}


def route() -> bytes:
    """Return a route that refuses every input of more than 1,000 bytes or tokens, before anything is sent."""
    return b"""{
        "alias": "bench", "space": {"model": "bench", "revision": "1", "dimensions": 8},
        "max_input_tokens": 1000, "tokenizer": {"family": "byte_bpe"}, "token_inputs": "native",
        "targets": [{"id": "nowhere", "provider": "openai", "transport": "https",
                     "endpoint": "http://127.0.0.1:9/v1", "private": true, "price_usd_per_million_tokens": "0",
                     "limits": {"body_bytes": 1000}}]}"""
