"""The commander `expert`: a scripted episode from the cell's ground truth, spoken as action chunks like everyone's."""

from dataclasses import dataclass

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.expert.part import DT_S, ArmPart, HeadPart, Part, Script
from vipa.commanders.expert.scripts import grasps_of, scripts_of
from vipa.commanders.expert.view import View, World
from vipa.errors import VipaError
from vipa.motion.chunk import ActionChunk, Mode
from vipa.robot.description import Group, Robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.checks import CheckState
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import Task

KICK_TURN_RAD_M = 10.0  # radians about the vertical that go with a metre of disturbance where nothing else is said


@dataclass(frozen=True)
class Label:
    """What a demonstration may learn from beside the actions. subtask: index of the current sub-task. target: (3,)
    metres, base frame, what the motion is about, NaN: nothing; of several arms, of the first that says so. tip: (3,) likewise, the
    task's tip. clean: the expert's own chunk from here, before noise was added."""

    subtask: int
    target: np.ndarray
    tip: np.ndarray
    clean: ActionChunk


class Expert:
    """Plays the task's scripts, one for each group that they move, and answers each step with the next 1.6 s of tool poses, hand
    openings and a head's joints. It knows the ground truth.

    Closed loop: goals are asked anew at every step, and a skill that fails is tried again. labelling: somebody else drives, and each
    answer is what the expert would do from where the tools are and as fast as they move, with each hand as it was `told` to be (group →
    opening; not named: not told yet). tireless: the scripts begin anew when they have ended.

    Args:
        robot, task: who plays what.
        seed: of the disturbances.
        noise: metres, standard deviation of the disturbances added to what is sent; 0 adds none. The next chunk starts where the
            disturbance led to, so demonstrations hold the recovery (DART, Laskey et al., CoRL 2017).
        turn: radians, of the disturbances about the vertical; None: KICK_TURN_RAD_M times the noise.

    Raises:
        VipaError: a task without a script, or a robot that cannot play it.
    """

    commander_id = "expert"
    wants_cameras = False
    period = DT_S

    def __init__(self, robot: Robot, task: Task, seed: int = 0, noise: float = 0.0, turn: float | None = None):
        self.task, self.robot, self.seed = task, robot, seed
        task.check_robot(robot)
        scripts = scripts_of(task, robot)
        self.grasps = {group.name: grasps_of(task, group) for group in robot.groups if group.name in scripts}
        turn = KICK_TURN_RAD_M * noise if turn is None else turn
        for name, value, unit in (("noise", noise, "metres"), ("turn", turn, "radians")):
            if not value >= 0:
                raise VipaError(f"expert: {name} must be >= 0 {unit}, got {value}")
        self.noise, self.turn = noise, turn
        kinematics = Kinematics(robot)
        self.parts: dict[str, Part] = {
            group.name: _part(robot, group, kinematics, scripts[group.name])
            for group in robot.groups
            if group.name in scripts
        }
        self.fingers = robot.fingers
        self.label: Label | None = None
        self.labelling = self.tireless = False
        self.told: dict[str, float] = {}

    def reset(self, start: EpisodeStart) -> None:
        random = np.random.default_rng((self.seed, start.seed))
        for part in self.parts.values():
            if isinstance(part, ArmPart):
                part.begin_kicks(random)
        self.world: World | None = None
        self.seq = 0
        self.epoch = -1
        self.label = None

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk; None when the robot is stopped. Raises VipaError without ground truth."""
        if seen.truth is None:
            raise VipaError("expert: sees nothing without a simulated cell's ground truth")
        self._look(seen)
        if seen.status.mode is Mode.STOPPED:
            return None
        anew = self.labelling or seen.status.epoch != self.epoch
        self.epoch = seen.status.epoch
        for name, part in self.parts.items():
            part.tireless = self.tireless
            if anew or part.is_lost():
                part.restart(self.told.get(name) if self.labelling else None)
            part.follow()
        return self._chunk(seen)

    @property
    def views(self) -> dict[str, View]:
        """What each group that the expert moves sees, by its name."""
        return self.world.views

    def _look(self, seen: CommanderInput) -> None:
        now = seen.now_ns / 1e9
        state = CheckState(seen.truth.stamp_ns, seen.truth, seen.groups, self.fingers)
        if self.world is not None:
            self.world.now, self.world.truth, self.world.groups = now, seen.truth, seen.groups
            self.world.scorer.update(state)
            return
        scorer = EpisodeScorer(self.task, time_limit=float("inf"))
        scorer.setup(state)
        self.world = World(now, seen.truth, seen.groups, scorer)
        self.world.views = {n: View(self.world, p.group, p.kinematics, self.grasps[n]) for n, p in self.parts.items()}
        for name, part in self.parts.items():
            part.begin(self.world.views[name])

    def _chunk(self, seen: CommanderInput) -> ActionChunk:
        noise, turn = (0.0, 0.0) if self.labelling else (self.noise, self.turn)
        actions = [part.speak(noise, turn) for part in self.parts.values()]
        self.seq += 1
        clean, sent = (
            ActionChunk(
                self.commander_id, self.epoch, self.seq, seen.now_ns, seen.now_ns, DT_S, groups, seen.truth.stamp_ns
            )
            for groups in zip(*actions)
        )
        about = next(((p.view, p.goal.target) for p in self.parts.values() if p.goal.target), (None, ""))
        first = next(iter(self.views.values()))
        self.label = Label(self.world.scorer.current, _position(*about), _position(first, self.task.tip), clean)
        return sent


def _part(robot: Robot, group: Group, kinematics: Kinematics, script: Script) -> Part:
    own = kinematics.group(group.name)
    if group.kind == "head":
        return HeadPart(group, own, script)
    if group.hand is None:
        raise VipaError(f"expert: its skills grasp; group '{group.name}' of robot '{robot.name}' has no hand")
    return ArmPart(group, own, script)


def _position(view: View | None, body: str) -> np.ndarray:
    """(3,) metres, base frame; NaN for no body."""
    return view.body(body)[:3].copy() if view is not None and body else np.full(3, np.nan)
