"""What was commanded when, from the chunks in a bag: the pose (or joints) and opening of every group at any time."""

import math
from dataclasses import dataclass

import numpy as np

from vipa.errors import VipaError
from vipa.motion.buffer import KnotPath, Space
from vipa.motion.validation import QUATERNION_TOLERANCE
from vipa.robot.description import Group, Robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import GroupState


@dataclass(frozen=True)
class _Plan:
    """A chunk's part for one group: valid from made_ns on, until a newer one begins."""

    commander: str
    made_ns: int
    start_ns: int
    epoch: int
    reference: KnotPath | None
    hand: KnotPath | None


class CommandedActions:
    """Reads chunks (messages of vipa_msgs/ActionChunk) and motion's epochs, then answers `at`. One thread.

    Only chunks of the commander that motion gave authority count, and only in their epoch: a hold, a stop or a change of
    authority begins a new one. Between the steps of a chunk it is read linearly; past its end its last step holds. Until
    there is a chunk the group is taken to hold where it is measured. What ChunkBuffer blends at a splice and the gate
    clamps is not in here: this is what was asked for.
    """

    def __init__(self, robot: Robot):
        self.robot = robot
        self._kinematics = Kinematics(robot)
        self._plans: dict[str, list[_Plan]] = {g.name: [] for g in robot.groups}
        self._epochs: list[tuple[int, int, str]] = []

    def status(self, stamp_ns: int, epoch: int, authority: str) -> None:
        """From a MotionStatus, in order of time."""
        if not self._epochs or self._epochs[-1][1:] != (epoch, authority):
            self._epochs.append((stamp_ns, epoch, authority))

    def chunk(self, message) -> None:
        """From an ActionChunk, in order of time. A group that the robot lacks, or a chunk without steps, is left out. Raises
        VipaError, ValueError or KeyError for one that motion refuses: numbers that are not finite, other joints."""
        made, start = _ns(message.header.stamp), _ns(message.start_time)
        if not (math.isfinite(message.dt) and message.dt > 0):
            raise VipaError(f"dt {message.dt}; allowed: seconds above 0")
        plans = []
        for part in message.groups:
            if part.name not in self._plans:
                continue
            group = self.robot.group(part.name)
            reference = self._reference(group, part, message.dt)
            hand = self._hand(group, part, message.dt)
            if reference is not None or hand is not None:
                plan = _Plan(message.commander_id, made, start, message.epoch, reference, hand)
                plans.append((part.name, plan))
        for name, plan in plans:  # all of a chunk, or nothing
            self._plans[name].append(plan)

    def at(self, group: str, at_ns: int, measured: GroupState) -> tuple[np.ndarray, np.ndarray]:
        """(reference, opening) of `group` commanded for `at_ns`: (7,) pose in the base frame for an arm, (J,) joints for a
        head; (H,) opening. `measured`: the group's state then, which holds where nothing was commanded."""
        arm = self.robot.group(group).kind == "arm"
        reference, hand = None, None
        for plan in self._newest_first(group, at_ns):
            seconds = (at_ns - plan.start_ns) / 1e9
            if reference is None and plan.reference is not None:
                reference = plan.reference.at(seconds)
            if hand is None and plan.hand is not None:
                hand = plan.hand.at(seconds)
            if reference is not None and hand is not None:
                break
        if reference is None:
            reference = measured.tool_pose if arm else measured.positions
        return reference, measured.hand if hand is None else hand

    def _newest_first(self, group: str, at_ns: int):
        """Plans that hold at `at_ns`, newest first."""
        now = next(((e, who) for t, e, who in reversed(self._epochs) if t <= at_ns), None)
        for plan in reversed(self._plans[group]):
            if plan.start_ns > at_ns or plan.made_ns > at_ns:
                continue
            if now is not None and (plan.epoch, plan.commander) != now:
                if plan.epoch < now[0]:
                    return
                continue
            yield plan

    def _reference(self, group: Group, part, dt: float) -> KnotPath | None:
        if part.kind == 0 and len(part.poses):
            values = np.array(
                [
                    [p.position.x, p.position.y, p.position.z, q.x, q.y, q.z, q.w]
                    for p, q in ((p, p.orientation) for p in part.poses)
                ]
            )
            norms = np.linalg.norm(_finite(values)[:, 3:], axis=1)
            if np.abs(norms - 1).max() > QUATERNION_TOLERANCE:
                raise VipaError(f"quaternions of norm {norms.min():.4g} to {norms.max():.4g}; allowed: 1")
            return KnotPath(Space("pose", 0), dt * np.arange(len(values)), values)
        if part.kind == 1 and len(part.joint_names):
            joints = _finite(np.asarray(part.joints, float)).reshape(-1, len(part.joint_names))
            order = [list(part.joint_names).index(j) for j in group.joints]
            times = dt * np.arange(len(joints))
            if group.kind == "arm":
                poses = np.array([self._kinematics.group(group.name).forward(q) for q in joints[:, order]])
                return KnotPath(Space("pose", 0), times, poses)
            return KnotPath(Space("joints", len(order)), times, joints[:, order])
        return None

    def _hand(self, group: Group, part, dt: float) -> KnotPath | None:
        if group.hand is None or not len(part.hand_joint_names):
            return None
        opening = _finite(np.asarray(part.hand, float)).reshape(-1, len(part.hand_joint_names))
        order = [list(part.hand_joint_names).index(j) for j in group.hand.joints]
        return KnotPath(Space("joints", len(order)), dt * np.arange(len(opening)), opening[:, order])


def _ns(stamp) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise VipaError("steps hold NaN or infinity; allowed: finite numbers")
    return values
