"""`vipa serve` as a process, with a tiny exported checkpoint."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from helpers.running_server import WAIT
from vipa.serving.protocols import openpi_wire

pytestmark = pytest.mark.train


def serve(folder, *more, **env):
    line = [sys.executable, "-m", "vipa_cli.cli", "serve", str(folder), "--port", "0", *more]
    env = {**{k: v for k, v in os.environ.items() if k != "VIPA_TOKEN"}, "PYTHONUNBUFFERED": "1", **env}
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


def read_until(process, pattern):
    """The first line that matches, and its match."""
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_reach_it_and_ends_clean(tiny_checkpoint, number):
    with serve(tiny_checkpoint) as process:
        try:
            port = read_until(process, r"serving .* at ws://127\.0\.0\.1:(\d+)").group(1)
            token = read_until(process, r"VIPA_TOKEN=(\S+) vipa episode").group(1)
            with pytest.raises(InvalidStatus, match="401"):
                connect(f"ws://127.0.0.1:{port}")
            headers = {"Authorization": f"Api-Key {token}"}
            with connect(f"ws://127.0.0.1:{port}", compression=None, additional_headers=headers) as client:
                metadata = openpi_wire.unpack(client.recv(WAIT))
                assert metadata["protocol"] == "vipa/1" and metadata["cameras"] == ["scene", "wrist"]
                message = {f"observation/{c}/color": np.zeros((48, 64, 3), np.uint8) for c in metadata["cameras"]}
                message |= {"observation/arm/tool_pose": np.array([0.4, 0, 0.3, 1, 0, 0, 0]), "prompt": "go"}
                message |= {"observation/arm/tool_velocity": np.zeros(3), "observation/arm/positions": np.zeros(7)}
                client.send(openpi_wire.pack(message))
                assert re.match(r"missing key\(s\): .*, observation/arm/hand; unknown", client.recv(WAIT))
        finally:
            process.send_signal(number)
        assert process.wait(WAIT) == 0
        assert process.stdout.read().endswith("stopped\n")
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--no-token", "--host", "0.0.0.0"], "allowed: only with a loopback address"),
        (["--precision", "int4"], "unknown precision for onnxruntime 'int4'; allowed: fp32, int8"),
        (["--runtime", "torch", "--device", "tpu"], "unknown device for torch 'tpu'; allowed: auto, cpu, cuda"),
        (["--token-file", "/no/such/file"], "--token-file /no/such/file: No such file or directory"),
    ],
)
def test_a_wrong_request_is_one_line(tiny_checkpoint, arguments, said):
    with serve(tiny_checkpoint, *arguments) as process:
        _, error = process.communicate(timeout=WAIT)
        assert process.returncode == 2 and error.count("\n") == 1 and said in error
