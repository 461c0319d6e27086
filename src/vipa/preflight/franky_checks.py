"""Before driver `franky` starts: can each arm be reached, is it ready, does its tool lie where the robot file says, was its hand homed."""

from types import ModuleType

import numpy as np

from vipa.drivers.franky_arm import FrankyArm, library
from vipa.drivers.franky_hand import FrankyHand
from vipa.errors import VipaError
from vipa.preflight.finding import ERROR, OK, Finding
from vipa.robot.description import Group, Robot
from vipa.robot.kinematics import Kinematics

FIX = "Desk: joints unlocked, FCI active, end effector set, hand homed; address and realtime in the robot file; docs/robots/franky.md"


def arms(robot: Robot, api: ModuleType | None = None) -> list[Finding]:
    """A finding an arm. Connects to each and lets it go; nothing moves. api: the module franky, or what stands for it."""
    kinematics = Kinematics(robot)
    return [_arm(group, kinematics, api) for group in robot.arms]


def _arm(group: Group, kinematics: Kinematics, api: ModuleType | None) -> Finding:
    name = f"franka {group.name}"
    try:
        if group.franky is None:
            raise VipaError("franky is not set in the robot file")
        arm = FrankyArm(group.franky, api or library())
        reading = arm.read()
        if not (state := arm.state(reading)).ready:
            return Finding(name, ERROR, state.message, FIX)
        arm.check_tool(kinematics.group(group.name).placement(np.asarray(reading.positions)).homogeneous)
        if group.hand is not None:
            FrankyHand(group.franky.address, group.hand, arm.api).close()
    except (VipaError, ValueError) as error:
        return Finding(name, ERROR, str(error), FIX)
    return Finding(name, OK, f"{group.franky.address}, {state.mode}")
