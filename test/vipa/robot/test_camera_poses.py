"""Camera poses from the robot file and kinematics agree with what the simulated cell renders from."""

import numpy as np
import pytest

from vipa.errors import VipaError
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer


def test_extrinsics_are_those_of_the_rendered_frames():
    robot, task = load_robot("fr3_single"), load_task("put_three_obj")
    cell = SimCell(robot, task)
    cell.reset(0)
    renderer, poses = Renderer(cell), CameraPoses(robot)
    snapshot, q = cell.snapshot(), cell.joint_state().positions[:7]
    for camera in task.cameras:
        frame = renderer.frame(snapshot, camera)
        np.testing.assert_allclose(poses.extrinsics(camera, q), frame.extrinsics, atol=1e-6)
    renderer.close()


def test_a_camera_on_a_link_that_is_none_is_refused():
    robot = load_robot("fr3_single")
    object.__setattr__(robot.cameras[1], "parent", "elbow")
    with pytest.raises(VipaError, match="camera wrist: parent 'elbow' is no link"):
        CameraPoses(robot)
