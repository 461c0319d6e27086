"""The commander `expert`: a scripted episode from the cell's ground truth, spoken as action chunks like everyone's."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.expert.goal import Ended, Goal, Skill, View
from vipa.commanders.expert.reference import PoseReference, disturbed
from vipa.commanders.expert.scripts import script_of
from vipa.errors import VipaError
from vipa.geometry import rotation
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.checks import CheckState
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import Task

HORIZON = 17  # steps of a chunk: now, and the sixteen that a policy learns
DT = 0.1  # seconds between them
# Steps at the head of a chunk that repeat what the last one said: motion has committed to them when the chunk arrives,
# one step late or less, and a new goal that began earlier would have to be caught up with in a hurry.
LEAD = 2
ANGULAR_ACCELERATION = 6.0  # rad/s²
LOST = 0.06  # metres between the reference and the tool beyond which the expert starts anew from where the tool is
KICK_STEPS = 5  # steps for which a random disturbance lasts
KICK_TURN = 6.0  # radians about the vertical that go with a metre of disturbance
KICK_PAUSE = 10  # steps from its end to the next: the way back is what is to be learnt


@dataclass(frozen=True)
class Label:
    """What a demonstration may learn from beside the actions. subtask: index of the current sub-task. target: (3,)
    metres, base frame, what the motion is about, NaN: nothing. tip: (3,) likewise, the task's tip. clean: the expert's own chunk from here, before noise was added."""

    subtask: int
    target: np.ndarray
    tip: np.ndarray
    clean: ActionChunk


class Expert:
    """Plays the task's script and answers each step with the next 1.6 s of tool poses and hand openings.

    Closed loop: goals are asked anew from the ground truth at every step, and a skill that fails is tried again.
    noise: metres, standard deviation of the disturbances added to what is sent (DART), and KICK_TURN of it about the
    vertical: the next chunk starts where the disturbance led to, so demonstrations hold the recovery; 0 adds none. led: somebody
    else drives, and each answer is what the expert would do from where the tool is and as fast as it moves, with the hand as it
    was `told` to be (opening, None: not told yet). tireless: the script begins anew when it has ended. Raises VipaError for a
    task without a script.
    """

    commander_id = "expert"
    wants_cameras = False
    period = DT

    def __init__(self, robot: Robot, task: Task, seed: int = 0, noise: float = 0.0):
        self.task = task
        self.script: Callable[[View], Skill] = script_of(task)
        if not noise >= 0:
            raise VipaError(f"expert: noise must be >= 0 metres, got {noise}")
        self.robot, self.seed, self.noise = robot, seed, noise
        self.arm = robot.arms[0]
        if self.arm.hand is None or self.arm.hand.kind != "parallel":
            kind = self.arm.hand.kind if self.arm.hand else "no"
            raise VipaError(f"expert: its skills grasp with a parallel hand; robot '{robot.name}' has {kind} hand")
        self.kinematics = Kinematics(robot).group(self.arm.name)
        self.fingers = frozenset(self.arm.hand.fingers if self.arm.hand else ())
        self.label: Label | None = None
        self.led = self.tireless = False
        self.told: float | None = None

    def reset(self, start: EpisodeStart) -> None:
        self.random = np.random.default_rng((self.seed, start.seed))
        self.view: View | None = None
        self.goal: Goal | None = None
        self.reference: PoseReference | None = None  # LEAD steps ahead of now
        self.said: deque[tuple[np.ndarray, float]] = deque()  # pose (7,) and opening of the steps before that
        self.seq = 0
        self.epoch = -1
        self.label = None
        self.kick, self.kick_left = np.zeros(4), -int(self.random.integers(KICK_PAUSE))

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk; None when the robot is stopped. Raises VipaError without ground truth."""
        if seen.truth is None:
            raise VipaError("expert: sees nothing without a simulated cell's ground truth")
        self._look(seen)
        if seen.status.mode is Mode.STOPPED:
            return None
        if self.led or seen.status.epoch != self.epoch or self._is_lost(seen):
            self.epoch = seen.status.epoch
            self._start_from(seen)
        self._follow_script()
        return self._chunk(seen)

    # what it sees

    def _look(self, seen: CommanderInput) -> None:
        arm, now = seen.groups[self.arm.name], seen.now_ns / 1e9
        state = CheckState(seen.truth.stamp_ns, seen.truth, seen.groups, self.fingers)
        if self.view is None:
            scorer = EpisodeScorer(self.task, time_limit=float("inf"))
            scorer.setup(state)
            base = self.kinematics.base
            pose = np.concatenate([base.translation, rotation.from_matrix(base.rotation)])
            self.view = View(now, seen.truth, arm, pose, self.fingers, scorer, self.kinematics, self.random)
            self.skill = self.script(self.view)
        else:
            self.view.now, self.view.truth, self.view.arm = now, seen.truth, arm
            self.view.scorer.update(state)

    def _is_lost(self, seen: CommanderInput) -> bool:
        """The tool is not where it was sent: it was stopped, or pushed away."""
        off = np.linalg.norm(self.said[0][0][:3] - seen.groups[self.arm.name].tool_pose[:3])
        return bool(off > LOST)

    def _start_from(self, seen: CommanderInput) -> None:
        arm = seen.groups[self.arm.name]
        poses = [arm.tool_pose.copy() for _ in range(LEAD + 1)]
        for k, pose in enumerate(poses):
            pose[:3] += k * DT * arm.tool_velocity
        self.reference = PoseReference(poses.pop(), arm.tool_velocity)
        # a hand that holds something measures wider than it was told: told what it measures, it would let go
        hand = float(arm.hand[0]) if self.goal is None else self.goal.hand
        if self.led and self.told is not None:
            hand = self.told
        self.said = deque((pose, hand) for pose in poses)

    # the script

    def _follow_script(self) -> None:
        """Asks the script for its next goal as long as the present one has ended."""
        view = self.view
        for _ in range(20):  # a script may skip what is done already, but it must come to a goal
            if self.goal is not None:
                ended = self._ended(self.goal)
                if ended is None:
                    return
            try:
                self.goal = self.skill.send(None if self.goal is None else ended)
            except StopIteration:
                if self.tireless:
                    self.skill, self.goal = self.script(view), None
                    continue
                self.goal = self._rest()
            self.goal_since, self.there_since = view.now, None

    def _rest(self) -> Goal:
        pose = self.view.arm.tool_pose.copy()
        return Goal(lambda view: pose, hand=self.view.opening, timeout=float("inf"), near=0.0)

    def _ended(self, goal: Goal) -> Ended | None:
        view = self.view
        if goal.until is not None and goal.until(view):
            return Ended.UNTIL
        target, tool = goal.pose(view), view.tool
        there = (
            float(np.linalg.norm(target[:3] - tool[:3])) < goal.near
            and float(np.linalg.norm(rotation.difference(target[3:], tool[3:]))) < goal.near_angle
        )
        self.there_since = (view.now if self.there_since is None else self.there_since) if there else None
        if there and view.now - self.there_since >= goal.settle - 1e-9:
            return Ended.REACHED
        return Ended.TIMEOUT if view.now - self.goal_since > goal.timeout else None

    # what it says

    def _chunk(self, seen: CommanderInput) -> ActionChunk:
        goal = self.goal
        limits = (goal.speed, goal.acceleration, goal.angular_speed, ANGULAR_ACCELERATION)
        plan, after = self.reference.plan(goal.pose(self.view), limits, HORIZON - LEAD, DT)
        poses = np.vstack([[pose for pose, _ in self.said], plan])
        last = self.said[-1][1]
        way = goal.hand_speed * DT * np.arange(1, HORIZON - LEAD + 1)
        closing = last + np.clip(goal.hand - last, -way, way)
        hand = np.array([opening for _, opening in self.said] + list(closing))
        clean = sent = self._wrap(seen, poses, hand)
        kick = self._disturbance(goal)
        if kick is not None:
            noisy = poses.copy()
            noisy[LEAD + 1 :] = [disturbed(pose, kick) for pose in poses[LEAD + 1 :]]
            sent = self._wrap(seen, noisy, hand)
        self.said.popleft()
        self.said.append((plan[0], float(closing[0])))
        self.reference.advance(after)
        if kick is not None:
            self.reference.displace(kick)
        target, tip = (self.view.body(b)[:3].copy() if b else np.full(3, np.nan) for b in (goal.target, self.task.tip))
        self.label = Label(self.view.scorer.current, target, tip, clean)
        return sent

    def _disturbance(self, goal: Goal) -> np.ndarray | None:
        """(4,) metres and radians about the vertical for this step, or None. A kick lasts KICK_STEPS steps and sums up to a draw
        of N(0, noise²)."""
        if self.led or not self.noise or not goal.noise:
            self.kick_left = 0
            return None
        if -KICK_PAUSE < self.kick_left <= 0:  # below nought: steps of the pause that are over
            self.kick_left -= 1
            return None
        if self.kick_left < 0:
            self.kick_left = KICK_STEPS
            self.kick = self.random.normal(0.0, goal.noise * self.noise, 4) / KICK_STEPS
            self.kick[3] *= KICK_TURN
        self.kick_left -= 1
        return self.kick

    def _wrap(self, seen: CommanderInput, poses: np.ndarray, hand: np.ndarray) -> ActionChunk:
        self.seq += 1
        joints = tuple(self.arm.hand.joints)
        action = GroupAction(
            self.arm.name,
            frame_id=self.arm.base_frame,
            tip_frame=self.arm.tool_frame,
            poses=poses,
            hand_joint_names=joints,
            hand=np.repeat(hand[:, None], len(joints), axis=1),
        )
        return ActionChunk(
            self.commander_id, self.epoch, self.seq, seen.now_ns, seen.now_ns, DT, (action,), seen.truth.stamp_ns
        )
