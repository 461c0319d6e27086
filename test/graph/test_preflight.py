"""Node `preflight` beside a simulated cell: well, with the emergency stop tested and the workspace driven through; then with faults."""

import json
import signal
import subprocess

import pytest

from helpers.graph_world import World
from vipa_ros.bringup import environment
from vipa_ros.bringup.episode_graph import EpisodeConfig, standing_graph
from vipa_ros.bringup.process import ProcessSpec, command

pytestmark = pytest.mark.graph


def preflight(domain, folder, **wanted):
    parameters = {"robot": "fr3_single", "cameras": "scene,wrist", "seconds": 2.0, **wanted}
    line = command(ProcessSpec("preflight", "preflight", parameters), folder)
    done = subprocess.run(
        line,
        env=environment.child_environment(domain),
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done
    return {f["name"]: f for f in json.loads(done.stdout.splitlines()[-1])}


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
