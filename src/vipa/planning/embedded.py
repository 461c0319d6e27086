"""Our own planner behind the planning interface."""

from collections.abc import Sequence

import numpy as np

from vipa.motion.clearance import Clearance
from vipa.motion.collision import CollisionModel
from vipa.planning import rrt_connect
from vipa.planning.request import STEP_S, NoPlan, PlannedMotion, PlanRequest, present, verified
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import JointState


class EmbeddedPlanning:
    """Plans with RRT-Connect and a dense re-check by motion's own collision model. Not for several threads.

    Args:
        robot: whose motions are planned.
        fixtures: boxes, world frame, that are kept clear of.
    """

    def __init__(self, robot: Robot, fixtures: Sequence[Fixture] = ()):
        self.robot, self.kinematics = robot, Kinematics(robot)
        self.clearance = Clearance(CollisionModel(self.kinematics, fixtures))

    def plan(self, request: PlanRequest, state: JointState) -> PlannedMotion:
        group = self.robot.group(request.group)
        start = np.concatenate([present(g, state) for g in self.robot.groups])
        self.clearance.allow(request.contacts)
        search = rrt_connect.Planner(self.clearance.collisions, self.clearance.margins)
        hands = {g.name: self._opening(g, state) for g in self.robot.groups if g.hand}
        goal = request.goal_joints(group)
        try:
            if goal is not None:
                found = search.to_joints(group.name, start, goal, hands)
            else:
                found = search.to_pose(group.name, start, np.asarray(request.pose, float), hands)
        except rrt_connect.NoPath as error:
            raise NoPlan(str(error)) from None
        here = start[self.kinematics.columns[group.name]]
        steps = np.vstack([here, found.path.steps(STEP_S)]) if found.path.duration else here[None]
        return verified(steps, request, group, state, "embedded")

    @staticmethod
    def _opening(group, state: JointState) -> np.ndarray:
        index = {name: i for i, name in enumerate(state.names)}
        if any(joint not in index for joint in group.hand.joints):
            raise NoPlan(f"{group.name}: the joint state lacks a joint of its hand")
        closed, opened = np.asarray(group.hand.closed, float), np.asarray(group.hand.open, float)
        joints = np.asarray(state.positions, float)[[index[joint] for joint in group.hand.joints]]
        return np.clip((joints - closed) / (opened - closed), 0.0, 1.0)
