"""The websocket server, over a real socket."""

import http.client
import socket
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect as websocket

from helpers.running_server import WAIT, Echo, Running
from vipa.errors import VipaError
from vipa.serving.protocols import openpi_wire
from vipa.web.listening import bind


def connect(server, token=None, **more):
    headers = {"Authorization": token} if token else None
    return websocket(
        f"ws://127.0.0.1:{server.port}", compression=None, max_size=None, additional_headers=headers, **more
    )


def ask(client, message):
    client.send(openpi_wire.pack(message))
    answer = client.recv(WAIT)
    return answer if isinstance(answer, str) else openpi_wire.unpack(answer)


def health(server):
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    link.request("GET", "/healthz")
    answer = link.getresponse()
    return answer.status, answer.read()


def test_metadata_then_answers_with_their_timing():
    with Running(Echo().infer, {"protocol": "x"}) as server, connect(server) as client:
        assert openpi_wire.unpack(client.recv(WAIT)) == {"protocol": "x"}
        first = ask(client, {"x": np.arange(3.0)})
        np.testing.assert_array_equal(first["actions"], [0, 2, 4])
        assert set(first["server_timing"]) == {"infer_ms"}
        assert set(ask(client, {"x": np.zeros(1)})["server_timing"]) == {"infer_ms", "prev_total_ms"}


@pytest.mark.parametrize(
    "frame, said",
    [
        ("hello", "a text frame; allowed: binary frames of msgpack"),
        (b"\xc1", "not a msgpack message"),
        (openpi_wire.pack({"y": 1}), "missing key(s): x"),
    ],
)
def test_an_error_is_a_text_frame_and_the_end_of_the_connection(frame, said):
    with Running(Echo().infer) as server:
        with connect(server) as client:
            client.recv(WAIT)
            client.send(frame)
            answer = client.recv(WAIT)
            assert isinstance(answer, str) and said in answer
            with pytest.raises(ConnectionClosedError):
                client.recv(WAIT)
        with connect(server) as client:  # the next one is served
            client.recv(WAIT)
            assert "actions" in ask(client, {"x": np.zeros(1)})


def test_health_answers_while_the_policy_works():
    echo = Echo()
    with Running(echo.infer) as server, connect(server) as client:
        client.recv(WAIT)
        echo.gate.clear()
        client.send(openpi_wire.pack({"x": np.zeros(1)}))
        assert echo.began.wait(WAIT)
        assert health(server) == (200, b"OK\n")
        echo.gate.set()
        assert "actions" in openpi_wire.unpack(client.recv(WAIT))


def test_without_the_token_nothing_is_said():
    with Running(Echo().infer, token="secret") as server:
        for given in (None, "secret", "Api-Key", "Api-Key secreter", "Bearer secret", "Api-Key sécret"):
            with pytest.raises(InvalidStatus, match="401"):
                connect(server, given)
        with connect(server, "Api-Key secret") as client:
            assert openpi_wire.unpack(client.recv(WAIT)) == {"who": "test"}
        assert health(server)[0] == 200


def test_web_pages_crowds_and_giants_are_refused():
    with Running(Echo().infer, max_clients=1, max_bytes=1000) as server:
        with pytest.raises(InvalidStatus, match="403"):
            connect(server, origin="http://evil.example")
        with connect(server) as client:
            client.recv(WAIT)
            with pytest.raises(InvalidStatus, match="503"):
                connect(server)
            client.send(bytes(2000))
            with pytest.raises(ConnectionClosedError, match="1009"):
                client.recv(WAIT)


def test_an_answer_that_takes_too_long_is_an_error():
    echo = Echo()
    with Running(echo.infer, timeout=1.0) as server, connect(server) as client:
        client.recv(WAIT)
        echo.gate.clear()
        assert ask(client, {"x": np.zeros(1)}) == "no answer within 1 s"
        echo.gate.set()


def test_who_left_while_waiting_costs_nothing():
    echo = Echo()
    with Running(echo.infer) as server, connect(server) as first:
        first.recv(WAIT)
        echo.gate.clear()
        first.send(openpi_wire.pack({"x": np.zeros(1)}))
        assert echo.began.wait(WAIT)
        with connect(server) as second:
            second.recv(WAIT)
            second.send(openpi_wire.pack({"x": np.ones(7)}))
        echo.gate.set()
        first.recv(WAIT)
        ask(first, {"x": np.zeros(2)})
    assert [len(m["x"]) for m in echo.asked] == [1, 2]


def test_a_taken_port_gives_another():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Running(Echo().infer, port=port) as server, connect(server) as client:
            assert server.port != port
            assert openpi_wire.unpack(client.recv(WAIT)) == {"who": "test"}
    with pytest.raises(VipaError, match="host 'no.such.host.invalid'"):
        bind("no.such.host.invalid", 0)


def test_idle_clients_hold_no_place():
    with Running(Echo().infer, max_clients=2, idle=0.0) as server, ExitStack() as open_ones:
        clients = [open_ones.enter_context(connect(server)) for _ in range(2)]
        for client in clients:
            client.recv(WAIT)
        assert "actions" in ask(clients[0], {"x": np.zeros(1)})  # the second one has been idle longest
        with connect(server) as third:
            third.recv(WAIT)
            assert "actions" in ask(third, {"x": np.zeros(1)})
            with pytest.raises(ConnectionClosedError, match="1013.*others want the place"):
                clients[1].recv(WAIT)
            assert "actions" in ask(clients[0], {"x": np.zeros(1)})


def test_who_waits_for_an_answer_is_not_idle():
    echo = Echo()
    with Running(echo.infer, max_clients=1, idle=0.0) as server, connect(server) as client:
        client.recv(WAIT)
        echo.gate.clear()
        client.send(openpi_wire.pack({"x": np.zeros(1)}))
        assert echo.began.wait(WAIT)
        with pytest.raises(InvalidStatus, match="503"):
            connect(server)
        echo.gate.set()
        assert "actions" in openpi_wire.unpack(client.recv(WAIT))


def test_messages_are_read_beside_the_loop(monkeypatch):
    read_in, unpack = [], openpi_wire.unpack

    def where(data):
        read_in.append(threading.current_thread().name)
        return unpack(data)

    with Running(Echo().infer) as server, connect(server) as client:
        client.recv(WAIT)
        with monkeypatch.context() as patch:
            patch.setattr(openpi_wire, "unpack", where)
            client.send(openpi_wire.pack({"x": np.zeros(1)}))
            client.recv(WAIT)
    assert len(read_in) == 1 and read_in[0].startswith("policy")
