"""What is served to this machine alone: who is let in, one page at a time, and when nobody is expected any more."""

import asyncio
import json
import socket

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from faceinpaint.config import UserError
from faceinpaint.system import loopback


@pytest.fixture
def files(tmp_path):
    (tmp_path / "page.html").write_text("<p>here</p>")
    (tmp_path / "secret.txt").write_text("not served")
    return [tmp_path / "page.html"]


def visited(files, visit):
    """What `visit(site, address)` gives while the site is there; `site.heard` and `site.gone` tell what it was told."""

    async def at_work():
        heard, gone = [], []
        site = loopback.Site(files, heard.append, lambda: gone.append(True))
        site.heard, site.gone = heard, gone
        async with site.served(loopback.listen(0)) as address:
            return await visit(site, address)

    return asyncio.run(at_work())


async def status(url, **headers) -> int:
    return (await AsyncHTTPClient().fetch(HTTPRequest(url, headers=headers), raise_error=False)).code


async def connected(address, **headers):
    return await websocket_connect(HTTPRequest(f"{address.replace('http', 'ws')}socket", headers=headers))


def test_only_who_knows_the_token_and_comes_from_the_page_is_let_in(files):
    async def visit(site, address):
        port, page = address.split("/")[2].partition(":")[2], f"{address}page.html"
        codes = {"page": await status(page)}
        for host in ("localhost", "127.0.0.1:1", "[::1]:8888"):
            codes[host] = await status(page, Host=host)
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "0.0.0.0", "[", "localhost:x"):
            codes[host] = await status(page, Host=host)
        for origin in ("http://evil.example", f"http://localhost:{port}", "null", "http://["):
            codes[f"from {origin}"] = await status(page, Origin=origin)
        codes["from the page"] = await status(page, Origin=address.rpartition("/")[0].rpartition("/")[0])
        base = address.replace(site.token, "")
        for token in ("", "wrong", site.token[:-1], site.token + "x", "%C3%A9"):
            codes[f"token {token}"] = await status(base.rstrip("/") + f"/{token}/page.html")
        for name in ("secret.txt", "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "", str(files[0])):
            codes[f"file {name}"] = await status(address + name)
        return codes

    codes = visited(files, visit)
    welcome = {"page", "localhost", "127.0.0.1:1", "[::1]:8888", "from the page"}
    assert {name for name, code in codes.items() if code == 200} == welcome
    assert {code for name, code in codes.items() if name not in welcome} == {403, 404}
    assert all(code == 403 for name, code in codes.items() if not name.startswith("file") and name not in welcome)


def test_a_socket_is_refused_to_others_and_messages_have_a_limit(files):
    async def visit(site, address):
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            with pytest.raises(Exception, match="403"):
                await connected(address, **headers)
        with pytest.raises(Exception, match="403"):
            await connected(address.replace(site.token, "wrong"))
        page = await connected(address)
        await page.write_message("small")
        await page.write_message("x" * (loopback.MAX_BYTES + 1))
        assert await asyncio.wait_for(page.read_message(), 10) is None
        return site.heard

    assert visited(files, visit) == ["small"]


def test_one_page_at_a_time(files):
    async def visit(site, address):
        first, second = await connected(address), await connected(address)
        assert json.loads(await second.read_message()) == {"busy": True}
        assert await second.read_message() is None
        site.send({"for": "the first"})
        assert json.loads(await first.read_message()) == {"for": "the first"}
        first.close()
        while not site.gone:
            await asyncio.sleep(0.01)
        third = await connected(address)
        site.send({"for": "the third"})
        assert json.loads(await third.read_message()) == {"for": "the third"}
        return site

    site = visited(files, visit)
    assert (site.heard, site.gone) == ([], [True])


def test_without_a_page_for_a_while_it_is_over_and_a_page_that_comes_back_is_in_time(files, monkeypatch):
    monkeypatch.setattr(loopback, "PATIENCE", 0.3)

    async def visit(site, address):
        await asyncio.sleep(0.5)
        assert not site.over.is_set()  # nobody has come yet
        (await connected(address)).close()
        await asyncio.sleep(0.1)
        page = await connected(address)
        await asyncio.sleep(0.5)
        assert not site.over.is_set()
        page.close()
        await asyncio.wait_for(site.over.wait(), 10)
        return len(site.gone)

    assert visited(files, visit) == 2


def test_it_listens_on_this_machine_alone_and_says_when_it_cannot():
    (listening,) = loopback.listen(0)
    with listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        assert isinstance(listening, socket.socket)
        with pytest.raises(UserError, match=f"--port {port}: cannot be had"):
            loopback.listen(port)
    with pytest.raises(UserError, match="--port 65536: cannot be had"):
        loopback.listen(65536)
