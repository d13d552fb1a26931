"""What does a function's environment say of AWS: where is it, and who are we?

Only what is plain is read: keys in the environment, a Region of the main partition, at most another endpoint. Whatever
else decides for an AWS SDK (profiles, proxies, FIPS, dual-stack, roles, files) is left to one: then there is no answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_REGION = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d")
# https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html#EVarSettings, read 2026-11.
_DECIDES_MORE = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "https_proxy",
    "http_proxy",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests are signed with. They are Lambda's, and end with the process."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DynamoDbAccess:
    """Where DynamoDB is, who we are there, and a file with whom we trust, where the environment names one."""

    url: str
    region: str
    credentials: Credentials
    trusted: str | None = None


def dynamodb_access(environ: Mapping[str, str]) -> DynamoDbAccess | None:
    """Return what the environment says; None where an SDK would look further."""
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not (key and secret and _REGION.fullmatch(region)) or any(environ.get(name) for name in _DECIDES_MORE):
        return None
    url = environ.get("AWS_ENDPOINT_URL_DYNAMODB") or environ.get("AWS_ENDPOINT_URL")
    if url is not None and not _is_plain(url):
        return None
    return DynamoDbAccess(
        url or f"https://dynamodb.{region}.amazonaws.com",
        region,
        Credentials(key, secret, environ.get("AWS_SESSION_TOKEN", "")),
        environ.get("AWS_CA_BUNDLE") or None,
    )


def _is_plain(url: str) -> bool:
    """Tell whether a URL is a scheme, a host and perhaps a port."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.path.strip("/") or parts.query)
