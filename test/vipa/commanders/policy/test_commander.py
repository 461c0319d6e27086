"""The policy's commander: what it hands to the model and what it says to motion. The model is a stand-in that remembers."""

from types import SimpleNamespace

import numpy as np
import pytest

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.errors import VipaError
from vipa.motion.chunk import Mode, MotionStatus
from vipa.robot.description import load_robot
from vipa.robot.state import CameraFrame, GroupState, Observation
from vipa_model.runtime.policy import PolicyOutput


class Remembering:
    """Answers with a line of poses from the reference and keeps what it was asked."""

    def __init__(self, group="arm", hand=1, cameras=("scene", "wrist")):
        self.config = SimpleNamespace(groups=[SimpleNamespace(name=group, hand=hand)], cameras=list(cameras))
        self.resets, self.dt, self.prefixes = 0, 0.1, []

    def reset(self):
        self.resets += 1

    def act(self, observation, prefix=None):
        self.asked = observation
        self.prefixes.append(prefix)
        pose = observation["state"]["arm"]["tool_pose"]
        poses = np.tile(pose, (4, 1))
        poses[:, 0] += 0.01 * np.arange(1, 5)
        return PolicyOutput({"arm": poses}, {"arm": np.array([[1.2], [0.5], [0.0], [-0.1]])}, 0.1, {})


def seen(mode=Mode.HOLDING):
    camera = {
        name: CameraFrame(name, 900, np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.uint16), np.eye(3), np.eye(4))
        for name in ("scene", "wrist")
    }
    group = GroupState(np.zeros(7), np.zeros(7), np.array([0.4, 0, 0.3, 1, 0, 0, 0.0]), np.zeros(3), np.array([1.0]))
    observation = Observation(900, camera, {"arm": group}, "do it")
    return CommanderInput(1000, {"arm": group}, MotionStatus(1000, 5, "policy", mode), observation)


def test_a_chunk_answers_the_observation_and_begins_a_step_after_it():
    robot, model = load_robot("fr3_single"), Remembering()
    commander = PolicyCommander(robot, model)
    commander.reset(EpisodeStart("id", "task", "do it", 0, ""))
    chunk = commander.step(seen())
    assert (chunk.epoch, chunk.seq, chunk.observation_ns) == (5, 1, 900)
    assert chunk.start_ns == 900 + 100_000_000 and chunk.dt == 0.1
    action = chunk.groups[0]
    assert (action.frame_id, action.tip_frame) == ("fr3_link0", "fr3_hand_tcp")
    np.testing.assert_allclose(action.poses[:, 0], [0.41, 0.42, 0.43, 0.44])
    np.testing.assert_allclose(action.hand[:, 0], [1.0, 0.5, 0.0, 0.0])  # openings are kept in their range
    assert model.asked["instruction"] == "do it" and set(model.asked["images"]) == {"scene", "wrist"}
    assert commander.step(seen()).seq == 2


def test_it_is_silent_while_the_robot_is_stopped():
    commander = PolicyCommander(load_robot("fr3_single"), Remembering())
    commander.reset(EpisodeStart("id", "task", "do it", 0, ""))
    assert commander.step(seen(Mode.STOPPED)) is None


@pytest.mark.parametrize(
    "model, message",
    [
        (Remembering(group="left"), "moves group 'left'; robot 'fr3_single' has: arm"),
        (Remembering(hand=6), "has 6 hand joints for group 'arm'"),
        (Remembering(cameras=["head"]), "looks through camera head; robot 'fr3_single' has: scene, wrist"),
    ],
)
def test_a_checkpoint_for_another_robot_is_refused(model, message):
    with pytest.raises(VipaError, match=message):
        PolicyCommander(load_robot("fr3_single"), model)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(VipaError, match=f"policy '{tmp_path}'"):
        load_policy(str(tmp_path))
