"""Guided poses: the arm shows the camera the board from many sides, and stands still for the pictures."""

from collections.abc import Callable

import numpy as np
from vipa_msgs.srv import PlanMotion

from vipa.calibration.board import Board
from vipa.calibration.collect import PictureViews, PoseViews
from vipa.calibration.mounting import Mounting, nominal, tool_pose
from vipa.calibration.view import board_pose
from vipa.calibration.viewpoints import HAND_EYE, Spread, tool_poses, viewpoints
from vipa.errors import VipaError
from vipa.geometry import rotation
from vipa.recording import topics
from vipa.robot.kinematics import Kinematics
from vipa_ros.calibration.cell import Cell
from vipa_ros.common import convert
from vipa_ros.robot.moves import Unreached

LOOK_TIMEOUT_S = 4.0  # seconds of ROS time for pictures of a pose
ENOUGH = 3  # pictures of a pose
SETTLING_S = 0.5  # seconds of ROS time after the last move, until which an arm still settles
STANDSTILL_TIMEOUT_S = 120.0  # wall seconds for it, however slowly a simulation goes


async def guided(
    cell: Cell, board: Board, how: Mounting, count: int, say: Callable[[str], None], spread: Spread = HAND_EYE
) -> PoseViews:
    """Views from `count` poses, the first where the robot stands, as far as it reaches them; the arm is home when it ends. spread: see
    `viewpoints`. Raises VipaError where the first shows no board."""
    await cell.heard()
    kinematics = Kinematics(cell.robot)
    views = PoseViews(board, kinematics, how.arm)
    cell.on_joints = views.joint_state
    cell.on_picture = lambda camera, stamp, picture: views.picture(stamp, picture)
    if not await _looked(cell, views):
        raise VipaError(
            f"camera {how.camera.name}: from where the robot stands: {views.newest_refusal or 'no picture'}; bring the board into the picture first"
        )
    first = board_pose(views.views[0].sighting, board.points, cell.infos[how.camera.name])
    mount = nominal(cell.robot, how, cell.joints)
    start = tool_pose(kinematics, how.arm, cell.joints)
    wanted = tool_poses(viewpoints(first, count, spread=spread), mount, start, how.on_hand)
    say(f"pose 1/{count}: {views.pictures} pictures")

    async def around() -> None:
        for number, pose in enumerate(wanted[1:], 2):
            target = np.concatenate([pose[:3, 3], rotation.from_matrix(pose[:3, :3])])
            try:
                await cell.moves.to(PlanMotion.Request(group=how.arm, pose=[convert.pose_msg(target)]))
            except Unreached as error:
                say(f"pose {number}/{count}: left out: {error.why}")
                continue
            before = len(views.views)
            await _looked(cell, views)
            here = f"{views.pictures} pictures" if len(views.views) > before or views.pictures else views.newest_refusal
            say(f"pose {number}/{count}: {here}")
        for group in cell.robot.groups:
            await cell.moves.to(PlanMotion.Request(group=group.name, named="home"))

    await cell.moves.held(around)
    await _at_rest(cell)
    return views


async def _at_rest(cell: Cell) -> None:
    """Until the newest picture was exposed SETTLING_S after now: the one that came last may be of the way home. Raises VipaError."""
    since, newest = cell.states.stamp_ns + round(SETTLING_S * 1e9), [0]
    cell.on_picture = lambda camera, stamp, picture: newest.append(stamp)
    if not await cell.services_.until(lambda: newest[-1] > since, STANDSTILL_TIMEOUT_S):
        raise VipaError(f"no picture of the arm at rest within {STANDSTILL_TIMEOUT_S:g} s")


async def _looked(cell: Cell, views: PoseViews) -> bool:
    """Whether the present pose has a picture that counts: waits for ENOUGH of them, at most LOOK_TIMEOUT_S seconds, by the joint states' stamps: a
    busy simulation takes longer. Raises VipaError if none come."""
    began = cell.states.stamp_ns
    over = lambda: views.pictures >= ENOUGH or cell.states.stamp_ns - began > LOOK_TIMEOUT_S * 1e9  # noqa: E731
    if not await cell.moves.until(over, STANDSTILL_TIMEOUT_S):
        raise VipaError(
            f"{topics.JOINT_STATES} has not gone on by {LOOK_TIMEOUT_S:g} s within {STANDSTILL_TIMEOUT_S:g} s"
        )
    return views.pictures > 0


async def watched(cell: Cell, board: Board, camera: str, seconds: float, say: Callable[[str], None]) -> PictureViews:
    """Views of a camera while a person shows it the board, for `seconds` of wall time or until there are enough."""
    await cell.heard()
    views, told = PictureViews(board), 0
    cell.on_picture = lambda _, stamp, picture: views.picture(stamp, picture)
    for _ in range(round(seconds / 0.25)):
        await cell.services_.pause(0.25)
        if len(views.views) > told:
            told = len(views.views)
            say(f"{told} pictures")
    return views
