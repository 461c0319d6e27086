"""From the ticks of a bag to the frames of a dataset."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pinocchio as pin

from vipa.dataset.commanded import CommandedActions
from vipa.dataset.features import IMAGES
from vipa.dataset.readings import color_topic, depth_topic, info_topic, reading
from vipa.dataset.resample import Instant
from vipa.dataset.spec import CAMERA_POSE, DEPTH, CameraSpec, DatasetSpec
from vipa.errors import VipaError
from vipa.geometry.poses import inverse, transform
from vipa.recording.interventions import read_drives
from vipa.recording.reader import stamp_ns
from vipa.recording.topic_names import ACTION_CHUNK, GROUND_TRUTH, JOINT_STATES, MOTION_STATUS
from vipa.robot import observing
from vipa.robot.captures import StillCheck
from vipa.robot.kinematics import pose_of
from vipa.robot.lateness import command_ns, exposed_ns
from vipa.robot.measured import GroupReader
from vipa.robot.state import CameraFrame, GroupState, JointState, Observation


@dataclass(frozen=True)
class Seen:
    """A frame but for what was done next. values: its features, pictures and depths. groups: the groups' states; poses: (7,) of the
    tools, the signs of their quaternions continued."""

    stamp_ns: int
    values: dict[str, np.ndarray]
    groups: dict[str, GroupState]
    poses: dict[str, np.ndarray]


class FrameReader:
    """Turns ticks of one run (`vipa.dataset.run.Run`) into frames of a spec. One thread.

    What the small topics say (chunks, motion's status, ground truth, who drove) is read once, at the start. geometry: of each
    camera its `intrinsics` (9), pixels, and, of one that stands still, `extrinsics` (16): world ← optical frame.
    """

    def __init__(self, run, spec: DatasetSpec):
        self.run, self.spec = run, spec
        self.period = round(1e9 / spec.fps)
        self.groups = GroupReader(run.robot)
        self.commands = CommandedActions(run.robot)
        self.still = StillCheck(still_ok=run.meta["cell"] == "sim")
        self.geometry: dict[str, dict[str, Any]] = {}
        self._last: dict[str, np.ndarray] = {}
        self.truth: list[tuple[int, dict[str, np.ndarray]]] = []
        arms = [g for g in spec.groups if g["kind"] == "arm"]
        self.to_base = inverse(np.array(arms[0]["base_in_world"])) if arms else None
        read = {ACTION_CHUNK: self.commands.chunk, MOTION_STATUS: self._status, GROUND_TRUTH: self._truth}
        for message in run.bag.messages([t for t in read if t in run.bag.topics]):
            reading(run.bag, message, read[message.topic])
        self.drives = read_drives(run.bag)

    def _status(self, message) -> None:
        self.commands.status(stamp_ns(message), message.epoch, message.authority)

    def _truth(self, message) -> None:
        poses = {n: p.position for n, p in zip(message.names, message.poses, strict=True)}
        self.truth.append((stamp_ns(message), {n: np.array([p.x, p.y, p.z]) for n, p in poses.items()}))

    def observe(self, tick: Instant) -> Observation:
        """What a policy would have seen at the tick: the newest captures, and the groups' states at their stamp."""

        def joints_at(ns: int) -> JointState:
            return tick.nearest(JOINT_STATES, ns, ahead=True).value

        frames = {camera.name: self._capture(camera, tick, joints_at) for camera in self.spec.cameras}
        return observing.observation(frames, joints_at, self.groups, self.run.instruction)

    def frame(self, tick: Instant) -> Seen:
        """Raises VipaError for a capture that a live robot would not act on: nothing is learned from it either."""
        seen = self.observe(tick)
        at, robot = seen.stamp_ns, self.run.robot
        state, velocity, commanded, wrench, poses = [], [], [], [], {}
        for group in robot.groups:
            now = seen.groups[group.name]
            state += [now.positions, now.hand]
            if group.kind == "arm":
                poses[group.name] = self._same_side(f"{group.name} measured", now.tool_pose)
                velocity.append(now.tool_velocity)
                ordered = self.commands.at(group.name, at - command_ns(group), now)[0]
                commanded.append(self._same_side(group.name, ordered, poses[group.name]))
                if group.wrench_topic in self.run.wrench_topics:
                    wrench.append(tick.newest(group.wrench_topic).value)
        number = self.subtask(at)
        values = {
            "observation.state": np.concatenate(state),
            "observation.tool_pose": np.concatenate(list(poses.values())),
            "observation.tool_velocity": np.concatenate(velocity),
            "observation.commanded_tool_pose": np.concatenate(commanded),
            "intervention": np.array([self.drives.at(at).intervention]),
            "subtask_index": np.array([number]),
            "target": self._target(number, at),
            "tip": self._position([self.run.task.tip] if self.run.task else [], at),
        }
        if wrench:
            values["observation.wrench"] = np.concatenate(wrench)
        stamps = [tick.nearest(JOINT_STATES, at, ahead=True).stamp_ns]
        for camera in self.spec.cameras:
            capture = seen.cameras[camera.name]
            stamps.append(capture.stamp_ns)
            values[IMAGES + camera.name] = capture.color
            if camera.depth:
                values[DEPTH + camera.name] = capture.depth
            if f"{CAMERA_POSE}{camera.name}" in self.spec.features:
                pose = pose_of(pin.SE3(capture.extrinsics))
                values[f"{CAMERA_POSE}{camera.name}"] = self._same_side(f"camera {camera.name}", pose)
        values["stamp_ns"] = np.array(stamps)
        return Seen(at, values, seen.groups, poses)

    def whole(self, seen: Seen, later: Seen) -> dict[str, np.ndarray]:
        """The frame of `seen` with its actions. later: the frame after it; itself for the last one.

        An action is what was commanded for, or measured at, one period after the observation: what a policy's first step is for.
        """
        commanded, executed = [], []
        for group in self.run.robot.groups:
            given = seen.stamp_ns - command_ns(group)  # what acts now was commanded then
            at = self.commands.at(group.name, given + self.period, later.groups[group.name])
            there = later.groups[group.name]
            if group.kind == "arm":
                pose = _flipped_to(at[0], self._ordered(seen, group.name))
                commanded += [pose, at[1]]
                executed += [later.poses[group.name], there.hand]
            else:
                commanded += at[:1]
                executed += [there.positions]
        pair = {"commanded": np.concatenate(commanded), "executed": np.concatenate(executed)}
        chosen = self.spec.action
        (other,) = pair.keys() - {chosen}
        return seen.values | {"action": pair[chosen], other: pair[other]}

    def _ordered(self, seen: Seen, arm: str) -> np.ndarray:
        place = list(seen.poses).index(arm)
        return seen.values["observation.commanded_tool_pose"][7 * place : 7 * place + 7]

    def _capture(self, camera: CameraSpec, tick: Instant, joints_at) -> CameraFrame:
        color = tick.newest(color_topic(camera.name))
        k = tick.newest(info_topic(camera.name)).value
        exposed = exposed_ns(self.run.robot, camera.name, color.stamp_ns)
        extrinsics = self.run.cameras.extrinsics(camera.name, self.groups.vector(joints_at(exposed)))
        self._place(camera.name, k, extrinsics)
        if camera.depth:
            depth = tick.nearest(depth_topic(camera.name), color.stamp_ns).value
        else:  # a camera without depth has none that could be empty, or stand still
            depth = color.value[..., 0].astype(np.uint16) + 1
        size = camera.width, camera.height
        try:
            found = observing.capture(camera.name, exposed, (color.value, depth), k, size, extrinsics)
            fault = self.still.fault(found)
        except ValueError as error:
            fault = str(error)
        if fault:
            raise VipaError(f"{fault}, at {(color.stamp_ns - self.run.start_ns) / 1e9:.2f} s")
        return found

    def _place(self, camera: str, k: np.ndarray, extrinsics: np.ndarray) -> None:
        """Keeps where a camera stands. Raises VipaError if its intrinsics are others than before."""
        known = self.geometry.get(camera)
        if known is None:
            carried = f"{CAMERA_POSE}{camera}" in self.spec.features
            self.geometry[camera] = {"intrinsics": k.reshape(-1).tolist()}
            if not carried:
                self.geometry[camera]["extrinsics"] = extrinsics.reshape(-1).tolist()
        elif not np.array_equal(known["intrinsics"], k.reshape(-1)):
            raise VipaError(f"camera {camera}: its intrinsics change within the episode; allowed: one lens")

    def _same_side(self, name: str, pose: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
        """The pose with the sign of its quaternion that continues the last one's (first: that of `like`). q and -q are the
        same turn, but no network can learn from numbers that jump between them."""
        self._last[name] = _flipped_to(pose, self._last.get(name, pose if like is None else like))
        return self._last[name]

    def subtask(self, at_ns: int) -> int:
        """Number of the sub-task under way: the first sub-task that is not done; the last one when all are."""
        state = next((s for s in reversed(self.run.states) if s.stamp_ns <= at_ns), self.run.states[0])
        return next((i for i, s in enumerate(state.subtasks) if s.status != "done"), len(state.subtasks) - 1)

    def _target(self, number: int, at_ns: int) -> np.ndarray:
        """Position of the sub-task's object in the first arm's base frame, and 1; zeros where it is not known."""
        name = self.run.subtasks[number]
        subtask = next((s for s in self.run.task.subtasks if s.name == name), None) if self.run.task else None
        # a check names its object; where it names a joint, what may be touched is what it is about
        contacts = [body for pair in subtask.contacts for body in pair] if subtask else []
        return self._position([subtask.params.get("object"), *contacts] if subtask else [], at_ns)

    def _position(self, bodies: list[str], at_ns: int) -> np.ndarray:
        """Position of the first of `bodies` that is known, in the first arm's base frame, and 1; zeros if none is."""
        positions = next((p for stamp, p in reversed(self.truth) if stamp <= at_ns), {})
        found = next((positions[b] for b in bodies if b in positions), None)
        if found is None or self.to_base is None:
            return np.zeros(4)
        return np.append(transform(self.to_base, found), 1.0)


def _flipped_to(pose: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The pose (7,) with its quaternion on the side of that of `like`."""
    sign = -1.0 if pose[3:] @ like[3:] < 0 else 1.0
    return np.concatenate([pose[:3], sign * pose[3:]])
