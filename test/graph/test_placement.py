"""Node `placement` beside a simulated cell: overlays on its topics and on disk, the reference, a camera that was turned."""

import json
import subprocess
import sys

import cv2
import pytest

from helpers.graph_world import World
from vipa.robot.description import load_robot
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command

pytestmark = pytest.mark.graph


def test_it_shows_what_is_wanted_and_finds_what_has_moved(tmp_path, monkeypatch):
    common = {"robot": "fr3_single", "task": "water_plant", "use_sim_time": True}
    sim = ProcessSpec("sim", "sim", {**common, "seed": 2, "variant": "cobalt", "fixed_cameras": True})
    motion = ProcessSpec("motion", "motion", common)
    with World(tmp_path / "logs", [sim, motion], monkeypatch) as world:

        def placement(name):
            given = {
                **common,
                "use_sim_time": False,
                "seed": 5,
                "out": str(tmp_path / name),
                "reference": str(tmp_path / "ref"),
                "at_once": True,
            }
            line = command(ProcessSpec("placement", "placement", given), sys.executable)
            done = subprocess.run(line, env=environment.child_environment(world.domain.id), capture_output=True, text=True, timeout=90, encoding="utf-8")  # fmt: skip
            return done, json.loads((tmp_path / name / "placement.json").read_text(encoding="utf-8"))

        done, told = placement("first")
        assert done.returncode == 0 and "reference pictures taken" in done.stdout and told["ended"] == "accepted", (
            done.stderr
        )
        camera = next(c for c in load_robot("fr3_single").cameras if c.name == "scene")
        shown = cv2.imread(str(tmp_path / "first/placement-scene.png"))
        assert shown.shape == (camera.height, camera.width, 3) and shown.std() > 10
        done, told = placement("second")
        assert done.returncode == 0 and set(told["drift"]) == {"scene", "wrist"}, (done.stdout, done.stderr)
        assert max(d["pixels"] for d in told["drift"].values()) < 0.5
        # the cause taken away: the reference of a camera that stood elsewhere
        path = tmp_path / "ref/scene.png"
        picture = cv2.imread(str(path))
        turn = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), 2.0, 1.0)
        cv2.imwrite(str(path), cv2.warpAffine(picture, turn, picture.shape[1::-1]))
        done, told = placement("third")
        assert done.returncode == 1 and told["ended"] == "refused" and "camera scene has moved" in told["faults"][0]
        assert 1.7 < told["drift"]["scene"]["degrees"] < 2.3
