"""From the ticks of a bag to the frames of a dataset."""

import numpy as np

from vipa.dataset.commanded import CommandedActions
from vipa.dataset.readings import NO_SUCH_MESSAGE, Reading, color_topic, depth_topic, info_topic, reading, reason
from vipa.dataset.resample import Instant
from vipa.dataset.spec import DEPTH, IMAGES, CameraSpec, DatasetSpec
from vipa.errors import VipaError
from vipa.geometry.poses import inverse, transform
from vipa.recording.reader import stamp_ns
from vipa.recording.topic_names import ACTION_CHUNK, GROUND_TRUTH, JOINT_STATES, MOTION_STATUS, TF_STATIC
from vipa.robot.cameras import CameraPoses
from vipa.robot.captures import StillCheck, capture_fault
from vipa.robot.lateness import command_ns, exposed_ns
from vipa.robot.measured import GroupReader
from vipa.robot.state import CameraFrame


class FrameReader:
    """Turns ticks of one run (`vipa.dataset.build.Run`) into frames of a spec. One thread.

    What the small topics say (chunks, motion's status, ground truth) is read once, at the start.
    """

    def __init__(self, run, spec: DatasetSpec):
        self.run, self.spec = run, spec
        self.period = round(1e9 / spec.fps)
        self.groups = GroupReader(run.robot)
        self.cameras = CameraPoses(run.robot)
        self.commands = CommandedActions(run.robot)
        self.still = StillCheck(still_ok=run.meta["cell"] == "sim")
        self._last: dict[str, np.ndarray] = {}
        self.truth: list[tuple[int, dict[str, np.ndarray]]] = []
        arms = [g for g in spec.groups if g["kind"] == "arm"]
        self.to_base = inverse(np.array(arms[0]["base_in_world"])) if arms else None
        read = {ACTION_CHUNK: self.commands.chunk, MOTION_STATUS: self._status, GROUND_TRUTH: self._truth}
        for message in run.bag.messages([t for t in read if t in run.bag.topics]):
            reading(run.bag, message, read[message.topic])
        self._hear_mounts()

    def _status(self, message) -> None:
        self.commands.status(stamp_ns(message), message.epoch, message.authority)

    def _truth(self, message) -> None:
        poses = {n: p.position for n, p in zip(message.names, message.poses, strict=True)}
        self.truth.append((stamp_ns(message), {n: np.array([p.x, p.y, p.z]) for n, p in poses.items()}))

    def _hear_mounts(self) -> None:
        """Where the cameras stood: TF says it where it can be used, else the robot file."""
        bag = self.run.bag
        for message in bag.messages([TF_STATIC]) if TF_STATIC in bag.topics else ():
            try:
                for t in message.data.transforms:
                    p, q = t.transform.translation, t.transform.rotation
                    pose = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w], float)
                    self.cameras.hear(t.child_frame_id, t.header.frame_id, pose)
            except NO_SUCH_MESSAGE as error:
                bag.skipped.add(message.topic, message.log_time_ns, reason(error))

    def frame(self, tick: Instant) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Returns (features without `action`, commanded vector at this tick, commanded vector one period later).

        A frame's action is the command for the tick after it; only the last frame, which has none after it, is given what
        the newest chunk says of the time to come.
        """
        robot, at = self.run.robot, tick.at_ns
        joints = tick.newest(JOINT_STATES).value
        groups = self.groups.groups(joints)
        state, tool, velocity, commanded, wrench, command, command_after = [], [], [], [], [], [], []
        for group in robot.groups:
            seen = groups[group.name]
            state += [seen.positions, seen.hand]
            given = at - command_ns(group)  # what acts now was commanded then
            now = self.commands.at(group.name, given, seen)
            later = self.commands.at(group.name, given + self.period, seen)
            if group.kind == "arm":
                pose = self._same_side(f"{group.name} measured", seen.tool_pose)
                now = self._same_side(group.name, now[0], pose), now[1]
                later = _flipped_to(later[0], now[0]), later[1]
                tool.append(pose)
                velocity.append(seen.tool_velocity)
                commanded.append(now[0])
                felt = tick.newest(group.wrench_topic)
                wrench.append(felt.value if felt else np.full(6, np.nan))
            command += now if group.kind == "arm" else now[:1]
            command_after += later if group.kind == "arm" else later[:1]
        number = self._subtask(at)
        frame = {
            "observation.state": np.concatenate(state),
            "observation.tool_pose": np.concatenate(tool),
            "observation.tool_velocity": np.concatenate(velocity),
            "observation.commanded_tool_pose": np.concatenate(commanded),
            "observation.wrench": np.concatenate(wrench),
            "subtask_index": np.array([number]),
            "target": self._target(number, at),
            "tip": self._position([self.run.task.tip] if self.run.task else [], at),
        }
        stamps = [joints.stamp_ns]
        for camera in self.spec.cameras:
            color = tick.newest(color_topic(camera.name))
            stamps.append(exposed_ns(robot, camera.name, color.stamp_ns))
            at_image = tick.nearest(JOINT_STATES, stamps[-1]).value
            pose = self.cameras.extrinsics(camera.name, self.groups.vector(at_image))
            frame[IMAGES + camera.name] = color.value
            if camera.depth:
                frame[DEPTH + camera.name] = tick.nearest(depth_topic(camera.name), color.stamp_ns).value
            k = tick.newest(info_topic(camera.name)).value
            frame[f"observation.intrinsics.{camera.name}"] = k
            self._judge(camera, color, frame.get(DEPTH + camera.name), k, pose)
            frame[f"observation.extrinsics.{camera.name}"] = pose.reshape(-1)
        frame["observation.stamp_ns"] = np.array(stamps)
        return frame, np.concatenate(command), np.concatenate(command_after)

    def _judge(
        self, camera: CameraSpec, color: Reading, depth: np.ndarray | None, k: np.ndarray, pose: np.ndarray
    ) -> None:
        """Raises VipaError for a capture that a live robot would not act on: nothing is learned from it either."""
        if depth is None:  # a camera without depth has none that could be empty, or stand still
            depth = color.value[..., 0].astype(np.uint16) + 1
        capture = CameraFrame(camera.name, color.stamp_ns, color.value, depth, k.reshape(3, 3), pose)
        if fault := capture_fault(capture, (camera.width, camera.height)) or self.still.fault(capture):
            raise VipaError(f"{fault}, at {(color.stamp_ns - self.run.start_ns) / 1e9:.2f} s")

    def _same_side(self, name: str, pose: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
        """The pose with the sign of its quaternion that continues the last one's (first: that of `like`). q and -q are the
        same turn, but no network can learn from numbers that jump between them."""
        self._last[name] = _flipped_to(pose, self._last.get(name, pose if like is None else like))
        return self._last[name]

    def _subtask(self, at_ns: int) -> int:
        """The first sub-task that is not done; the last one when all are."""
        state = next((s for s in reversed(self.run.states) if s.stamp_ns <= at_ns), self.run.states[0])
        return next((i for i, s in enumerate(state.subtasks) if s.status != "done"), len(state.subtasks) - 1)

    def _target(self, number: int, at_ns: int) -> np.ndarray:
        """Position of the sub-task's object in the first arm's base frame, or NaN."""
        name = self.run.subtasks[number]
        subtask = next((s for s in self.run.task.subtasks if s.name == name), None) if self.run.task else None
        # a check names its object; where it names a joint, what may be touched is what it is about
        contacts = [body for pair in subtask.contacts for body in pair] if subtask else []
        return self._position([subtask.params.get("object"), *contacts] if subtask else [], at_ns)

    def _position(self, bodies: list[str], at_ns: int) -> np.ndarray:
        """Position of the first of `bodies` that is known, in the first arm's base frame, or NaN."""
        positions = next((p for stamp, p in reversed(self.truth) if stamp <= at_ns), {})
        found = next((positions[b] for b in bodies if b in positions), None)
        return np.full(3, np.nan) if found is None or self.to_base is None else transform(self.to_base, found)


def _flipped_to(pose: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The pose (7,) with its quaternion on the side of that of `like`."""
    sign = -1.0 if pose[3:] @ like[3:] < 0 else 1.0
    return np.concatenate([pose[:3], sign * pose[3:]])
