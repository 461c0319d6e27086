"""The clients, over real sockets: they answer or say why not, in bounded time, and never with an answer to something else."""

import socket
import threading

import numpy as np
import pytest

from helpers.groot_server import GrootServer
from helpers.running_server import Echo, Running
from vipa.errors import NoChunk
from vipa.serving.connection import FIRST_RETRY_S, LONGEST_RETRY_S, Connection, ConnectionFailed
from vipa.serving.protocols import openpi_wire
from vipa.serving.protocols.groot_client import GrootTransport
from vipa.serving.protocols.openpi_client import OpenpiTransport

PATIENT = 60.0
SHORT = 0.2


def openpi(port, token=None):
    return OpenpiTransport("ws", "127.0.0.1", port, token)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Scripted:
    """A transport that does as it is told: a ConnectionFailed is raised, all else is the answer."""

    def __init__(self, *script):
        self.script, self.did = list(script), []

    def _next(self, what):
        self.did.append(what)
        found = self.script.pop(0)
        if isinstance(found, ConnectionFailed):
            raise found
        return found

    def open(self, timeout):
        return self._next("open")

    def ask(self, request, timeout):
        return self._next("ask")

    def close(self):
        self.did.append("close")


def test_after_failures_it_waits_longer_each_time_and_starts_afresh_after_an_answer():
    now, down = [0.0], ConnectionFailed("down")
    transport = Scripted({}, down, *[down] * 6, {}, {"a": 1}, down)
    link = Connection(transport, "x@y", 1.0, lambda metadata: None, lambda: now[0])
    link.open()
    with pytest.raises(NoChunk, match="policy x@y: down"):
        link.ask(dict)
    waits = []
    for _ in range(6):
        with pytest.raises(NoChunk, match="down; trying again in"):
            link.ask(dict)  # too early: nothing is tried
        waits.append(link._again - now[0])
        now[0] = link._again
        with pytest.raises(NoChunk, match="policy x@y: down$"):
            link.ask(dict)
    assert waits == [min(FIRST_RETRY_S * 2**k, LONGEST_RETRY_S) for k in range(6)]
    now[0] = link._again
    assert link.ask(dict) == {"a": 1}
    with pytest.raises(NoChunk):
        link.ask(dict)
    assert link._again - now[0] == FIRST_RETRY_S
    assert transport.did.count("open") == 8  # one at the start, six that failed, one that did not


def test_a_server_that_is_not_accepted_is_left():
    def refuse(metadata):
        raise ConnectionFailed("another checkpoint")

    transport = Scripted({})
    with pytest.raises(ConnectionFailed, match="another checkpoint"):
        Connection(transport, "x", 1.0, refuse).open()
    assert transport.did == ["open", "close"]


def test_openpi_metadata_and_answers():
    with Running(Echo().infer, {"rate_hz": 10.0}, token="secret") as server:
        client = openpi(server.port, "secret")
        assert client.open(PATIENT) == {"rate_hz": 10.0}
        np.testing.assert_array_equal(client.ask({"x": np.arange(3)}, PATIENT)["actions"], [0, 2, 4])
        client.close()
        with pytest.raises(ConnectionFailed, match="401.*give it as VIPA_TOKEN"):
            openpi(server.port).open(PATIENT)


def test_openpi_errors_are_one_line():
    with Running(Echo().infer) as server:
        client = openpi(server.port)
        client.open(PATIENT)
        with pytest.raises(ConnectionFailed, match=r"^the server says: missing key\(s\): x$"):
            client.ask({}, PATIENT)
        client.close()
    with pytest.raises(ConnectionFailed, match="^no connection: Connection refused$"):
        client.open(PATIENT)
    with pytest.raises(ConnectionFailed, match="not connected"):
        client.ask({}, PATIENT)


def test_a_late_openpi_answer_is_never_taken_for_the_next():
    echo = Echo()
    with Running(echo.infer) as server:
        link = Connection(openpi(server.port), "x", PATIENT, lambda metadata: None, lambda: 0.0)
        link.open()
        link.timeout = SHORT
        echo.gate.clear()
        with pytest.raises(NoChunk, match=f"no answer within {SHORT} s"):
            link.ask(lambda: {"x": np.ones(1)})
        echo.gate.set()
        link.timeout = PATIENT
        link.open()
        np.testing.assert_array_equal(link.ask(lambda: {"x": np.full(2, 5.0)})["actions"], [10, 10])
        link.close()


def test_an_openpi_server_that_does_not_speak_or_read_ends_in_time():
    refused = pytest.raises(ConnectionFailed, match=f"no connection within {SHORT} s|no connection:")
    with socket.create_server(("127.0.0.1", 0)) as silent, refused:
        openpi(silent.getsockname()[1]).open(SHORT)
    stop = threading.Event()

    def stuck(message):
        stop.wait(PATIENT)
        return {}

    with Running(stuck) as server:  # it reads no further while it works: megabytes stay in the socket
        client = openpi(server.port)
        client.open(PATIENT)
        for _ in range(3):
            client._socket.send(openpi_wire.pack({"x": np.zeros(2**20, np.uint8)}))
        with pytest.raises(ConnectionFailed, match="no answer within|connection lost"):
            client.ask({"x": np.zeros(2**22)}, SHORT)
        stop.set()
        client.close()


def test_groot_modalities_and_actions():
    with GrootServer(token="secret") as server:
        client = GrootTransport("127.0.0.1", server.port, "secret")
        modalities = client.open(PATIENT)
        assert modalities["video"]["delta_indices"] == [-15, 0]
        request = {
            "video": {k: np.zeros((1, 2, 18, 32, 3), np.uint8) for k in modalities["video"]["modality_keys"]},
            "state": {k: np.ones((1, 1, 7), np.float32) for k in modalities["state"]["modality_keys"]},
            "language": {"annotation.language.language_instruction": [["go"]]},
        }
        action = client.ask(request, PATIENT)
        assert action["joint_position"].shape == (8, 7) and action["gripper_position"].shape == (8, 1)
        with pytest.raises(ConnectionFailed, match="the server says: 'video'"):
            client.ask({}, PATIENT)
        client.close()
        stranger = GrootTransport("127.0.0.1", server.port)
        with pytest.raises(ConnectionFailed, match="Unauthorized"):
            stranger.open(PATIENT)
        stranger.close()


def test_a_groot_server_that_is_not_there_ends_in_time():
    client = GrootTransport("127.0.0.1", free_port())
    with pytest.raises(ConnectionFailed, match=f"no answer to ping within {SHORT} s"):
        client.open(SHORT)
    client.close()


def test_a_late_groot_answer_is_never_taken_for_the_next():
    def request(value):
        return {
            "video": {k: np.zeros((1, 2, 18, 32, 3), np.uint8) for k in ("exterior_image_1_left", "wrist_image_left")},
            "state": {
                k: np.full((1, 1, 7), value, np.float32) for k in ("eef_9d", "gripper_position", "joint_position")
            },
            "language": {"annotation.language.language_instruction": [["go"]]},
        }

    with GrootServer() as server:
        link = Connection(GrootTransport("127.0.0.1", server.port), "x", PATIENT, lambda metadata: None, lambda: 0.0)
        link.open()
        server.gate.clear()
        link.timeout = SHORT
        with pytest.raises(NoChunk, match="no answer to get_action within"):
            link.ask(lambda: request(1.0))
        server.gate.set()
        link.timeout = PATIENT
        link.open()
        assert link.ask(lambda: request(2.0))["joint_position"][0, 0] == 2.0
        link.close()
