"""Camera poses from the robot file and kinematics agree with what the simulated cell renders from."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vipa.errors import VipaError
from vipa.geometry import poses
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer


def test_extrinsics_are_those_of_the_rendered_frames():
    robot, task = load_robot("fr3_single"), load_task("put_three_obj")
    cell = SimCell(robot, task, fixed_cameras=True)
    cell.reset(0)
    renderer, where = Renderer(cell), CameraPoses(robot)
    snapshot, q = cell.snapshot(), cell.joint_state().positions[:7]
    for camera in task.cameras:
        frame = renderer.frame(snapshot, camera)
        np.testing.assert_allclose(where.extrinsics(camera, q), frame.extrinsics, atol=1e-6)
    renderer.close()


def test_a_camera_on_a_link_that_is_none_is_refused():
    robot = load_robot("fr3_single")
    object.__setattr__(robot.cameras[1], "parent", "elbow")
    with pytest.raises(VipaError, match="camera wrist: parent 'elbow' is no link"):
        CameraPoses(robot)


SCENE = "scene_color_optical_frame"
MOUNT = poses.pose([1.0, 0.2, 0.7], Rotation.from_euler("xyz", [-2.0, 0.1, 1.0]).as_quat())


def test_tf_says_where_a_camera_is_and_the_robot_file_where_tf_is_silent():
    robot = load_robot("fr3_single")
    where, silent, home = CameraPoses(robot), CameraPoses(robot), np.array(robot.arms[0].home)
    where.hear(SCENE, "world", MOUNT)
    found = where.extrinsics("scene", home)
    np.testing.assert_allclose(found[:3, 3], MOUNT[:3])
    np.testing.assert_allclose(found[:3, :3], Rotation.from_quat(MOUNT[3:]).as_matrix(), atol=1e-12)
    np.testing.assert_array_equal(where.extrinsics("wrist", home), silent.extrinsics("wrist", home))


def test_frames_between_a_camera_and_its_link_are_followed():
    """As realsense-ros and a hand-eye calibration publish it, in whatever order they come."""
    robot = load_robot("fr3_single")
    home, inner = np.array(robot.arms[0].home), poses.pose([0.0, 0.015, 0.0], Rotation.from_euler("z", -1.57).as_quat())
    where, whole = CameraPoses(robot), CameraPoses(robot)
    before = where.extrinsics("wrist", home)
    where.hear("wrist_color_optical_frame", "wrist_link", inner)
    np.testing.assert_array_equal(where.extrinsics("wrist", home), before)  # tied to nothing yet
    where.hear("wrist_link", "fr3_hand", MOUNT)
    whole.hear("wrist_color_optical_frame", "fr3_hand", poses.compose(MOUNT, inner))
    np.testing.assert_allclose(where.extrinsics("wrist", home), whole.extrinsics("wrist", home), atol=1e-12)
    assert np.abs(where.extrinsics("wrist", home) - before).max() > 0.1


def test_frames_that_lead_nowhere_change_nothing():
    robot = load_robot("fr3_single")
    where, home = CameraPoses(robot), np.array(robot.arms[0].home)
    before = where.extrinsics("scene", home)
    where.hear(SCENE, "scene_link", MOUNT)
    where.hear("scene_link", SCENE, MOUNT)  # a circle
    where.hear("something", "world", MOUNT)
    np.testing.assert_array_equal(where.extrinsics("scene", home), before)


@pytest.mark.parametrize(
    "bad",
    [
        [np.nan, 0, 0, 0, 0, 0, 1],
        [1e9, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1e300],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 0, 0],
    ],
)
def test_a_transform_that_is_none_is_refused(bad):
    with pytest.raises(
        ValueError, match="transform of scene_color_optical_frame is .*allowed: up to 100 metres and a unit quaternion"
    ):
        CameraPoses(load_robot("fr3_single")).hear(SCENE, "world", np.array(bad, float))
