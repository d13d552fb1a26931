"""Is an address inside exactly where not everybody can reach it, however it is written?"""

from __future__ import annotations

import pytest

from embedge.core.address import is_outside, leads_inside

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 (only looked at)
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "2002:0a00:0001::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_only_this_machine_or_network_reaches_is_inside(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:0101:0101::1"]
)
def test_what_everybody_reaches_is_outside(address: str) -> None:
    assert is_outside(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "a.localhost", "printer.local", "x.ec2.internal", "127.1.1.1", "[::1]", "localhost."],
)
def test_a_url_that_says_so_leads_inside(host: str) -> None:
    assert leads_inside(f"https://{host}:8080/v1")


@pytest.mark.parametrize("host", ["api.openai.com", "1.1.1.1", "localhost.example.com", "internal.example.com"])
def test_a_name_may_lead_anywhere(host: str) -> None:
    assert not leads_inside(f"https://{host}/v1")
