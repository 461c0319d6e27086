"""One question before the episode: a policy's first answer may take many times as long as those that follow (compilation, graphs,
memory), and a policy that answers nothing, or nothing to this instruction, is known before anything moves."""

import math

import numpy as np

from vipa.commanders.commander import Commander, CommanderInput, EpisodeStart
from vipa.errors import NoChunk, VipaError
from vipa.motion.chunk import Mode, MotionStatus
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Robot
from vipa.robot.measured import GroupReader
from vipa.robot.state import CameraFrame, JointState, Observation

STAMP_NS = 1_000_000_000


def ask_once(commander: Commander, robot: Robot, instruction: str) -> None:
    """Asks `commander`, which has `cameras`, what it would do for `instruction` at home in a room of noise. Raises VipaError if it
    does not say."""
    commander.reset(EpisodeStart("", "", instruction, 0, ""))
    try:
        commander.step(at_home(robot, commander.cameras, instruction))
    except NoChunk as reason:
        raise VipaError(f"asked before the episode: {reason}") from None


def at_home(robot: Robot, cameras, instruction: str) -> CommanderInput:
    """What a commander may see of `robot` at home with open hands: valid in every part, and of no scene at all."""
    names, positions = [], []
    for group in robot.groups:
        names += [*group.joints, *(group.hand.joints if group.hand else ())]
        positions += [*group.home, *(group.hand.open if group.hand else ())]
    joints = JointState(STAMP_NS, tuple(names), np.array(positions, float), np.zeros(len(names)))
    reader, poses = GroupReader(robot), CameraPoses(robot)
    groups, q = reader.groups(joints), reader.vector(joints)
    frames = {c.name: _frame(c, poses.extrinsics(c.name, q)) for c in robot.cameras if c.name in cameras}
    status = MotionStatus(STAMP_NS, 0, "", Mode.HOLDING)
    return CommanderInput(STAMP_NS, groups, status, Observation(STAMP_NS, frames, groups, instruction))


def _frame(camera, extrinsics) -> CameraFrame:
    noise = np.random.default_rng(0)
    size = camera.height, camera.width
    focal = camera.height / 2 / math.tan(math.radians(camera.vertical_fov) / 2)
    intrinsics = np.array([[focal, 0, camera.width / 2], [0, focal, camera.height / 2], [0, 0, 1.0]])
    color, depth = noise.integers(0, 256, (*size, 3), np.uint8), noise.integers(500, 1500, size, np.uint16)
    return CameraFrame(camera.name, STAMP_NS, color, depth, intrinsics, extrinsics)
