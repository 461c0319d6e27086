"""What a commander of the graph would see: the in-process loop's commanders see as late as it does.

In the graph a commander steps on `/clock`, which a tick publishes first: of joint states, motion's status and ground truth it has
what earlier ticks published. A frame comes when it has been rendered and sent, an answer when it has been worked out.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from vipa.commanders.commander import CommanderInput
from vipa.commanders.policy.freshness import FreshnessCheck
from vipa.motion.chunk import MotionStatus
from vipa.robot import observing
from vipa.robot.description import Robot
from vipa.robot.joint_states import History
from vipa.robot.measured import GroupReader
from vipa.robot.state import CameraFrame, GroundTruth, JointState
from vipa_sim.render import Renderer
from vipa_sim.snapshot import Snapshot

KEPT_S = 0.4  # seconds of captures that are kept: longer than an observation may be old


@dataclass(frozen=True)
class Latency:
    """What the graph takes, seconds of ROS time: frame from a capture until it can be looked at; answer for a commander that looks,
    from what it sees until its chunk arrives (one that does not look answers within the tick)."""

    frame: float = 0.05
    answer: float = 0.06


GRAPH = Latency()


class Captures:
    """What the cameras have captured of late. It is rendered when it is looked at, once: a frame that nobody wants costs a copy of
    the cell's state."""

    def __init__(self, renderer: Renderer | None, cameras):
        self.renderer = renderer
        self._snapshots: dict[str, deque[Snapshot]] = {name: deque() for name in cameras}
        self._frames: dict[tuple[str, int], CameraFrame] = {}

    def add(self, camera: str, snapshot: Snapshot) -> None:
        kept = self._snapshots[camera]
        kept.append(snapshot)
        while kept[0].stamp_ns < snapshot.stamp_ns - KEPT_S * 1e9:
            self._frames.pop((camera, kept.popleft().stamp_ns), None)

    def newest(self, until_ns: int, cameras: Iterable[str] | None = None) -> dict[str, CameraFrame]:
        """Of each camera (None: all) the newest frame that was captured until `until_ns`; a camera that has none is left out."""
        found = {}
        for camera in self._snapshots if cameras is None else cameras:
            kept = self._snapshots[camera]
            snapshot = next((s for s in reversed(kept) if s.stamp_ns <= until_ns), None)
            if snapshot is not None:
                found[camera] = self._frame(camera, snapshot)
        return found

    def at(self, stamp_ns: int) -> dict[str, CameraFrame]:
        """The frames that were captured at `stamp_ns`."""
        newest = {camera: kept[-1] for camera, kept in self._snapshots.items() if kept}
        return {camera: self._frame(camera, s) for camera, s in newest.items() if s.stamp_ns == stamp_ns}

    def _frame(self, camera, snapshot):
        key = camera, snapshot.stamp_ns
        if key not in self._frames:
            self._frames[key] = self.renderer.frame(snapshot, camera)
        return self._frames[key]


class View:
    """What the commander has heard until now: `hear` what a tick has published, `see` what is known of it."""

    def __init__(self, robot: Robot, captures: Captures, cameras, instruction: str, latency: Latency | None):
        self.captures, self.instruction = captures, instruction
        self.frame_ns = 0 if latency is None else round(latency.frame * 1e9)
        self.reader, self.check = GroupReader(robot), FreshnessCheck(cameras, still_ok=True)
        self.joints = History(robot.control_rate)
        self.status: MotionStatus | None = None
        self.truth: GroundTruth | None = None

    def hear(self, joints: JointState, wrenches: dict, status: MotionStatus | None, truth: GroundTruth | None) -> None:
        """What a tick has published. wrenches: (6,) by group; status, truth: None where they were not due."""
        self.joints.add(joints)
        for group, wrench in wrenches.items():
            self.reader.wrench(group, wrench)
        self.status, self.truth = status or self.status, truth or self.truth

    def see(self, now_ns: int, looks: bool) -> CommanderInput | str:
        """What a commander sees at `now_ns`, or why it sees nothing. looks: it wants an observation."""
        if self.status is None or self.truth is None:
            return "no motion status or ground truth yet"
        observation = None
        if looks:
            frames = self.captures.newest(now_ns - self.frame_ns)
            if fault := self.check.fault(frames, now_ns):
                return fault
            observation = observing.observation(frames, self.joints.at, self.reader, self.instruction)
        return CommanderInput(now_ns, self.reader.groups(self.joints.states[-1]), self.status, observation, self.truth)
