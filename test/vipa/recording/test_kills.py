"""Nothing is lost when the recorder dies: finished demonstrations are whole, the running one is kept to its last second.

VIPA_KILLS: how many (3). By hand: `VIPA_KILLS=50 pytest -n 0 -s test/vipa/recording/test_kills.py`.
"""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vipa.recording import demonstration, repair
from vipa.recording.demonstration import SCHEMA, Demonstration
from vipa.recording.reader import BagReader

KILLS = int(os.environ.get("VIPA_KILLS", "3"))
RATE = 100  # messages a second and topic
# Demonstrations one after the other, as the recorder and the session write them; says on standard output what is in the file's hands
WRITER = """
import sys, time
from pathlib import Path
from vipa.recording import demonstration
from vipa.recording.demonstration import SCHEMA, Demonstration
from vipa.recording.recorder import Recorder

root, recorder, number = Path(sys.argv[1]), Recorder(), 0
topic = recorder.add_topic("/words", "std_msgs/msg/String")
while True:
    folder = root / f"demo-{number:03}"
    folder.mkdir()
    demo = Demonstration(SCHEMA, str(number), "task", "teleop", "terminal", "operator")
    demonstration.write(folder, demo)
    recorder.start(folder / "bag", {"episode_id": str(number)}, time.monotonic_ns())
    print("began", number, flush=True)
    for k in range(60):
        now = time.monotonic_ns()
        text = f"{now} ".ljust(2000, "x").encode()
        recorder.record(topic, now, now, b"\\0\\1\\0\\0" + (len(text) + 1).to_bytes(4, "little") + text + b"\\0")
        time.sleep(0.01)
    recorder.stop()
    demonstration.write(folder, Demonstration(**{**demo.__dict__, "verdict": "success"}))
    print("ended", number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_kill_at_any_moment_loses_no_finished_demonstration_and_at_most_a_second_of_the_running_one(tmp_path, seed):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert writer.stdout.readline() == "began 0\n"
    time.sleep(float(np.random.default_rng(seed).uniform(0.1, 2.2)))
    killed_ns = time.monotonic_ns()
    os.kill(writer.pid, signal.SIGKILL)
    said = writer.stdout.read().split("\n")
    writer.wait()
    ended = {int(line.split()[1]) for line in said if line.startswith("ended")}
    for folder in sorted(tmp_path.iterdir()):
        number = int(folder.name.removeprefix("demo-"))
        demo = demonstration.read(folder)
        if demo is None:  # it had not begun
            assert number not in ended and not (folder / "bag").exists()
            continue
        assert demo == Demonstration(SCHEMA, str(number), "task", "teleop", "terminal", "operator", demo.verdict)
        if number in ended:
            assert demo.verdict == "success" and count(folder) == 60
            continue
        if not (folder / "bag").is_dir() or not any((folder / "bag").glob("*.mcap")):
            continue  # it had not begun
        repair.repair(folder / "bag")
        with BagReader(folder / "bag") as bag:
            assert bag.custom_data.get("episode_id", str(number)) == str(number)
            stamps = [m.log_time_ns for m in bag.messages()]
        lost = (killed_ns - (max(stamps) if stamps else began(bag, folder, killed_ns))) / 1e9
        print(
            f"seed {seed}: demonstration {number}: {len(stamps)} messages kept, the last {lost:.2f} s before the kill"
        )
        assert lost < 1.0
        gaps = np.diff(stamps) / 1e9
        assert not len(gaps) or gaps.max() < 0.5  # nothing is missing in between


def count(folder):
    with BagReader(folder / "bag") as bag:
        return len(list(bag.messages()))


def began(bag, folder, killed_ns):
    """When a bag without a message began: as its file did."""
    return killed_ns - round((time.time() - (folder / "bag").stat().st_mtime) * 1e9)
