"""What a policy takes to answer from behind a socket: `vipa serve` as a process of its own on this machine."""

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.serving.connection import ConnectionFailed
from vipa.serving.protocols.openpi_client import OpenpiTransport
from vipa.serving.protocols.vipa import CAMERA

ANSWER_TIMEOUT_S = 60.0  # wall seconds for an answer


def as_message(observation: dict) -> dict:
    """An observation of the processor's in the keys that `vipa serve` takes."""
    message = {"prompt": observation["instruction"]}
    for part, plural in CAMERA.items():
        message |= {f"observation/{camera}/{part}": value for camera, value in observation[plural].items()}
    for group, state in observation["state"].items():
        message |= {f"observation/{group}/{part}": value for part, value in state.items()}
    return message


def served_times(folder: Path, policy, observation: dict, count: int, warm_up: int):
    """Milliseconds by the clock from observation to answer, served (count,) and here (count,), taking turns. Checks that the
    answers are the same. Raises VipaError."""
    line = [
        sys.executable,
        "-m",
        "vipa_cli.cli",
        "serve",
        str(folder),
        "--no-token",
        "--port",
        "0",
        "--precision",
        "int8",
    ]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    ) as server:
        try:
            found = next((m for text in server.stdout if (m := re.search(r"ws://127\.0\.0\.1:(\d+)", text))), None)
            if found is None:
                raise VipaError(f"{' '.join(line[2:])} ended with status {server.wait()}")
            client = OpenpiTransport("ws", "127.0.0.1", int(found.group(1)))
            client.open(ANSWER_TIMEOUT_S)
            rows = []
            for _ in range(warm_up + count):
                began = time.perf_counter()
                answer = client.ask(as_message(observation), ANSWER_TIMEOUT_S)
                between = time.perf_counter()
                policy.reset()
                out = policy.act(observation)
                rows.append((between - began, time.perf_counter() - between))
            client.close()
        except ConnectionFailed as error:
            raise VipaError(f"served policy: {error}") from None
        finally:
            server.terminate()
    here = np.concatenate([part[g.name] for g in policy.config.groups for part in (out.poses, out.hand)], -1)
    if not np.allclose(answer["actions"], here, atol=1e-6):
        raise VipaError("the served policy answers other actions than the same checkpoint here")
    return 1e3 * np.array(rows[warm_up:]).T
