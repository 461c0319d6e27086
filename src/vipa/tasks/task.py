"""The task file (tasks/*.yaml): what is asked, in which scene, and how it is scored."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from vipa import config, resources
from vipa.config import Name, Range
from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.quantities import check_vectors
from vipa.tasks import checks


@dataclass(frozen=True)
class Force:
    """A force that the tool presses with while its path is followed: target, newtons along the tool's z axis. group: the arm, may be
    left out where there is one. damping (N s/m), stiffness (N/m): of the admittance, None: motion's own."""

    target: Annotated[float, Range(0, 500)]
    group: str = ""
    damping: Annotated[float, Range(100, 20_000)] | None = None
    stiffness: Annotated[float, Range(0, 5000)] | None = None


@dataclass(frozen=True)
class Held:
    """A tool in an arm's hand, for the gate to keep clear: its enclosing box, edges `size` (3,) at `position` (3,), `rpy` (3,) in the
    tool frame, metres and radians. group: the arm, may be left out where there is one."""

    name: str
    size: list[Annotated[float, Range(above=0, high=0.5)]]
    position: list[Annotated[float, Range(-0.5, 0.5)]] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    rpy: list[Annotated[float, Range(-6.28, 6.28)]] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    group: str = ""

    def __post_init__(self):
        check_vectors(f"held {self.name}", position=self.position, size=self.size, rpy=self.rpy)
        if not self.name or self.name.split() != [self.name]:
            raise ValueError(f"held: name '{self.name}'; allowed: one word")


@dataclass(frozen=True)
class SubTask:
    """A part of a task that is scored.

    Args:
        name: as in scorecards.
        check: module of vipa.tasks.checks that decides whether it is done.
        params: of the check.
        hold: seconds that the check must say so without a break.
        after: names of the sub-tasks that come first.
        contacts: pairs of link or fixture names that the gate lets touch meanwhile; "fingers" stands for the hand's finger links.
        evidence: who says how things are: the simulation, a fixed camera, or a person.
        force: what the tool presses with meanwhile.
        held: which tool is in the hand meanwhile.
        vision: how a camera judges it, where that is the evidence.
    """

    name: str
    check: str
    params: dict[str, Any] = field(default_factory=dict)
    hold: Annotated[float, Range(0, 3600)] = 0.0
    after: list[str] = field(default_factory=list)
    contacts: list[list[str]] = field(default_factory=list)
    evidence: Literal["sim", "vision", "operator"] = "sim"
    force: Force | None = None
    held: Held | None = None
    vision: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Needs:
    """What a task needs of its robot. arms: at least. head: one that pans and tilts a camera. hand: kind of every arm's hand, empty:
    any, or none."""

    arms: Annotated[int, Range(1, 10)] = 1
    head: bool = False
    hand: Literal["", "parallel", "six_joint"] = ""

    def refusal(self, robot: Robot) -> str:
        """'' if `robot` has it all, else what it lacks."""
        lacks = []
        if len(robot.arms) < self.arms:
            lacks.append(f"{self.arms} arms (it has {len(robot.arms)})")
        if self.head and not any(g.kind == "head" for g in robot.groups):
            lacks.append("a head")
        if self.hand and any(arm.hand is None or arm.hand.kind != self.hand for arm in robot.arms):
            kinds = ", ".join(sorted({arm.hand.kind if arm.hand else "none" for arm in robot.arms}))
            lacks.append(f"{self.hand} hands (it has {kinds})")
        return f"robot '{robot.name}' lacks {' and '.join(lacks)}" if lacks else ""


@dataclass(frozen=True)
class Task:
    """A task file.

    Args:
        name: as in `--task`.
        instruction: what a policy is told.
        robot: name or path of the robot file that it is made for.
        scene: module in vipa_sim.scenes.
        cameras: names of the robot's cameras that it uses.
        time_limit: seconds of ROS time.
        subtasks: in the order in which they are shown.
        variants: name → parameters of the scene's appearance.
        seen: the variants that demonstrations are drawn from.
        randomisation: ranges of the scene.
        fixtures: static boxes, world frame, that motion keeps clear of.
        tip: body of the scene, the working end of what is handled, which a policy learns to see beside the sub-task's object; or
            empty.
        expert: module in vipa.commanders.expert.scripts; empty: that of the scene's name.
        hands: kind of hand → thing that the script takes → what differs of its grasp from a parallel hand's.
        needs: of the robot, whichever is named.

    Raises:
        ValueError: for names that are not there. `load_task` raises VipaError with the file's name instead.
    """

    name: Name
    instruction: str
    robot: str
    scene: str
    cameras: list[str]
    time_limit: Annotated[float, Range(above=0, high=86_400)]
    subtasks: list[SubTask]
    variants: dict[str, dict[str, Any]]
    seen: list[str]
    randomisation: dict[str, Any] = field(default_factory=dict)
    fixtures: list[Fixture] = field(default_factory=list)
    tip: str = ""
    expert: str = ""
    hands: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)

    def __post_init__(self):
        names = [s.name for s in self.subtasks]
        if not names or len(set(names)) != len(names):
            raise ValueError("subtasks: at least one, with distinct names")
        for subtask in self.subtasks:
            missing = [n for n in subtask.after if n not in names]
            if missing:
                raise ValueError(f"subtask '{subtask.name}': after names {missing}; allowed: {', '.join(names)}")
        hidden = [camera for camera in self.watched if camera not in self.cameras]
        if hidden:
            raise ValueError(
                f"subtasks: vision: camera {', '.join(hidden)} is none of cameras: {', '.join(self.cameras)}"
            )
        bad = [n for n in self.seen if n not in self.variants]
        if bad or not self.seen:
            raise ValueError(f"seen: {bad or 'is empty'}; allowed: {', '.join(self.variants)}")
        fixtures = [f.name for f in self.fixtures]
        if len(set(fixtures)) != len(fixtures):
            raise ValueError("fixtures: a name stands twice; allowed: distinct names")

    @property
    def script(self) -> str:
        """Name of the expert's script."""
        return self.expert or self.scene

    def check_robot(self, robot: Robot) -> None:
        """Raises VipaError if `robot` lacks what the task needs."""
        if why := self.needs.refusal(robot):
            raise VipaError(f"task '{self.name}': {why}")

    def judged(self) -> "Task":
        """The same task with a person as the evidence of every sub-task that no camera judges: what a real cell has."""
        subtasks = [s if s.evidence == "vision" else dataclasses.replace(s, evidence="operator") for s in self.subtasks]
        return dataclasses.replace(self, subtasks=subtasks)

    @property
    def watched(self) -> tuple[str, ...]:
        """Cameras through which sub-tasks are judged."""
        seen = (s.vision.get("camera", "scene") for s in self.subtasks if s.evidence == "vision")
        return tuple(dict.fromkeys(seen))


def load_task(name: str) -> Task:
    """The task file `name` (a name in tasks/ or a path, pinned or not). Raises VipaError, also for what a check refuses."""
    bare, sha256 = config.unpinned(name)
    path = resources.find("tasks", bare)
    task = config.load(path, Task)
    config.expect(task, sha256, path)
    for subtask in task.subtasks:
        checks.build(subtask, str(path))
    return task
