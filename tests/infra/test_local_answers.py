"""Does the laptop's store give an answer to whoever has its link, in time, without a token, and to nobody else?"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from embedge.adapters.answers_folder import FolderAnswers
from embedge.adapters.clock_system import SystemClock
from embedge.ports import NotKept
from infra.local.answers import kept_answers, store, sweep
from infra.local.listening import Address, listen
from infra.local.reached import NamedAsReached
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

KEY = bytes(32)
BODY = b'{"object":"list"}' * 100_000


async def get(folder: Path, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(store(folder, KEY))
    async with httpx.AsyncClient(transport=transport, base_url="http://store.test") as client:
        return await client.request(method, url, headers=headers)


async def kept(folder: Path, body: bytes = BODY, given_s: float | None = None) -> str:
    clock = SystemClock() if given_s is None else FakeClock(given_s)
    return await FolderAnswers(folder, "http://store.test", KEY, clock).keep("acme", body)


def refused(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/xml"
    return response.status_code, response.text.partition("<Code>")[2].partition("</Code>")[0]


async def test_what_was_kept_is_fetched_byte_for_byte_as_json_that_no_cache_keeps(tmp_path: Path) -> None:
    response = await get(tmp_path, await kept(tmp_path))
    assert (response.status_code, response.content) == (200, BODY)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "private, no-store"


async def test_a_page_in_a_browser_may_fetch_it_after_a_redirect_which_makes_its_origin_null(tmp_path: Path) -> None:
    url = await kept(tmp_path)
    asked = {
        "origin": "null",
        "access-control-request-method": "GET",
        "access-control-request-headers": "x-stainless-os",
    }
    preflight = await get(tmp_path, url, "OPTIONS", **asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-headers"] == "x-stainless-os"
    fetched = await get(tmp_path, url, origin="null")
    assert {one.headers["access-control-allow-origin"] for one in (preflight, fetched)} == {"*"}


async def test_no_two_answers_have_one_name_and_none_shows_whose_it_is(tmp_path: Path) -> None:
    paths = {urlsplit(await kept(tmp_path)).path for _ in range(10)}
    assert len(paths) == 10
    assert "acme" not in "".join(paths)


async def test_a_link_is_good_for_two_minutes(tmp_path: Path) -> None:
    now_s = time.time()
    assert (await get(tmp_path, await kept(tmp_path, given_s=now_s - 110))).status_code == 200
    assert refused(await get(tmp_path, await kept(tmp_path, given_s=now_s - 125))) == (403, "AccessDenied")


async def test_a_link_opens_no_other_answer_and_no_other_file(tmp_path: Path) -> None:
    mine, other = await kept(tmp_path), await kept(tmp_path)
    query = urlsplit(mine).query
    (tmp_path / "embedge.db").write_bytes(b"secret")
    for path in (urlsplit(other).path, "/embedge.db", "/answers/../embedge.db", "/answers%2F..%2Fembedge.db", "/"):
        assert refused(await get(tmp_path, f"{path}?{query}")) == (403, "SignatureDoesNotMatch")
    assert refused(await get(tmp_path, urlsplit(mine).path)) == (403, "SignatureDoesNotMatch")
    assert refused(await get(tmp_path, mine.replace("Until=1", "Until=2"))) == (403, "SignatureDoesNotMatch")


async def test_a_client_that_brings_its_token_along_is_refused_as_s3_does(tmp_path: Path) -> None:
    response = await get(tmp_path, await kept(tmp_path), authorization="Bearer t0ken")
    assert refused(response) == (400, "InvalidArgument")
    assert "Only one auth mechanism allowed" in response.text
    assert "t0ken" not in response.text


async def test_an_answer_that_is_gone_is_404_and_none_can_be_changed(tmp_path: Path) -> None:
    link = await kept(tmp_path)
    for method in ("PUT", "POST", "DELETE"):
        assert (await get(tmp_path, link, method)).status_code == 405
    for file in (tmp_path / "answers").glob("*/*"):
        file.unlink()
    assert refused(await get(tmp_path, link)) == (404, "NoSuchKey")


async def test_an_answer_that_cannot_be_written_is_not_kept_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("not a folder")
    with pytest.raises(NotKept):
        await kept(tmp_path)


async def test_what_is_kept_is_its_owner_s_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        await kept(tmp_path)
    finally:
        os.umask(mask)
    (folder,) = (tmp_path / "answers").iterdir()
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


async def test_what_no_link_can_open_any_more_is_removed(tmp_path: Path) -> None:
    old, new = await kept(tmp_path, b"old"), await kept(tmp_path, b"new")
    now_s = time.time()
    os.utime(tmp_path / urlsplit(old).path.lstrip("/"), (now_s - 700, now_s - 700))
    sweep(tmp_path / "answers", now_s)
    assert [(tmp_path / urlsplit(url).path.lstrip("/")).exists() for url in (old, new)] == [False, True]


async def test_it_serves_on_its_own_port_until_it_is_left_and_has_swept_at_the_start(tmp_path: Path) -> None:
    old = tmp_path / urlsplit(await kept(tmp_path, b"old")).path.lstrip("/")
    os.utime(old, (1, 1))
    listener = listen("127.0.0.1", 0)
    async with kept_answers(tmp_path, listener, "127.0.0.1") as answers, httpx.AsyncClient() as client:
        link = await FolderAnswers(answers.path, answers.url, answers.key, SystemClock()).keep("acme", BODY)
        assert (await client.get(link)).content == BODY
        assert not old.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(link).port or 0), timeout=1)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("localhost:8787", "localhost"),
        ("10.1.2.3:8787", "10.1.2.3"),
        ("devbox.lan", "devbox.lan"),
        ("[fe80::1]:8787", "[fe80::1]"),
        ("evil/@x:1", "127.0.0.1"),
        ("a b", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_a_link_names_the_host_by_which_the_client_came(host: str, named: str) -> None:
    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"location", b"http://127.0.0.1:9000/answers/a?b")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(NamedAsReached(elsewhere))
    async with httpx.AsyncClient(transport=transport, base_url="http://router.test") as client:
        response = await client.get("/", headers={"host": host})
    assert response.headers["location"] == f"http://{named}:9000/answers/a?b"


@pytest.mark.parametrize(
    ("host", "everywhere", "named"),
    [
        ("127.0.0.1", False, "127.0.0.1"),
        ("0.0.0.0", True, "127.0.0.1"),  # noqa: S104 (only compared)
        ("::", True, "127.0.0.1"),
        ("::1", False, "[::1]"),
        ("devbox", False, "devbox"),
    ],
)
def test_an_address_is_named_so_that_this_machine_reaches_it(host: str, everywhere: bool, named: str) -> None:  # noqa: FBT001
    address = Address(host, 1)
    assert (address.is_everywhere(), address.named()) == (everywhere, named)
