"""Which requests can be read at a glance? A POST whose head came whole and says nothing unusual, as nearly all do.

h11 reads HTTP event by event, a quarter of what a hit takes. The law: what is read here h11 reads just so (a test
compares them), and what is anything but plain is not read here, but by h11.
"""

import re
from dataclasses import dataclass

# As h11's grammar has them, but for values: those with a control character in them are left to h11, as empty ones are.
_LINE = re.compile(rb"POST ([\x21-\x7e]+) HTTP/1\.1\r\n")
_NAME, _VISIBLE = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+", rb"[\x21-\x7e\x80-\xff]"
_VALUE = rb"%b(?:[\t\x20-\x7e\x80-\xff]*%b)?" % (_VISIBLE, _VISIBLE)
_FIELD = re.compile(rb"^(%b):[ \t]*(%b)[ \t]*\r\n" % (_NAME, _VALUE), re.MULTILINE)
_LENGTH = re.compile(rb"[0-9]{1,6}")
_LARGEST_HEAD_BYTES = 16_384
# A body that is answered before it has come is heard out, whatever it holds; larger ones h11 is to deal with.
_LARGEST_BODY_BYTES = 262_144
# What says how a body comes, or what is to become of the connection.
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A head, its names in lower case, and what has come behind it: `length` bytes of body are to be expected."""

    target: bytes
    headers: list[tuple[bytes, bytes]]
    length: int
    rest: bytes


def read_plain(data: bytes) -> PlainRequest | None:
    """Return the request that the bytes begin with; None where h11 has to read them."""
    end = data.find(b"\r\n\r\n", 0, _LARGEST_HEAD_BYTES) + 2
    line = _LINE.match(data)
    if line is None or end < line.end():
        return None
    found = _FIELD.findall(data, line.end(), end)
    headers = [(name.lower(), value) for name, value in found]
    named = dict(headers)
    length = _LENGTH.fullmatch(named.get(b"content-length", b""))
    whole = len(found) == data.count(b"\n", line.end(), end) == len(named)
    if not whole or length is None or b"host" not in named or not _UNUSUAL.isdisjoint(named):
        return None
    if named.get(b"connection", b"keep-alive").lower() != b"keep-alive" or int(length[0]) > _LARGEST_BODY_BYTES:
        return None
    return PlainRequest(line[1], headers, int(length[0]), data[end + 2 :])
