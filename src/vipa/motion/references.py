"""References: what the accepted chunks ask of every group, at every tick: poses or joints, and the hand."""

from functools import partial

import numpy as np

from vipa.motion.buffer import ChunkBuffer, Space
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.gate import State
from vipa.motion.hand import HandBuffer
from vipa.motion.servo import Target
from vipa.robot.kinematics import Kinematics, pose_of

BLEND_SPEED_SHARE = 0.8  # share of the tool's and the joints' speed limits that fading out a splice may use
# m/s², rad/s² of the tool, likewise: what 10 rad/s² in the joints give at arm's length
BLEND_ACCELERATION = (4.0, 10.0)
MIN_BLEND_ACCELERATION = (
    0.5,
    1.25,
)  # m/s², rad/s² of the tool, likewise, where the joints give less: near a singularity
# share of what the joints' limits give the tool, likewise: jerk, a turn at the same time and the servo's headroom take the rest
BLEND_TOOL_SHARE = 0.5
BLEND_JOINT_SHARE = 0.5  # share of the joints' acceleration limits, likewise


class References:
    """The buffers of all groups. A group follows poses or joints, whichever its newest chunk brought. Seconds of one clock.

    horizon: seconds that the newest chunk reached ahead when it was taken. pose_lag_s: that arms are behind the poses given here.
    """

    def __init__(self, kinematics: Kinematics, pose_lag_s: float = 0.0):
        self.kinematics = kinematics
        self.poses: dict[str, ChunkBuffer] = {}
        self.joints: dict[str, ChunkBuffer] = {}
        self.hands: dict[str, HandBuffer] = {}
        self.horizon = 0.0
        for group in kinematics.robot.groups:
            if group.kind == "arm":
                speed = BLEND_SPEED_SHARE * np.array([group.tool_speed] * 3 + [group.tool_angular_speed] * 3)
                self.poses[group.name] = ChunkBuffer(
                    Space("pose", 0), speed, np.repeat(BLEND_ACCELERATION, 3), behind_s=pose_lag_s
                )
            self.joints[group.name] = ChunkBuffer(
                Space("joints", len(group.joints)),
                BLEND_SPEED_SHARE * np.asarray(group.max_velocity, float),
                BLEND_JOINT_SHARE * np.asarray(group.max_acceleration, float),
            )
            if group.hand is not None:
                self.hands[group.name] = HandBuffer(group.hand)

    def limit(self) -> None:
        """Re-reads the robot's speed limits, which TightenLimits may have changed."""
        for group in self.kinematics.robot.groups:
            self.joints[group.name].speed = BLEND_SPEED_SHARE * np.asarray(group.max_velocity, float)
            if group.name in self.poses:
                self.poses[group.name].speed = BLEND_SPEED_SHARE * np.repeat(
                    [group.tool_speed, group.tool_angular_speed], 3
                )

    def clear(self) -> None:
        """Forget what was asked. Hands stay where they are."""
        for buffer in self._buffers():
            buffer.clear()

    def finished(self, now: float) -> bool:
        """True when nothing is left to do."""
        return all(buffer.finished(now) for buffer in self._buffers())

    def _buffers(self) -> list[ChunkBuffer | HandBuffer]:
        return [*self.poses.values(), *self.joints.values(), *self.hands.values()]

    def splice(self, chunk: ActionChunk, start: float, now: float, state: State) -> None:
        """Take a chunk that was checked. start: due time of its step 0. state: where the arms are commanded to be."""
        self.horizon = 0.0
        for action in chunk.groups:
            if action.poses is not None:
                values = np.array(action.poses, float)
                values[:, 3:] /= np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
                self._follow(action.name, values, True, start, chunk.dt, now, state)
            elif action.joints is not None:
                self._follow(action.name, np.array(action.joints, float), False, start, chunk.dt, now, state)
            if action.hand is not None:
                times = start + chunk.dt * np.arange(len(action.hand))
                self.hands[action.name].splice(times, np.asarray(action.hand, float), now)
                self.horizon = max(self.horizon, float(times[-1]) - now)

    def _follow(
        self, name: str, values: np.ndarray, pose: bool, start: float, dt: float, now: float, state: State
    ) -> None:
        buffers, other = (self.poses, self.joints) if pose else (self.joints, self.poses)
        columns, buffer = self.kinematics.columns[name], buffers[name]
        if name in other:
            other[name].clear()
        q, v = state.q[columns], state.v[columns]
        if pose:
            buffer.fading = partial(self._agility, name, q)
            if not buffer.active:
                placement, jacobian = self.kinematics.groups[name].forward_jacobian(q)
                buffer.restart(pose_of(placement), jacobian @ v)
        elif not buffer.active:
            buffer.restart(q, v)
        times = start + dt * np.arange(len(values))
        buffer.splice(times, values, dt, now)
        self.horizon = max(self.horizon, float(times[-1]) - now)

    def _agility(self, name: str, q: np.ndarray) -> np.ndarray:
        """(6,) m/s² and rad/s² along each axis of the base frame that bridging an offset may use: what BLEND_TOOL_SHARE of the
        joints' limits gives the tool at `q` (J,). More, and the arm shoots past where the fade ends."""
        jacobian = self.kinematics.groups[name].jacobian(q)
        limits = np.asarray(self.kinematics.robot.group(name).max_acceleration, float)
        given = BLEND_TOOL_SHARE * np.min(limits[:, None] / np.maximum(np.abs(np.linalg.pinv(jacobian)), 1e-9), axis=0)
        return np.clip(given, np.repeat(MIN_BLEND_ACCELERATION, 3), np.repeat(BLEND_ACCELERATION, 3))

    def advance(self, now: float, dt: float) -> dict[str, Target]:
        """What every moving group should do until now + dt. Once a tick."""
        targets = {}
        for name in self.kinematics.columns:
            if self.joints[name].active:
                targets[name] = Target(joints=self.joints[name].advance(now, dt))
            elif name in self.poses and self.poses[name].active:
                targets[name] = Target(pose=self.poses[name].advance(now, dt))
        return targets

    def openings(self) -> dict[str, np.ndarray]:
        """The hands' commanded openings (H,)."""
        return {name: hand.opening for name, hand in self.hands.items()}

    def committed(self, chunk: ActionChunk, start: float, now: float) -> ActionChunk | None:
        """The steps, on the grid of `chunk` (step 0 due at `start`), that are executed whatever arrives; None: there are none."""
        first = int(np.ceil((now - start) / chunk.dt - 1e-9))
        actions = []
        for group in self.kinematics.robot.groups:
            for buffer in (self.poses.get(group.name), self.joints[group.name]):
                if buffer is None or not buffer.active:
                    continue
                last = int(np.floor((buffer.committed_until(now) - start) / chunk.dt + 1e-9))
                values = [buffer.raw(start + k * chunk.dt) for k in range(first, min(last, first + 100) + 1)]
                if values and buffer.space.pose:
                    actions.append(GroupAction(group.name, group.base_frame, group.tool_frame, np.array(values)))
                elif values:
                    actions.append(GroupAction(group.name, joint_names=tuple(group.joints), joints=np.array(values)))
        if not actions:
            return None
        return ActionChunk(
            chunk.commander_id,
            chunk.epoch,
            chunk.seq,
            chunk.stamp_ns,
            chunk.start_ns + round(first * chunk.dt * 1e9),
            chunk.dt,
            tuple(actions),
            chunk.observation_ns,
        )
