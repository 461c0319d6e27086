"""An in-process episode that is interrupted is scored as stopped, as one over the graph is, and its bag can be read."""

import json
import os
import signal
import subprocess
import sys

from vipa.recording.reader import BagReader
from vipa_cli import exit_status

# the process interrupts itself at the 20th tick: from outside one would have to guess when it is under way
CODE = """
import os, signal, sys
from vipa_cli import cli
from vipa_ros.episode.loop_recorder import LoopRecorder
seen, on_tick = [], LoopRecorder.on_tick
def counting(self, *args):
    on_tick(self, *args)
    seen.append(None)
    if len(seen) == 20:
        os.kill(os.getpid(), signal.SIGINT)
LoopRecorder.on_tick = counting
cli.main(sys.argv[1:])
"""


def test_it_is_scored_as_stopped(tmp_path):
    words = "episode --task water_plant --seed 1 --in-process --no-video --out".split()
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words, str(tmp_path)],
        env=os.environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == exit_status.INTERRUPTED and "Traceback" not in done.stderr, done
    run = (tmp_path / "latest").resolve()
    card = json.loads((run / "scorecard.json").read_text(encoding="utf-8"))
    assert card["outcome"] == "stopped" and card["seed"] == 1 and not (run / ".reserve").exists()
    with BagReader(run / "bag") as bag:
        assert bag.topics["/joint_states"].count > 10
