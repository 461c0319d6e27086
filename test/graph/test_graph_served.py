"""A whole graph whose policy is behind a socket."""

import json
import os
import subprocess
import sys

import pytest

from helpers.creeping import Creeping
from helpers.own_file import own
from helpers.running_server import Running
from vipa.serving.protocols.vipa import ServedPolicy

pytestmark = pytest.mark.graph
TOKEN = "s3cr3t-0f-the-p0licy-server"
WALL = 240  # seconds after which the test gives up; nothing is measured by it


def test_an_episode_with_a_served_policy(tmp_path):
    policy = Creeping(horizon=48)  # long enough to be under way still when a busy machine asks again
    # commands act 0.3 s late: a chunk begins with steps that are over, and they are known however fresh a picture is when it is asked
    late = ("    controller: arm_controller\n", "    controller: arm_controller\n    command_latency: 0.3\n")
    robot = own(tmp_path, "fr3_single", late, folder="config/robots")
    served = ServedPolicy(policy, "creeping", "abc")
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"} | {"VIPA_TOKEN": TOKEN}
    with Running(served.infer, served.metadata, token=TOKEN) as server:
        line = [sys.executable, "-m", "vipa_cli.cli", "episode", "--task", "water_plant", "--seed", "1", "--no-video"]
        line += ["--robot", str(robot)]
        line += ["--time-limit", "6", "--policy", f"vipa@127.0.0.1:{server.port}", "--out", str(tmp_path)]
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=WALL, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    card = json.loads((tmp_path / "latest/scorecard.json").read_text(encoding="utf-8"))
    assert card["policy"] == {"name": f"vipa@127.0.0.1:{server.port}", "checkpoint_sha256": "abc"}
    assert card["commander"] == "policy" and card["outcome"] == "timeout" and card["timing"]["policy_ms_p50"] > 0
    assert len(policy.asked) >= 3 and any(prefix for _, prefix in policy.asked)  # motion's commitment went along
    assert_nowhere(TOKEN, tmp_path, done.stdout + done.stderr)


def assert_nowhere(secret, folder, said):
    """Not in what was printed, nor in any file that is left: bag, logs, configuration, scorecard."""
    assert secret not in said
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"config.yaml", "scorecard.json", "policy.log"} <= {path.name for path in files}
    assert any(path.suffix == ".mcap" and path.stat().st_size > 10_000 for path in files)
    leaks = [path for path in files if secret.encode() in path.read_bytes()]
    assert not leaks, leaks
