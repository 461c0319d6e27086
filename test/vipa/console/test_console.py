"""The console without ROS: newest frames, requests that count once, what is served, over real sockets."""

import json
import struct
import threading
import time
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from helpers.browser import WALL
from helpers.fake_trials import card_of
from vipa.console.board import Board, Frame
from vipa.console.history import History
from vipa.console.requests import MAX_OPEN, Requests, read
from vipa.console.service import Console
from vipa.tasks import scorecard
from vipa.web.access import Access
from vipa.web.server import WebServer


@pytest.fixture
def served(tmp_path):
    """(board, requests, server)."""
    board, requests = Board(), Requests()
    server = WebServer(Access("127.0.0.1", token="t"), 0, Console(board, requests, History(tmp_path)).service)
    server.open()
    yield board, requests, server
    server.close()


@contextmanager
def link(server, path, **more):
    with connect(
        f"ws://127.0.0.1:{server.port}{path}?token=t", origin=f"http://127.0.0.1:{server.port}", **more
    ) as socket:
        yield socket


def until(condition):
    deadline = time.monotonic() + WALL
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def frame(number, name="scene", size=1000):
    return Frame(name, number, b"j" * size, 0, 0.02, time.monotonic())


def header(data):
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def test_a_frame_comes_when_the_last_one_was_acknowledged_and_it_is_the_newest(served):
    board, _, server = served
    with link(server, "/frames") as client:
        assert not board.wanted("scene")
        client.send(json.dumps({"watch": ["scene"]}))
        until(lambda: board.wanted("scene"))
        board.put_frame(frame(1))
        told, jpeg = header(client.recv(WALL))
        assert told["number"] == 1 and told["camera"] == "scene" and told["age_ms"] >= 20 and jpeg == b"j" * 1000
        assert not board.wanted("scene") and board.watched() == {"scene"}  # nothing need be encoded meanwhile
        for number in range(2, 50):
            board.put_frame(frame(number))
        with pytest.raises(TimeoutError):
            client.recv(0.1)
        client.send(json.dumps({"got": "scene"}))
        assert header(client.recv(WALL))[0]["number"] == 49
        board.put_frame(frame(50, "wrist"))
        with pytest.raises(TimeoutError):
            client.recv(0.1)  # nobody asked for it
    until(lambda: board.clients == 0 and board.watched() == set())


def test_a_client_that_reads_nothing_costs_one_frame_a_camera_and_others_nothing(served):
    board, _, server = served
    with link(server, "/frames") as stalled, link(server, "/frames") as lively:
        for client in (stalled, lively):
            client.send(json.dumps({"watch": ["scene"]}))
        until(lambda: len([v for v in board._viewers if v.watched]) == 2)
        for number in range(100):
            board.put_frame(frame(number, size=200_000))
            assert header(lively.recv(WALL))[0]["number"] == number
            lively.send(json.dumps({"got": "scene"}))
            until(lambda: board.wanted("scene"))
        held = [len(v.pending) for v in board._viewers]
        assert max(held) <= 1  # the newest frame, not a hundred


def test_the_newest_state_alone_is_sent(served):
    board, _, server = served
    board.put_state({"a": 0})
    with link(server, "/state") as client:
        assert json.loads(client.recv(WALL)) == {"a": 0}
        for a in range(1, 20):
            board.put_state({"a": a})
        assert json.loads(client.recv(WALL)) == {"a": 19}
        board.put_state({"a": 19})
        with pytest.raises(TimeoutError):
            client.recv(0.4)
    with pytest.raises(ValueError, match="JSON"):
        board.put_state({"a": float("nan")})


def met(requests, done):
    """Meets requests as a node does until the test is over."""

    def meet():
        while not done.is_set():
            for request in requests.take():
                meet.seen.append(request)
                requests.answered(request, True, f"{request.ask} {len(meet.seen)}")
            time.sleep(0.002)

    meet.seen = []
    threading.Thread(target=meet, daemon=True).start()
    return meet.seen


def test_a_request_is_done_once_however_often_it_comes(served):
    _, requests, server = served
    done = threading.Event()
    seen = met(requests, done)
    with link(server, "/commands") as client, link(server, "/commands") as other:
        for where in (client, client, other, client):
            where.send(json.dumps({"id": "one", "ask": "home"}))
            assert json.loads(where.recv(WALL)) == {"id": "one", "done": True, "message": "home 1"}
        client.send(json.dumps({"id": "two", "ask": "home"}))
        assert json.loads(client.recv(WALL))["message"] == "home 2"
    done.set()
    assert [r.id for r in seen] == ["one", "two"]


@pytest.mark.parametrize("said", [
    "", "[]", "{", "[" * 3000, '{"id": "a"}', '{"id": "", "ask": "estop"}', '{"id": "a b", "ask": "estop"}', '{"id": 3, "ask": "estop"}',
    '{"id": "a", "ask": "format_disk"}', '{"id": "a", "ask": "estop", "more": 1}', '{"id": "a", "ask": "rearm"}',
    '{"id": "a", "ask": "rearm", "latch": true}', '{"id": "a", "ask": "rearm", "latch": -1}', '{"id": "a", "ask": "rearm", "latch": 1.5}',
    '{"id": "a", "ask": "answer", "text": 3}', '{"id": "a", "ask": "answer", "text": "a\\nb"}',
])  # fmt: skip
def test_what_is_no_request_ends_the_connection_and_asks_nothing(served, said):
    _, requests, server = served
    with link(server, "/commands") as client, pytest.raises(ConnectionClosed):
        client.send(said)
        client.recv(WALL)
    assert requests.take() == []


def test_requests_are_bounded_and_given_up_after_a_while():
    requests = Requests()
    for number in range(MAX_OPEN):
        requests.ask({"id": f"r{number}", "ask": "estop"})
    with pytest.raises(ValueError, match="wait for an answer already"):
        requests.ask({"id": "more", "ask": "estop"})
    requests.expire(time.monotonic() + 1e4)
    assert requests.ask({"id": "r0", "ask": "estop"}).answer.result(0)[0] is False
    requests.ask({"id": "more", "ask": "estop"})
    with pytest.raises(ValueError, match="id 'more' was estop"):
        requests.ask({"id": "more", "ask": "home"})
    for number in range(2000):
        requests.answered(requests.ask({"id": f"x{number}", "ask": "home"}), True, "")
    assert len(requests._known) < 600


def test_a_rearm_names_the_stop_that_was_seen():
    assert read({"id": "a", "ask": "rearm", "latch": 7}).latch == 7
    assert read({"id": "a", "ask": "home", "latch": 7}).latch is None


def test_the_page_loads_nothing_from_elsewhere():
    console = Console(Board(), Requests(), History("nowhere"))
    assert {"/index.html", "/console.js", "/link.js", "/cameras.js", "/sound.js", "/console.css", "/icon.svg"} == set(
        console.files
    )
    for name, (_, body) in console.files.items():
        text = body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "//cdn" not in text, name
        assert "innerHTML" not in text and "eval(" not in text, name  # texts of the robot are no markup
    assert console.answer("/").kind.startswith("text/html") and console.answer("/../board.py") is None


def test_history_lists_runs_and_shows_no_other_file(tmp_path):
    runs = tmp_path / "runs"
    for name, outcome in (("20260101-000000-water_plant-a", "timeout"), ("20260102-000000-water_plant-b", "success")):
        (runs / name).mkdir(parents=True)
        scorecard.write(card_of(1, outcome), runs / name / "scorecard.json")
    (runs / "20260102-000000-water_plant-b/report.html").write_text("<p>page", encoding="utf-8")
    (runs / "20260103-000000-broken-c").mkdir()
    (runs / "20260103-000000-broken-c/scorecard.json").write_text("{", encoding="utf-8")
    (tmp_path / "report.html").write_text("secret", encoding="utf-8")
    rows = History(runs).rows()
    assert [r["name"][9:] for r in rows] == ["000000-water_plant-b", "000000-water_plant-a"]
    assert [r["outcome"] for r in rows] == ["success", "timeout"] and [r["report"] for r in rows] == [True, False]
    console = Console(Board(), Requests(), History(runs))
    assert console.answer("/runs/20260102-000000-water_plant-b").body == b"<p>page"
    for path in ("/runs/..", "/runs/../", "/runs/.", "/runs/20260101-000000-water_plant-a", "/runs/latest", "/runs/"):
        assert console.answer(path) is None, path
    hidden = History(runs, blind=True)
    assert "commander" not in hidden.rows()[0] and hidden.rows()[0]["report"] is False
    assert hidden.report("20260102-000000-water_plant-b") is None
    assert History(tmp_path / "none").rows() == []
