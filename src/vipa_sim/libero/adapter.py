"""Between LIBERO and a commander: its observations as ours, our chunks as the actions of its controller.

Frames: LIBERO's world frame stands for the base frame, as its datasets and openpi's client have it; the tool frame is robosuite's:
position of the grip site, rotation of the hand's body. Actions are those of robosuite's OSC_POSE: moves of 5 cm and turns of
0.5 rad are 1.0, in the base's axes, from where the tool is; the gripper opens at -1 and closes at +1.
"""

import math

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.state import CameraFrame, GroupState, Observation

RATE_HZ = 20.0  # Hz of LIBERO's control
METRES, RADIANS = 0.05, 0.5  # of an action of 1.0
OPEN_M = 0.04  # metres of a finger
GROUP = "arm"


def observation(told: dict, arrays: dict[str, np.ndarray], instruction: str, stamp_ns: int) -> Observation:
    """What a commander sees. Images are upright RGB; there is no depth (zeros)."""
    frames = {}
    for name, camera in told["cameras"].items():
        color = arrays[f"image/{name}"]
        height, width = color.shape[:2]
        focal = height / 2 / math.tan(math.radians(camera["vertical_fov"]) / 2)
        intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
        extrinsics = np.eye(4)
        # MuJoCo's cameras look along -z with y up, optical frames along z with y down
        extrinsics[:3, :3] = np.array(camera["axes"]) @ np.diag([1.0, -1.0, -1.0])
        extrinsics[:3, 3] = camera["position"]
        frames[name] = CameraFrame(name, stamp_ns, color, np.zeros((height, width), np.uint16), intrinsics, extrinsics)
    return Observation(stamp_ns, frames, {GROUP: group_state(told)}, instruction)


def group_state(told: dict) -> GroupState:
    """The arm. The sign of the tool's quaternion stays robosuite's: see `axis_angle` in vipa.serving.mapping."""
    pose = np.array([*told["tool_position"], *told["tool_quaternion"]])
    opening = np.clip((told["fingers"][0] - told["fingers"][1]) / (2 * OPEN_M), 0.0, 1.0)
    hand = np.array([opening])
    return GroupState(np.array(told["joints"]), np.array(told["joint_velocities"]), pose, np.zeros(3), hand)


class Executor:
    """Gives LIBERO the actions of a chunk, step by step.

    relative: the commander's steps are each relative to the one before, as LIBERO's own actions are (openpi's and GR00T's LIBERO policies):
    they are handed on as they were, however the arm has followed. Otherwise a step is a pose to be at: the action leads there from where
    the tool is measured.
    """

    def __init__(self, relative: bool):
        self.relative = relative
        self.chunk: ActionChunk | None = None
        self.seen = np.zeros(7)

    def take(self, chunk: ActionChunk, tool_pose: np.ndarray) -> None:
        """A new chunk, which answers the observation with the tool at `tool_pose` (7,). Raises ValueError if it moves anything but the arm by
        poses."""
        for action in chunk.groups:
            if action.name != GROUP or action.poses is None:
                raise ValueError(
                    f"the commander moves '{action.name}' by joints or not at all; allowed: poses of '{GROUP}'"
                )
        self.chunk, self.seen = chunk, tool_pose

    def action(self, now_ns: int, tool_pose: np.ndarray) -> np.ndarray:
        """(7,) what to do in the control period that begins at `now_ns`, with the tool measured at `tool_pose` (7,)."""
        if self.chunk is None or not self.chunk.groups:
            return np.array([0.0] * 6 + [-1.0])
        arm = self.chunk.groups[0]
        due = (
            round((now_ns - self.chunk.start_ns) / 1e9 / self.chunk.dt) + 1
        )  # the step that is reached at the period's end
        step = min(max(due, 0), len(arm.poses) - 1)
        if self.relative:
            start = self.seen if step == 0 else arm.poses[step - 1]
            move = move_between(start, arm.poses[step]) if due < len(arm.poses) else np.zeros(6)
        else:
            move = move_between(tool_pose, arm.poses[step])
        return np.append(np.clip(move, -1.0, 1.0), gripper(arm, step))


def move_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(6,) in the units of OSC_POSE, not clipped, that leads from the pose `start` (7,) to `end` (7,)."""
    turn = Rotation.from_quat(end[3:]) * Rotation.from_quat(start[3:]).inv()
    return np.concatenate([(end[:3] - start[:3]) / METRES, turn.as_rotvec() / RADIANS])


def gripper(arm: GroupAction, step: int) -> float:
    """-1 open, +1 closed: LIBERO's gripper knows no more."""
    return -1.0 if arm.hand is None or float(arm.hand[step].mean()) > 0.5 else 1.0
