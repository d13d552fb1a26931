"""Does this address lie outside, where everybody can reach it, or inside a machine or a network of somebody's own?"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

# Addresses of IPv6 that carry one of IPv4 to a translator (RFC 6052); a network that has one translates any.
_TRANSLATED = IPv6Network("64:ff9b::/96")


def is_outside(address: str) -> bool:
    """Tell whether an IP address is one that everybody can reach."""
    ip = _innermost(ip_address(address.partition("%")[0]))
    return ip.is_global and not ip.is_multicast


def leads_inside(url: str) -> bool:
    """Tell whether a URL says by itself that it leads inside; a name may still turn out to."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return not is_outside(host)
    except ValueError:  # a name
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def wrong_url(url: str, *, private: bool) -> str | None:
    """Say what is wrong with the URL of who is to be asked, if anything is; only what is private may lie inside."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            return "a URL such as https://api.openai.com/v1 is needed"
    except ValueError:
        return "this is not a URL"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "no user, password or fragment may stand in it; a key is named by `secret`"
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        return "it must be https, or http for a target that says `private: true`"
    if leads_inside(url) and not private:
        return "it leads inside; a target that is meant to says `private: true`"
    return None


def _innermost(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _TRANSLATED:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
