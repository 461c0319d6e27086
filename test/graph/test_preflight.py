"""Node `preflight` beside a simulated cell: well, with the emergency stop tested and the workspace driven through; then with faults."""

import json
import signal
import subprocess

import pytest
from vipa_msgs.msg import MotionStatus

from helpers.graph_world import World
from vipa.recording import topics
from vipa_ros.bringup import environment
from vipa_ros.bringup.episode_graph import EpisodeConfig, standing_graph
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph


def started(domain, folder, **wanted):
    parameters = {"robot": "fr3_single", "cameras": "scene,wrist", "seconds": 2.0, **wanted}
    line = command(ProcessSpec("preflight", "preflight", parameters), folder)
    env = environment.child_environment(domain)
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def found_by(process):
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, process
    return {f["name"]: f for f in json.loads(said.splitlines()[-1])}


def preflight(domain, folder, **wanted):
    with started(domain, folder, **wanted) as process:
        return found_by(process)


@pytest.mark.parametrize(
    "dry_run", [False, pytest.param(True, marks=pytest.mark.slow)]
)  # a minute and a half at 10 % speed
def test_a_cell_passes_and_its_faults_are_found(tmp_path, monkeypatch, dry_run):
    config = EpisodeConfig("water_plant", robot="fr3_single").checked(commander=False)
    specs = standing_graph(config)
    with World(tmp_path, specs, monkeypatch) as world:
        found = preflight(world.domain.id, tmp_path, estop=True, dry_run=dry_run)
        # a busy machine loses pictures on the way, and says so
        wrong = {n: f for n, f in found.items() if f["level"] == "error" and "lost on the way" not in f["detail"]}
        assert not wrong, wrong
        assert found["e-stop"]["level"] == "ok"
        assert not dry_run or found["dry run"]["level"] in ("ok", "warning")
        # by stamps, so that a busy machine tells no lower rate: within what 2 ms of a physics step make of 15 Hz
        assert float(found["camera scene"]["detail"].split(" Hz")[0]) == pytest.approx(15.0, rel=0.05)
        assert found["frames"]["level"] == "ok"
        found = preflight(world.domain.id, tmp_path, driver="franka")
        assert found["controllers"]["level"] == "error" and "does not answer" in found["controllers"]["detail"]
        motion = world.supervisor.processes["motion"]
        motion.send_signal(signal.SIGSTOP)
        try:
            found = preflight(world.domain.id, tmp_path, estop=True)
            assert found["e-stop"]["level"] == "error", found
        finally:
            motion.send_signal(signal.SIGCONT)


CELL = {"robot": "fr3_single", "task": "put_three_obj", "use_sim_time": True}
GRAPH = [ProcessSpec("sim", "sim", {**CELL, "cameras": False}), ProcessSpec("motion", "motion", CELL),
         ProcessSpec("planner", "planner", CELL)]  # fmt: skip


@pytest.mark.parametrize(
    "killed, words",
    [
        ("motion", "dry run: nothing heard from motion for 4."),
        ("sim", "dry run: nothing heard from the cell (/joint_states) for 6."),
    ],
)
def test_a_dry_run_ends_when_motion_or_the_cell_is_killed_in_its_midst(tmp_path, monkeypatch, killed, words):
    with World(tmp_path, GRAPH, monkeypatch) as world:
        status = world.newest(MotionStatus, topics.MOTION_STATUS, PROFILES["stream"])
        world.wait(lambda: status and status[0].joint_state_age >= 0 and status[0].mode == 0, "motion")
        with started(world.domain.id, tmp_path, cameras="none", dry_run=True) as process:
            moving = lambda: status[0].authority == "doctor" and status[0].mode == MotionStatus.EXECUTING  # noqa: E731
            world.wait(lambda: moving() or process.poll() is not None, "a dry run")
            gone = world.supervisor.processes.pop(killed)
            gone.kill()
            gone.wait()
            found = found_by(process)
        assert found["dry run"]["level"] == "error" and found["dry run"]["detail"].startswith(words), found
        assert "look at its log" in found["dry run"]["fix"]
        if killed == "sim":
            world.wait(lambda: status[0].authority == "", "the authority to be free")
