"""One group's part in what the expert plays: its script, its goal, and the steps of a chunk that lead there."""

from collections import deque
from collections.abc import Callable

import numpy as np

from vipa.commanders.expert.goal import Ended, Goal, JointGoal, Skill
from vipa.commanders.expert.reference import JointReference, PoseReference, disturbed
from vipa.commanders.expert.view import View
from vipa.geometry import rotation
from vipa.motion.chunk import GroupAction
from vipa.robot.description import Group
from vipa.robot.kinematics import GroupKinematics

HORIZON = 17  # steps of a chunk: now, and the sixteen that a policy learns
DT_S = 0.1  # seconds between them
# Steps at the head of a chunk that repeat what the last one said: motion has committed to them when the chunk arrives,
# one step late or less, and a new goal that began earlier would have to be caught up with in a hurry.
LEAD_STEPS = 2
ANGULAR_ACCELERATION_RAD_S2 = 6.0  # rad/s²
LOST_M = 0.06  # metres between the reference and the tool beyond which the expert starts anew from where the tool is
LOST_RAD = 0.15  # radians, likewise of a head's joints
KICK_STEPS = 5  # steps for which a random disturbance lasts
KICK_PAUSE = 10  # steps from its end to the next: the way back is what is to be learnt

Script = Callable[[View], Skill]


class Part:
    """Plays `script` with one group. `restart` where the group is, then each step `follow` and `speak`."""

    def __init__(self, group: Group, kinematics: GroupKinematics, script: Script):
        self.group, self.kinematics, self.script = group, kinematics, script
        self.tireless = False  # the script begins anew when it has ended

    def begin(self, view: View) -> None:
        """A new episode, seen through `view`."""
        self.view, self.skill = view, self.script(view)
        self.goal: Goal | JointGoal | None = None

    def follow(self) -> None:
        """Asks the script for its next goal as long as the present one has ended."""
        for _ in range(20):  # a script may skip what is done already, but it must come to a goal
            if self.goal is not None:
                ended = self._ended(self.goal)
                if ended is None:
                    return
            try:
                self.goal = self.skill.send(None if self.goal is None else ended)
            except StopIteration:
                if self.tireless:
                    self.skill, self.goal = self.script(self.view), None
                    continue
                self.goal = self.rest()
            self.goal_since, self.there_since = self.view.now, None

    def _ended(self, goal) -> Ended | None:
        now = self.view.now
        if goal.until is not None and goal.until(self.view):
            return Ended.UNTIL
        there = self.is_there(goal)
        self.there_since = (now if self.there_since is None else self.there_since) if there else None
        if there and now - self.there_since >= goal.settle - 1e-9:
            return Ended.REACHED
        return Ended.TIMEOUT if now - self.goal_since > goal.timeout else None

    # what an arm and a head do in their own ways

    def is_lost(self) -> bool:
        """The group is not where it was sent: it was stopped, or pushed away."""
        raise NotImplementedError

    def restart(self, told: float | None) -> None:
        """Goes on from where the group is and as fast as it moves. told: what the hand was told for now, None: nothing yet."""
        raise NotImplementedError

    def rest(self) -> Goal | JointGoal:
        """The goal after the script's end: to stay."""
        raise NotImplementedError

    def is_there(self, goal) -> bool:
        """`goal` is reached."""
        raise NotImplementedError

    def speak(self, noise: float, turn: float) -> tuple[GroupAction, GroupAction]:
        """HORIZON steps from now: as the script has them, and with disturbances of `noise` metres and `turn` radians."""
        raise NotImplementedError


class ArmPart(Part):
    """An arm with a hand that it uses as a gripper."""

    def begin_kicks(self, random: np.random.Generator) -> None:
        """Draws the episode's disturbances from `random`."""
        self.random = random
        self.kick, self.kick_left = np.zeros(4), -int(random.integers(KICK_PAUSE))

    def is_lost(self) -> bool:
        return bool(np.linalg.norm(self.said[0][0][:3] - self.view.tool[:3]) > LOST_M)

    def restart(self, told: float | None) -> None:
        arm = self.view.state
        poses = [arm.tool_pose.copy() for _ in range(LEAD_STEPS + 1)]
        for k, pose in enumerate(poses):
            pose[:3] += k * DT_S * arm.tool_velocity
        self.reference = PoseReference(poses.pop(), arm.tool_velocity)  # LEAD_STEPS steps ahead of now
        # a hand that holds something measures wider than it was told: told what it measures, it would let go
        hand = self.view.opening if self.goal is None else self.goal.hand
        # pose (7,) and opening of the steps before the reference
        self.said = deque((pose, hand if told is None else told) for pose in poses)

    def rest(self) -> Goal:
        pose = self.view.tool.copy()
        return Goal(lambda view: pose, hand=self.view.opening, timeout=float("inf"), near=0.0)

    def is_there(self, goal: Goal) -> bool:
        if goal.near <= 0.0:  # never: it lasts until another is due
            return False
        target, tool = goal.pose(self.view), self.view.tool
        return (
            float(np.linalg.norm(target[:3] - tool[:3])) < goal.near
            and float(np.linalg.norm(rotation.difference(target[3:], tool[3:]))) < goal.near_angle
        )

    def speak(self, noise: float, turn: float) -> tuple[GroupAction, GroupAction]:
        goal = self.goal
        limits = (goal.speed, goal.acceleration, goal.angular_speed, ANGULAR_ACCELERATION_RAD_S2)
        plan, after = self.reference.plan(goal.pose(self.view), limits, HORIZON - LEAD_STEPS, DT_S)
        poses = np.vstack([[pose for pose, _ in self.said], plan])
        last = self.said[-1][1]
        way = goal.hand_speed * DT_S * np.arange(1, HORIZON - LEAD_STEPS + 1)
        closing = last + np.clip(goal.hand - last, -way, way)
        hand = np.array([opening for _, opening in self.said] + list(closing))
        clean = sent = self._action(poses, hand)
        kick = self._disturbance(noise * goal.noise, turn * goal.noise)
        if kick is not None:
            kick = kick * [1, 1, not goal.pressed, 1]
            noisy = poses.copy()
            noisy[LEAD_STEPS + 1 :] = [disturbed(pose, kick) for pose in poses[LEAD_STEPS + 1 :]]
            sent = self._action(noisy, hand)
        self.said.popleft()
        self.said.append((plan[0], float(closing[0])))
        self.reference.advance(after)
        if kick is not None:
            self.reference.displace(kick)
        return clean, sent

    def _disturbance(self, noise: float, turn: float) -> np.ndarray | None:
        """(4,) metres and radians about the vertical for this step, or None. A kick lasts KICK_STEPS steps and sums up to a draw
        of N(0, noise²) and N(0, turn²)."""
        if not noise and not turn:
            self.kick_left = 0
            return None
        if -KICK_PAUSE < self.kick_left <= 0:  # below nought: steps of the pause that are over
            self.kick_left -= 1
            return None
        if self.kick_left < 0:
            self.kick_left = KICK_STEPS
            self.kick = self.random.normal(0.0, 1.0, 4) * [noise, noise, noise, turn] / KICK_STEPS
        self.kick_left -= 1
        return self.kick

    def _action(self, poses: np.ndarray, hand: np.ndarray) -> GroupAction:
        joints = tuple(self.group.hand.joints)
        return GroupAction(
            self.group.name,
            frame_id=self.group.base_frame,
            tip_frame=self.group.tool_frame,
            poses=poses,
            hand_joint_names=joints,
            hand=self.group.hand.gripping(hand),
        )


class HeadPart(Part):
    """A head that pans and tilts a camera. Nothing disturbs it."""

    def is_lost(self) -> bool:
        return bool(np.abs(self.said[0] - self.view.state.positions).max() > LOST_RAD)

    def restart(self, told: float | None) -> None:
        head = self.view.state
        path = [head.positions + k * DT_S * head.velocities for k in range(LEAD_STEPS + 1)]
        path = [np.clip(joints, self.kinematics.lower, self.kinematics.upper) for joints in path]
        self.reference = JointReference(path.pop(), head.velocities)
        self.said = deque(path)

    def rest(self) -> JointGoal:
        joints = self.view.state.positions.copy()
        return JointGoal(lambda view: joints, timeout=float("inf"), near=0.0)

    def is_there(self, goal: JointGoal) -> bool:
        return goal.near > 0.0 and bool(np.abs(goal.joints(self.view) - self.view.state.positions).max() < goal.near)

    def speak(self, noise: float, turn: float) -> tuple[GroupAction, GroupAction]:
        goal = self.goal
        plan, after = self.reference.plan(
            goal.joints(self.view), (goal.speed, goal.acceleration), HORIZON - LEAD_STEPS, DT_S
        )
        joints = np.clip(np.vstack([self.said, plan]), self.kinematics.lower, self.kinematics.upper)
        self.said.popleft()
        self.said.append(plan[0])
        self.reference.advance(after)
        action = GroupAction(self.group.name, joint_names=tuple(self.group.joints), joints=joints)
        return action, action
