"""Where may this secret go? Only to the hosts that it names itself, whatever a route says.

Whoever may write a route could otherwise point it at a host of their own and be sent somebody's key. So a secret is
JSON, `{"key": "sk-...", "hosts": ["api.openai.com", "*.openai.azure.com"]}`. One that is nothing but a key names no
host, and goes only where whoever reads it knows that it belongs.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\]")


class UnusableSecret(Exception):
    """It is JSON, and not of the form that a secret has."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A key, and the hosts that may see it; `*.example.com` is every host below example.com."""

    key: str
    hosts: frozenset[str]

    def may_go_to(self, endpoint: str) -> bool:
        """Tell whether the host of this URL is one of them."""
        host = (urlsplit(endpoint).hostname or "").lower()
        above = (host[dot + 1 :] for dot, character in enumerate(host) if character == ".")
        return host in self.hosts or any(f"*.{domain}" in self.hosts for domain in above)


def parse_secret(text: str, known_hosts: Iterable[str] = ()) -> Secret:
    """Read a secret; `known_hosts` are where it belongs if it is nothing but a key. Raises: UnusableSecret."""
    if not text:
        raise UnusableSecret
    if not text.lstrip().startswith("{"):
        return Secret(text, frozenset(known_hosts))
    try:
        document: object = json.loads(text)
    except ValueError:
        raise UnusableSecret from None  # the message of that error quotes it
    fields = cast("dict[str, object]", document)
    key, hosts = fields.get("key"), fields.get("hosts")
    if not isinstance(key, str) or not key or not isinstance(hosts, list) or not hosts:
        raise UnusableSecret
    return Secret(key, frozenset(_host(host) for host in cast("list[object]", hosts)))


def _host(value: object) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value.lower()):
        raise UnusableSecret
    return value.lower().strip("[]")
