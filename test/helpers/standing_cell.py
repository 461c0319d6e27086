"""`vipa cell`, and other commands that stay, as processes, for what joins them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def standing_cell(folder: Path, *options: str, says: str, wall: float) -> Iterator[tuple[subprocess.Popen, str]]:
    """As `command`, of `vipa cell OPTIONS`."""
    with command(folder, "cell", *options, says=says, wall=wall) as found:
        yield found


@contextmanager
def command(folder: Path, *words: str, says: str, wall: float) -> Iterator[tuple[subprocess.Popen, str]]:
    """The process of `vipa WORDS` in `folder`, whose runs are its history, and its first line in which `says` stands. It is killed
    after `wall` seconds, and at the end."""
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    line = [sys.executable, "-m", "vipa_cli.cli", *words]
    process = subprocess.Popen(
        line, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    killer = threading.Timer(wall, process.kill)
    killer.start()
    said = []
    try:
        while not (said and says in said[-1]):
            said.append(process.stdout.readline())
            assert said[-1], said
        yield process, said[-1]
    finally:
        killer.cancel()
        process.kill()
        process.wait()


def domain_of(said: str) -> str:
    """The ROS domain in the cell's first line."""
    return said.split("ROS domain ")[1].split(";")[0]
