"""What a commander of the graph would see: the in-process loop's commanders see as late as it does.

In the graph a commander steps on `/clock`, which a tick publishes first: of joint states, motion's status and ground truth it has
what earlier ticks published. A frame comes when it has been rendered and sent, an answer when it has been worked out.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vipa.commanders.commander import CommanderInput
from vipa.commanders.policy.freshness import FreshnessCheck
from vipa.motion.chunk import MotionStatus
from vipa.robot import observing
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Robot
from vipa.robot.joint_states import History
from vipa.robot.lateness import exposed_ns
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
        self._snapshots: dict[str, deque[Snapshot]] = {name: deque() for name in cameras}  # by exposure, oldest first
        self._frames: dict[tuple[str, int], CameraFrame] = {}

    def add(self, camera: str, snapshot: Snapshot) -> None:
        kept = self._snapshots[camera]
        kept.append(snapshot)
        while kept[0].stamp_ns < snapshot.stamp_ns - KEPT_S * 1e9:
            self._frames.pop((camera, kept.popleft().stamp_ns), None)

    def newest(self, until_ns: int, cameras: Iterable[str] | None = None) -> dict[str, CameraFrame]:
        """Of each camera (None: all) the newest frame with a stamp until `until_ns`; a camera that has none is left out."""
        found = {}
        for camera in self._snapshots if cameras is None else cameras:
            kept = self._snapshots[camera]
            snapshot = next((s for s in reversed(kept) if s.stamp_of(camera) <= until_ns), None)
            if snapshot is not None:
                found[camera] = self._frame(camera, snapshot)
        return found

    def at(self, stamp_ns: int) -> dict[str, CameraFrame]:
        """The frames with the stamp `stamp_ns`."""
        return {
            camera: self._frame(camera, s)
            for camera, kept in self._snapshots.items()
            for s in kept
            if s.stamp_of(camera) == stamp_ns
        }

    def _frame(self, camera, snapshot):
        key = camera, snapshot.stamp_ns
        if key not in self._frames:
            self._frames[key] = self.renderer.frame(snapshot, camera)
        return self._frames[key]


class View:
    """What the commander has heard until now: `hear` what a tick has published, `see` what is known of it."""

    def __init__(
        self,
        robot: Robot,
        captures: Captures,
        cameras,
        instruction: str,
        latency: Latency | None,
        delays_ns: dict[str, int],
    ):
        self.captures, self.instruction = captures, instruction
        self.frame_ns = 0 if latency is None else round(latency.frame * 1e9)
        self.robot, self.delays_ns, self.late = robot, delays_ns, latency is not None
        self.reader, self.check = GroupReader(robot), FreshnessCheck(cameras, still_ok=True)
        self.joints = History(robot.control_rate)
        self.status: MotionStatus | None = None
        self.truth: GroundTruth | None = None

    @cached_property
    def poses(self) -> CameraPoses:
        """Where cameras are by the robot file: most cells are never late, and it costs as much as an episode's start."""
        return CameraPoses(self.robot)

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
            frames = {c: self._reckoned(f) for c, f in self.captures.newest(now_ns - self.frame_ns).items()}
            if fault := self.check.fault(frames, now_ns):
                return fault
            observation = observing.observation(frames, self.joints.at, self.reader, self.instruction)
        return CommanderInput(now_ns, self.reader.groups(self.joints.states[-1]), self.status, observation, self.truth)

    def _reckoned(self, frame: CameraFrame) -> CameraFrame:
        """`frame` as the robot file has it: exposed at its stamp less the camera's latency, and seen from where the joints were then."""
        exposed, believed = frame.stamp_ns - self.delays_ns.get(frame.name, 0), frame.stamp_ns
        if self.late:
            believed = exposed_ns(self.robot, frame.name, frame.stamp_ns)
        if believed == exposed:
            return replace(frame, stamp_ns=exposed) if frame.stamp_ns != exposed else frame
        true, thought = (
            self.poses.extrinsics(frame.name, self.reader.vector(self.joints.at(at))) for at in (exposed, believed)
        )
        return replace(frame, stamp_ns=believed, extrinsics=thought @ np.linalg.inv(true) @ frame.extrinsics)
