"""Who is let in by the web server, over real sockets."""

import http.client
import socket

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from vipa.errors import VipaError
from vipa.web import access
from vipa.web.access import Access
from vipa.web.server import Reply, Service, WebServer

WAIT = 30.0  # seconds after which a test gives up


async def echo(connection):
    async for text in connection:
        await connection.send(text)


@pytest.fixture
def server():
    pages = {"/": Reply(b"<p>home"), "/a.css": Reply(b"p{}", "text/css")}
    server = WebServer(Access("127.0.0.1", token="secret"), 0, Service(pages.get, {"/talk": echo}, max_bytes=64))
    server.open()
    yield server
    server.close()


def get(server, path, **headers):
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    link.request("GET", path, headers=headers)
    answer = link.getresponse()
    return answer.status, answer.read(), dict(answer.getheaders())


def test_a_browser_that_came_with_the_token_comes_back_without(server):
    assert get(server, "/")[:2] == (403, b"wrong token\n") == get(server, "/?token=secre")[:2]
    status, body, headers = get(server, "/?token=secret")
    assert (status, body) == (200, b"<p>home")
    kept = headers["Set-Cookie"]
    assert "HttpOnly" in kept and "SameSite=Strict" in kept and kept.startswith(f"vipa-{server.port}=")
    cookie = kept.split(";")[0]
    assert (
        get(server, "/a.css", Cookie=cookie)[:2] == (200, b"p{}")
        and "Set-Cookie" not in get(server, "/a.css", Cookie=cookie)[2]
    )
    assert get(server, "/a.css", Cookie=cookie.replace("secret", "other"))[0] == 403
    assert (
        get(server, "/a.css", Cookie=cookie.replace(f"{server.port}", f"{server.port + 1}"))[0] == 403
    )  # another server's
    assert get(server, "/b.css", Cookie=cookie)[0] == 404


def test_only_our_own_name_and_our_own_pages_are_answered(server):
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1", ""):
        assert get(server, "/?token=secret", Host=host)[0] == 403
    assert get(server, "/?token=secret", Host=f"localhost:{server.port}")[0] == 200
    assert get(server, "/?token=secret", Origin="http://evil.example")[0] == 403
    assert (
        get(server, "/?token=secret", Origin=f"http://localhost:{server.port}")[0] == 403
    )  # not the name it was asked by


def test_a_socket_wants_an_origin_too(server):
    url, ours = f"ws://127.0.0.1:{server.port}/talk?token=secret", f"http://127.0.0.1:{server.port}"
    with connect(url, origin=ours) as talk:
        talk.send("hi")
        assert talk.recv(WAIT) == "hi"
        talk.send("x" * 65)  # more than max_bytes
        with pytest.raises(ConnectionClosed):
            talk.recv(WAIT)
    for given, origin in ((url, None), (url, "http://evil.example"), (url.replace("secret", "s"), ours)):
        with pytest.raises(InvalidStatus):
            connect(given, origin=origin)


def test_what_a_page_may_load_is_bounded(server):
    headers = get(server, "/?token=secret")[2]
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"


def test_a_token_is_made_and_is_not_printed_by_chance():
    one, other = Access("127.0.0.1"), Access("127.0.0.1")
    assert (
        one.token != other.token and len(one.token) > 16 and one.token not in repr(one) and one.token in one.address(80)
    )


def test_a_taken_port_is_another_one_or_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, service = taken.getsockname()[1], Service(lambda path: None)
        with pytest.raises(VipaError, match=f"127.0.0.1:{port}: Address already in use"):
            WebServer(Access("127.0.0.1"), port, service, another=False).open()
        server = WebServer(Access("127.0.0.1"), port, service)
        server.open()
        assert server.port != port
        server.close()


@pytest.mark.parametrize(
    "text, found", [("localhost", ("localhost", 1)), ("10.0.0.5:8780", ("10.0.0.5", 8780)), ("::1", ("::1", 1))]
)
def test_addresses(text, found):
    assert access.parse(text, 1) == found


@pytest.mark.parametrize("text", ["", ":80", "a:b", "a:70000", "a b", "http://a", "a@b:1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(VipaError, match="address"):
        access.parse(text, 1)
