"""Motion: chunks and joint states in, commands for the controllers out. The ROS node and the in-process loop drive it.

Each tick: where the arms are on the plan that was sent; where the chunks want them (ChunkBuffer); the joint velocities that
lead there (Servo); what of it is allowed (SafetyGate). Nothing here raises for bad data: it is dropped and counted.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from vipa_ros.motion.buffer import ChunkBuffer, Space
from vipa_ros.motion.chunk import ActionChunk, GroupAction, Mode, MotionStatus, SafetyState
from vipa_ros.motion.gate import MIN_COMMAND, SafetyGate
from vipa_ros.motion.hand import HandBuffer
from vipa_ros.motion.servo import Servo, Target
from vipa_ros.motion.validation import MAX_LATE, check_chunk, check_pose_jump
from vipa_ros.robot.description import Robot
from vipa_ros.robot.kinematics import Kinematics, pose_of
from vipa_ros.robot.state import GroupState, JointState, JointTrajectory
from vipa_ros.tasks.task import Fixture

LIVENESS = 1.0          # seconds, monotonic, without joint states, after which motion holds
CLOCK_JUMP = 1.0        # seconds of ROS time between joint states that count as a jump
TRACKING_ERROR = 0.15   # radians between measured and commanded joints that stop the arms
AT_REST = 0.05          # rad/s, measured, below which a stopped arm may be re-armed


class Motion:
    """One robot's motion. One thread; the caller gives every time: `*_ns` ROS time, `monotonic` seconds of the local clock."""

    def __init__(self, robot: Robot, fixtures: Sequence[Fixture] = ()):
        self.robot = robot
        self.kinematics = Kinematics(robot)
        self.dt = 1.0 / robot.control_rate
        self.servo = Servo(self.kinematics, self.dt)
        self.gate = SafetyGate(self.kinematics, self.dt)
        self.epoch, self.authority = 1, ""
        self.stop_reasons: list[str] = []
        self.clamps = self.refusals = 0
        self._reasons: deque[str] = deque(maxlen=8)
        self._poses, self._joints, self._hands = {}, {}, {}
        for group in robot.groups:
            if group.kind == "arm":
                speed = np.array([0.8 * group.tool_speed] * 3 + [0.8 * group.tool_angular_speed] * 3)
                self._poses[group.name] = ChunkBuffer(Space("pose", 0), speed)
            self._joints[group.name] = ChunkBuffer(Space("joints", len(group.joints)), 0.8 * np.asarray(group.max_velocity))
            if group.hand is not None:
                self._hands[group.name] = HandBuffer(group.hand)
        self._state: JointState | None = None
        self._q = self._v = None
        self._hand_q: dict[str, np.ndarray] = {}
        self._stamp_ns = self._origin_ns = 0
        self._due_ns = 0
        self._monotonic = 0.0
        self._braking = False
        self._pending: tuple[ActionChunk, int] | None = None
        self._chunk: ActionChunk | None = None
        self._chunk_monotonic: float | None = None
        self._seq: dict[str, int] = {}
        self._wrench: dict[str, np.ndarray] = {}
        self._wrench_floor: dict[str, float] = {}
        self._allowed: tuple[tuple[str, str], ...] = ()
        self._joint_index: dict[tuple[str, ...], np.ndarray | None] = {}
        self.set_fixtures(fixtures)

    def set_fixtures(self, fixtures: Sequence[Fixture]) -> None:
        """The task's static boxes, world frame: what the arms keep clear of from now on."""
        self.fixtures = tuple(fixtures)

    # joint states and the control step

    def tick(self, state: JointState, monotonic: float) -> dict[str, JointTrajectory]:
        """One control step: a command for every controller, by its name; {} when none is due (joint states may come faster
        than the control rate) or the state is unusable. Times of the commands count from their arrival."""
        measured = self._measure(state)
        if measured is None:
            return {}
        first = self._state is None
        gap = (state.stamp_ns - self._stamp_ns) / 1e9
        if not first and -0.01 < gap <= 0:
            return {}  # the same joint state again
        since = monotonic - self._monotonic
        if not first and 0 < gap < CLOCK_JUMP and state.stamp_ns < self._due_ns - 0.2e9 * self.dt:
            self._accept(state, measured)
            return {}
        elapsed = gap
        self._accept(state, measured)
        if first:
            self._origin_ns = state.stamp_ns
            self._adopt()
        else:
            if not 0 < gap < CLOCK_JUMP:
                self._hold(f"ROS time jumped by {gap:.3f} s")
                self._origin_ns, elapsed = state.stamp_ns, max(since, 0.0)
            elif since > LIVENESS:
                self._hold(f"no joint states for {since:.2f} s")
            self.gate.advance(elapsed)
        self._stamp_ns, self._monotonic = state.stamp_ns, monotonic
        period = round(1e9 * self.dt)
        self._due_ns = state.stamp_ns + period if first or abs(state.stamp_ns - self._due_ns) > period else \
            self._due_ns + period
        if not first:
            self._watch_tracking()
        self._step(self._seconds(state.stamp_ns))
        return self._commands()

    def _measure(self, state: JointState):
        """Positions and velocities (n,), and hand joints, of a joint state; None (counted) if it lacks any or is not finite."""
        names = tuple(state.names)
        if names not in self._joint_index:
            place = {name: i for i, name in enumerate(names)}
            wanted = [*self.kinematics.joint_names, *(j for h in self._hands.values() for j in h.hand.joints)]
            missing = [name for name in wanted if name not in place]
            if missing:
                return self._note(f"joint state lacks {', '.join(missing[:3])}")
            self._joint_index[names] = np.array([place[name] for name in wanted])
        index = self._joint_index[names]
        positions, velocities = np.asarray(state.positions, float), np.asarray(state.velocities, float)
        if positions.shape != (len(names),) or velocities.shape != (len(names),):
            return self._note(f"joint state: {len(names)} names, {positions.shape} positions, {velocities.shape} velocities")
        positions, velocities = positions[index], velocities[index]
        if not (np.all(np.isfinite(positions)) and np.all(np.isfinite(velocities))):
            return self._note("joint state: not finite")
        return positions, velocities

    def _accept(self, state: JointState, measured) -> None:
        n = len(self.kinematics.joint_names)
        positions, velocities = measured
        self._state, self._q, self._v = state, positions[:n], velocities[:n]
        for name, hand in self._hands.items():
            self._hand_q[name], n = positions[n:n + len(hand.closed)], n + len(hand.closed)

    def _adopt(self) -> None:
        """What is measured becomes what is commanded: at the start and at a re-arm."""
        self.gate.reset(self._q)
        for name, hand in self._hands.items():
            hand.restart(self._hand_q[name])
        self._clear()

    def _clear(self) -> None:
        """Forget what was asked; references start where the arms are commanded to be."""
        self._chunk = None
        for hand in self._hands.values():
            hand.clear()
        for buffer in (*self._poses.values(), *self._joints.values()):
            buffer.clear()

    def _watch_tracking(self) -> None:
        error = np.abs(self._q - self.gate.state.q)
        if not self.stop_reasons and np.any(error > TRACKING_ERROR):
            joint = int(np.argmax(error))
            self._stop(f"{self.kinematics.joint_names[joint]} is {error[joint]:.3f} rad from its command; "
                       f"allowed: {TRACKING_ERROR}")

    def _step(self, now: float) -> None:
        if self.stop_reasons or self._braking:
            self.gate.step(None)
            if not self.stop_reasons and self.gate.state.at_rest:
                self._braking = False
                self._take_pending()
            for hand in self._hands.values():
                hand.clear()
            return
        self._expire(now)
        targets = {}
        for name in self.kinematics.columns:
            if self._joints[name].active:
                targets[name] = Target(joints=self._joints[name].advance(now, self.dt))
            elif name in self._poses and self._poses[name].active:
                targets[name] = Target(pose=self._poses[name].advance(now, self.dt))
        for hand in self._hands.values():
            hand.advance(now + self.dt, self.dt)
        if not targets and self.gate.state.at_rest:
            self.gate.step(None)
            return
        why = self.gate.step(self.servo.step(self.gate.predict(), self.gate.state.v, targets))
        if why:
            self.clamps += 1
            self._note(f"clamped: {why}")

    def _expire(self, now: float) -> None:
        if self._chunk is not None and all(b.finished(now) for b in (*self._poses.values(), *self._joints.values(),
                                                                    *self._hands.values())):
            self._chunk = None
        if self._chunk is not None and self._monotonic - self._chunk_monotonic > max(2.0, 10 * self._horizon):
            self._hold("the commander is silent")

    def _commands(self) -> dict[str, JointTrajectory]:
        plan = self.gate.plan
        times, positions, velocities = plan.samples(self.dt, MIN_COMMAND)
        commands = {}
        for group in self.robot.groups:
            columns = self.kinematics.columns[group.name]
            commands[group.controller] = JointTrajectory(tuple(group.joints), times, positions[:, columns],
                                                         velocities[:, columns])
        for name, hand in self._hands.items():
            points = np.array([self.dt, MIN_COMMAND])
            commands[hand.hand.controller] = JointTrajectory(
                tuple(hand.hand.joints), points, np.tile(hand.positions, (2, 1)), np.zeros((2, len(hand.closed))))
        return commands

    # chunks

    def chunk(self, chunk: ActionChunk, now_ns: int, monotonic: float) -> str:
        """Take a chunk. '' if it was accepted, else why it was refused. During braking it waits for the arms to rest."""
        why = self._refusal(chunk, now_ns)
        if why:
            self.refusals += 1
            self._note(f"refused: {why}")
            return why
        self._seq[chunk.commander_id] = chunk.seq
        self._chunk_monotonic = monotonic
        if self._braking:
            self._pending = (chunk, now_ns)
        else:
            self._splice(chunk, now_ns)
        return ""

    def _refusal(self, chunk: ActionChunk, now_ns: int) -> str:
        if self.stop_reasons:
            return f"stopped: {self.stop_reasons[0]}"
        if self._state is None:
            return "no joint states yet"
        if not self.authority:
            return f"no commander has authority ('{chunk.commander_id}' asked)"
        if chunk.commander_id != self.authority:
            return f"'{chunk.commander_id}' has no authority; '{self.authority}' has"
        if chunk.epoch != self.epoch:
            return f"epoch {chunk.epoch}; allowed: {self.epoch}"
        if chunk.seq <= self._seq.get(chunk.commander_id, -1):
            return f"seq {chunk.seq} is not above {self._seq[chunk.commander_id]}"
        return check_chunk(chunk, self.robot, now_ns) or self._check_start(chunk, now_ns)

    def _check_start(self, chunk: ActionChunk, now_ns: int) -> str:
        for action in chunk.groups:
            values = next((v for v in (action.poses, action.joints, action.hand) if v is not None), None)
            if values is None:
                continue
            times = chunk.start_ns + np.arange(len(values)) * (chunk.dt * 1e9) - now_ns
            if times[-1] < -MAX_LATE * 1e9:
                return f"{action.name}: its last step was due {-times[-1] / 1e9:.3f} s ago; allowed: {MAX_LATE}"
            if action.poses is not None:
                first = min(int(np.searchsorted(times, 0)), len(values) - 1)
                why = check_pose_jump(np.asarray(action.poses[first], float), times[first] / 1e9,
                                      self._anchors(action.name), self.robot.group(action.name))
                if why:
                    return why
        return ""

    def _anchors(self, name: str) -> list[np.ndarray]:
        columns, buffer = self.kinematics.columns[name], self._poses[name]
        anchors = [pose_of(self.kinematics.groups[name].placement(self.gate.state.q[columns]))]
        return [*anchors, buffer.value] if buffer.active else anchors

    def _splice(self, chunk: ActionChunk, now_ns: int) -> None:
        now, start = self._seconds(now_ns), self._seconds(chunk.start_ns)
        self._chunk, self._horizon = chunk, 0.0
        for action in chunk.groups:
            if action.poses is not None:
                values = np.array(action.poses, float)
                values[:, 3:] /= np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
                self._to_buffer(action.name, self._poses, self._joints, values, start, chunk.dt, now)
            elif action.joints is not None:
                self._to_buffer(action.name, self._joints, self._poses, np.array(action.joints, float), start, chunk.dt, now)
            if action.hand is not None:
                times = start + chunk.dt * np.arange(len(action.hand))
                self._hands[action.name].splice(times, np.asarray(action.hand, float), now)
                self._horizon = max(self._horizon, times[-1] - now)

    def _to_buffer(self, name: str, buffers, others, values: np.ndarray, start: float, dt: float, now: float) -> None:
        buffer, state, columns = buffers[name], self.gate.state, self.kinematics.columns[name]
        if name in others:
            others[name].clear()
        if not buffer.active:
            q, v = state.q[columns], state.v[columns]
            if buffer.space.pose:
                placement, jacobian = self.kinematics.groups[name].forward_jacobian(q)
                buffer.restart(pose_of(placement), jacobian @ v)
            else:
                buffer.restart(q, v)
        times = start + dt * np.arange(len(values))
        buffer.splice(times, values, dt, now)
        self._horizon = max(self._horizon, times[-1] - now)

    def _take_pending(self) -> None:
        self._clear()
        if self._pending is not None:
            chunk, _ = self._pending
            self._pending = None
            if chunk.epoch == self.epoch and chunk.commander_id == self.authority:
                why = self._check_start(chunk, self._stamp_ns)
                if why:
                    self.refusals += 1
                    self._note(f"refused after braking: {why}")
                else:
                    self._splice(chunk, self._stamp_ns)

    # authority, stops, context

    def set_authority(self, commander_id: str) -> int:
        """Give `commander_id` the authority ('' takes it away). A change brakes, holds and opens a new epoch. Returns it."""
        if commander_id != self.authority:
            self.authority = commander_id
            self._seq.pop(commander_id, None)
            self._hold("")
        return self.epoch

    def estop(self, reason: str) -> None:
        """Latched stop: brakes, and holds until `rearm`."""
        self._stop(f"e-stop: {reason}" if reason else "e-stop")

    def rearm(self) -> str:
        """Leave a latched stop: '' armed, else why not. The arms stay where they are measured."""
        if self._state is None:
            return "no joint states yet"
        if not self.gate.state.at_rest:
            return "still braking"
        if np.any(np.abs(self._v) > AT_REST):
            return f"the arm moves at {np.abs(self._v).max():.3f} rad/s; allowed: {AT_REST}"
        self.stop_reasons = []
        self._braking, self._pending = False, None
        for name, wrench in self._wrench.items():
            self._wrench_floor[name] = float(np.linalg.norm(wrench[:3]))
        self.epoch += 1
        self._adopt()
        return ""

    def _hold(self, reason: str) -> None:
        """Brake, hold, new epoch."""
        self.epoch += 1
        self._pending = None
        self._braking = self._state is not None
        self._clear()
        if reason:
            self._note(f"hold: {reason}")

    def _stop(self, reason: str) -> None:
        if not self.stop_reasons:
            self._hold("")
        if reason not in self.stop_reasons:
            self.stop_reasons.append(reason)
            self._note(f"stop: {reason}")

    def wrench(self, group: str, wrench: np.ndarray, stamp_ns: int, monotonic: float) -> None:
        """The measured wrench (6,) on a group's tool, tool frame, newtons and newton metres. Beyond force_cap: stop."""
        wrench = np.asarray(wrench, float)
        if group not in self.kinematics.groups or wrench.shape != (6,) or not np.all(np.isfinite(wrench)):
            self._note(f"wrench of '{group}' dropped: shape {wrench.shape} or values not finite")
            return
        self._wrench[group] = wrench
        force, cap = float(np.linalg.norm(wrench[:3])), self.robot.group(group).force_cap
        # a re-arm under load must allow the retreat: the load may fall, not rise
        floor = self._wrench_floor[group] = min(self._wrench_floor.get(group, 0.0), force)
        if force > max(cap, 1.1 * floor + 1.0 if floor > cap else 0.0):
            self._stop(f"{force:.1f} N on the tool of {group}; allowed: {cap:g}")

    def context(self, allowed_contacts, held_group="", held_tool="", force=None) -> str:
        """What the sub-task allows: pairs of link or fixture names that may touch, a held tool's shape. '' or why not."""
        self._allowed = tuple(tuple(sorted(pair)) for pair in allowed_contacts)
        return ""

    # what it says

    def groups(self) -> dict[str, GroupState]:
        """Measured, from the last joint state and wrench; {} before the first."""
        return {} if self._state is None else self._group_states(self._q, self._v, {
            name: np.clip((self._hand_q[name] - hand.closed) / hand.span, 0, 1) for name, hand in self._hands.items()})

    def commanded(self) -> dict[str, GroupState]:
        """Last commanded positions, velocities, tool poses and openings; {} before the first joint state."""
        if self._state is None:
            return {}
        end = self.gate.plan.at(self.dt)
        return self._group_states(end.q, end.v, {name: hand.opening for name, hand in self._hands.items()})

    def _group_states(self, q, v, hands) -> dict[str, GroupState]:
        states = {}
        for name, columns in self.kinematics.columns.items():
            pose = self.kinematics.groups[name].forward(q[columns])
            states[name] = GroupState(q[columns].copy(), v[columns].copy(), pose, np.array(hands.get(name, np.zeros(0))),
                                      self._wrench.get(name))
        return states

    def status(self, now_ns: int, monotonic: float) -> MotionStatus:
        """What motion does, for commanders and recorder."""
        now, chunk = self._seconds(now_ns), self._chunk
        step = -1
        if chunk is not None:
            step = int(np.clip((now - self._seconds(chunk.start_ns)) / chunk.dt, -1, self._steps(chunk) - 1))
        mode = Mode.STOPPED if self.stop_reasons else Mode.BRAKING if self._braking else \
            Mode.HOLDING if chunk is None else Mode.EXECUTING
        observed = chunk.observation_ns if chunk is not None else 0
        return MotionStatus(
            now_ns, self.epoch, self.authority, mode, chunk.seq if chunk else 0, step, self._committed(now, chunk),
            self.clamps, self.refusals, tuple(self._reasons), monotonic - self._monotonic if self._state else -1.0,
            monotonic - self._chunk_monotonic if self._chunk_monotonic is not None else -1.0,
            (now_ns - observed) / 1e9 if observed else -1.0)

    def _steps(self, chunk: ActionChunk) -> int:
        return max(len(v) for a in chunk.groups for v in (a.poses, a.joints, a.hand) if v is not None) \
            if any(v is not None for a in chunk.groups for v in (a.poses, a.joints, a.hand)) else 0

    def _committed(self, now: float, chunk: ActionChunk | None) -> ActionChunk | None:
        """The steps, on the executing chunk's grid, that will be executed whatever arrives; None if there are none."""
        if chunk is None:
            return None
        start = self._seconds(chunk.start_ns)
        first = int(np.ceil((now - start) / chunk.dt - 1e-9))
        actions = []
        for name in self.kinematics.columns:
            for buffers in (self._poses, self._joints):
                buffer = buffers.get(name)
                if buffer is None or not buffer.active:
                    continue
                last = int(np.floor((buffer.committed_until(now) - start) / chunk.dt + 1e-9))
                values = [buffer.raw(start + k * chunk.dt) for k in range(first, min(last, first + 100) + 1)]
                if values:
                    group = self.robot.group(name)
                    actions.append(GroupAction(name, group.base_frame, group.tool_frame, np.array(values))
                                   if buffer.space.pose else
                                   GroupAction(name, joint_names=tuple(group.joints), joints=np.array(values)))
        if not actions:
            return None
        return ActionChunk(chunk.commander_id, self.epoch, chunk.seq, chunk.stamp_ns,
                           chunk.start_ns + round(first * chunk.dt * 1e9), chunk.dt, tuple(actions), chunk.observation_ns)

    def safety(self, now_ns: int) -> SafetyState:
        """What the gate says of itself."""
        limits = {}
        for group in self.robot.arms:
            limits |= {f"{group.name}.tool_speed": group.tool_speed, f"{group.name}.tool_angular_speed":
                       group.tool_angular_speed, f"{group.name}.force_cap": group.force_cap}
        limits |= {"margin": self.robot.margin, "tracking_error": TRACKING_ERROR}
        return SafetyState(now_ns, any(r.startswith("e-stop") for r in self.stop_reasons), not self.stop_reasons,
                           tuple(self.stop_reasons), limits, dict(self.gate.clamps), self._allowed)

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self._origin_ns) / 1e9

    def _note(self, reason: str) -> None:
        if not self._reasons or self._reasons[0] != reason:
            self._reasons.appendleft(reason)
