"""Motion: chunks and joint states in, commands for the controllers out. The ROS node and the in-process loop drive it.

Each tick: where the arms are on the plan that was sent; where the chunks want them (References); the joint velocities that
lead there (Servo); what of it is allowed (SafetyGate). Nothing here raises for bad data: it is dropped and counted.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from vipa_ros.motion.chunk import ActionChunk, Mode, MotionStatus, SafetyState
from vipa_ros.motion.clearance import Clearance
from vipa_ros.motion.collision import FINGERS, CollisionModel
from vipa_ros.motion.gate import MIN_COMMAND, SafetyGate
from vipa_ros.motion.measured import Measured
from vipa_ros.motion.references import References
from vipa_ros.motion.servo import Servo
from vipa_ros.motion.validation import check_chunk, check_start
from vipa_ros.robot.description import Robot
from vipa_ros.robot.kinematics import Kinematics
from vipa_ros.robot.state import GroupState, JointState, JointTrajectory
from vipa_ros.tasks.task import Fixture

LIVENESS = 1.0          # seconds, monotonic, without joint states, after which motion holds
SILENCE = 2.0           # seconds, monotonic, without a chunk, beside ten times its horizon, after which motion holds
CLOCK_JUMP = 1.0        # seconds of ROS time between joint states that count as a jump
TRACKING_ERROR = 0.15   # radians between measured and commanded joints that stop the arms
AT_REST = 0.05          # rad/s, measured, below which a stopped arm may be re-armed


class Motion:
    """One robot's motion. One thread; the caller gives every time: `*_ns` ROS time, `monotonic` seconds of the local clock."""

    def __init__(self, robot: Robot, fixtures: Sequence[Fixture] = ()):
        self.robot = robot
        self.kinematics = Kinematics(robot)
        self.dt = 1.0 / robot.control_rate
        self.references = References(self.kinematics)
        self.servo = Servo(self.kinematics, self.dt)
        self.gate = SafetyGate(self.kinematics, self.dt)
        self.measured = Measured(self.kinematics)
        self.epoch, self.authority = 1, ""
        self.stop_reasons: list[str] = []
        self.clamps = self.refusals = 0
        self.reasons: deque[str] = deque(maxlen=8)
        self._stamp_ns = self._origin_ns = self._due_ns = 0
        self._monotonic = 0.0
        self._started = self._braking = False
        self._pending: ActionChunk | None = None
        self._chunk: ActionChunk | None = None
        self._chunk_monotonic: float | None = None
        self._seq: dict[str, int] = {}
        self._wrench: dict[str, np.ndarray] = {}
        self._load: dict[str, float] = {}
        self._allowed: tuple[tuple[str, str], ...] = ()
        self.set_fixtures(fixtures)

    def set_fixtures(self, fixtures: Sequence[Fixture]) -> None:
        """The task's static boxes, world frame: what the arms keep clear of from now on."""
        self.fixtures = tuple(fixtures)
        self._collisions = CollisionModel(self.kinematics, self.fixtures)
        self.gate.clearance = Clearance(self._collisions)
        self._allow(self._allowed)

    def _allow(self, contacts: tuple[tuple[str, str], ...]) -> None:
        self._allowed = contacts
        self.gate.clearance.allow(contacts)
        self.servo.avoid(self._collisions, self.gate.clearance.margins)

    # joint states and the control step

    def tick(self, state: JointState, monotonic: float) -> dict[str, JointTrajectory]:
        """One control step: a command for every controller, by its name; {} when none is due (joint states may come faster
        than the control rate) or the state is unusable. Times of the commands count from their arrival."""
        why = self.measured.take(state)
        if why:
            self._note(why)
            return {}
        gap, since = (state.stamp_ns - self._stamp_ns) / 1e9, monotonic - self._monotonic
        if not self._started:
            self._started, self._origin_ns = True, state.stamp_ns
            self._adopt()
        elif -0.01 < gap <= 0 or (gap < CLOCK_JUMP and state.stamp_ns < self._due_ns - 0.2e9 * self.dt and gap > 0):
            return {}  # the same state again, or not yet time
        elif not 0 < gap < CLOCK_JUMP:
            self._hold(f"ROS time jumped by {gap:.3f} s")
            self._origin_ns = state.stamp_ns
            self.gate.advance(max(since, 0.0))
        else:
            if since > LIVENESS:
                self._hold(f"no joint states for {since:.2f} s")
            self.gate.advance(gap)
            self._watch_tracking()
        period = round(1e9 * self.dt)
        late = abs(state.stamp_ns - self._due_ns) > period
        self._due_ns = (state.stamp_ns if late else self._due_ns) + period
        self._stamp_ns, self._monotonic = state.stamp_ns, monotonic
        self._step(self._seconds(state.stamp_ns))
        return self._commands()

    def _adopt(self) -> None:
        """What is measured becomes what is commanded: at the start and at a re-arm."""
        self.gate.reset(self.measured.q)
        for name, hand in self.references.hands.items():
            hand.restart(self.measured.hands[name])
        self._clear()

    def _clear(self) -> None:
        self._chunk = None
        self.references.clear()

    def _watch_tracking(self) -> None:
        error = np.abs(self.measured.q - self.gate.state.q)
        if not self.stop_reasons and np.any(error > TRACKING_ERROR):
            joint = int(np.argmax(error))
            self._stop(f"{self.kinematics.joint_names[joint]} is {error[joint]:.3f} rad from its command; "
                       f"allowed: {TRACKING_ERROR}")

    def _step(self, now: float) -> None:
        if self._braking and self.gate.state.at_rest:
            self._braking = False
            self._take_pending(now)
        if self.stop_reasons or self._braking:
            self.gate.step(None, self.references.openings())
            return
        if self._chunk is not None:
            if self.references.finished(now):
                self._chunk = None
            elif self._monotonic - self._chunk_monotonic > SILENCE + 10 * self.references.horizon:
                self._hold("the commander is silent")
        targets = self.references.advance(now, self.dt)
        before = self.references.openings()
        for hand in self.references.hands.values():
            hand.advance(now + self.dt, self.dt)
        hands = self.references.openings()
        if not self.gate.hands_pass(before, hands):
            for name, hand in self.references.hands.items():
                hand.opening = before[name]
            hands = before
            self._clamped("distance: a hand's opening")
        if not targets and self.gate.state.at_rest:
            self.gate.step(None, hands)
        else:
            self._clamped(self.gate.step(self.servo.step(self.gate.predict(), self.gate.state.v, targets, hands), hands))

    def _clamped(self, why: str) -> None:
        if why:
            self.clamps += 1
            self._note(f"clamped: {why}")

    def _commands(self) -> dict[str, JointTrajectory]:
        times, positions, velocities = self.gate.plan.samples(self.dt)
        commands = {}
        for group in self.robot.groups:
            columns = self.kinematics.columns[group.name]
            commands[group.controller] = JointTrajectory(tuple(group.joints), times, positions[:, columns],
                                                         velocities[:, columns])
        for hand in self.references.hands.values():
            commands[hand.hand.controller] = JointTrajectory(
                tuple(hand.hand.joints), np.array([self.dt, MIN_COMMAND]), np.tile(hand.positions, (2, 1)),
                np.zeros((2, len(hand.closed))))
        return commands

    # chunks

    def chunk(self, chunk: ActionChunk, now_ns: int, monotonic: float) -> str:
        """Take a chunk. '' if it was accepted, else why it was refused. During braking it waits for the arms to rest."""
        why = self._refusal(chunk, now_ns)
        if why:
            return self._refuse(why)
        self._seq[chunk.commander_id] = chunk.seq
        self._chunk_monotonic = monotonic
        if self._braking:
            self._pending = chunk
        else:
            self._splice(chunk, self._seconds(now_ns))
        return ""

    def _refuse(self, why: str) -> str:
        self.refusals += 1
        self._note(f"refused: {why}")
        return why

    def _refusal(self, chunk: ActionChunk, now_ns: int) -> str:
        if self.stop_reasons:
            return f"stopped: {self.stop_reasons[0]}"
        if not self._started:
            return "no joint states yet"
        if not self.authority or chunk.commander_id != self.authority:
            return f"'{chunk.commander_id}' has no authority; " + (f"'{self.authority}' has" if self.authority else "nobody has")
        if chunk.epoch != self.epoch:
            return f"epoch {chunk.epoch}; allowed: {self.epoch}"
        last = self._seq.get(chunk.commander_id)
        if last is not None and not chunk.seq > last:
            return f"seq {chunk.seq} is not above {last}"
        return check_chunk(chunk, self.robot, now_ns) or self._check_start(chunk, now_ns)

    def _check_start(self, chunk: ActionChunk, now_ns: int) -> str:
        anchors = {a.name: self.references.anchors(a.name, self.gate.state) for a in chunk.groups if a.poses is not None}
        return check_start(chunk, self.robot, now_ns, anchors)

    def _splice(self, chunk: ActionChunk, now: float) -> None:
        self._chunk = chunk
        self.references.splice(chunk, self._seconds(chunk.start_ns), now, self.gate.state)

    def _take_pending(self, now: float) -> None:
        chunk, self._pending = self._pending, None
        self._clear()
        if chunk is not None and not self.stop_reasons:
            why = self._check_start(chunk, self._stamp_ns)
            if why:
                self._refuse(f"after braking: {why}")
            else:
                self._splice(chunk, now)

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
        """Leave a latched stop: '' armed, else why not. The arms stay where they are measured, also when nothing was stopped:
        so a cell that was reset is taken as it stands."""
        if not self._started:
            return "no joint states yet"
        if not self.gate.state.at_rest:
            return "still braking"
        if np.any(np.abs(self.measured.v) > AT_REST):
            return f"an arm moves at {np.abs(self.measured.v).max():.3f} rad/s; allowed: {AT_REST}"
        self.stop_reasons = []
        self._braking, self._pending = False, None
        for name, wrench in self._wrench.items():
            self._load[name] = float(np.linalg.norm(wrench[:3]))
        self.epoch += 1
        self._adopt()
        return ""

    def _hold(self, reason: str) -> None:
        """Brake, hold, new epoch."""
        self.epoch += 1
        self._pending = None
        self._braking = self._started
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
            self._note(f"wrench of '{group}' dropped: shape {wrench.shape}, or not finite")
            return
        self._wrench[group] = wrench
        force, cap = float(np.linalg.norm(wrench[:3])), self.robot.group(group).force_cap
        # after a re-arm under load the retreat must be free: the load may fall, and not rise again
        load = self._load[group] = min(self._load.get(group, 0.0), force)
        if force > max(cap, 1.1 * load):
            self._stop(f"{force:.1f} N on the tool of {group}; allowed: {cap:g}")

    def context(self, allowed_contacts: Iterable[Sequence[str]], held_group: str = "", held_tool: str = "",
                force: dict | None = None) -> str:
        """What the running sub-task allows: `allowed_contacts`, pairs of link or fixture names ("fingers": the finger links of
        every hand), one of them a finger or a hand. '' if it is in force now, else why not (then nothing changed)."""
        try:
            contacts = tuple(tuple(map(str, pair)) for pair in allowed_contacts)
        except TypeError as error:
            return f"allowed_contacts: {error}"
        touching = {FINGERS, *(link for g in self.robot.arms if g.hand for link in g.hand.fingers)}
        for pair in contacts:
            if len(pair) != 2 or not set(pair) & touching:
                return f"contact {'|'.join(pair)}: one of the two must be one of {', '.join(sorted(touching))}"
        self._allow(contacts)
        return ""

    # what it says

    def groups(self) -> dict[str, GroupState]:
        """Measured, from the last joint state and wrench; {} before the first."""
        if not self._started:
            return {}
        hands = {name: np.clip((self.measured.hands[name] - hand.closed) / hand.span, 0, 1)
                 for name, hand in self.references.hands.items()}
        return self._group_states(self.measured.q, self.measured.v, hands)

    def commanded(self) -> dict[str, GroupState]:
        """Last commanded positions, velocities, tool poses and openings; {} before the first joint state."""
        if not self._started:
            return {}
        end = self.gate.plan.at(self.dt)
        return self._group_states(end.q, end.v, self.references.openings())

    def _group_states(self, q, v, hands) -> dict[str, GroupState]:
        return {name: GroupState(q[columns].copy(), v[columns].copy(), self.kinematics.groups[name].forward(q[columns]),
                                 np.array(hands.get(name, ())), self._wrench.get(name))
                for name, columns in self.kinematics.columns.items()}

    def status(self, now_ns: int, monotonic: float) -> MotionStatus:
        """What motion does, for commanders and recorder."""
        now, chunk = self._seconds(now_ns), self._chunk
        mode = Mode.STOPPED if self.stop_reasons else Mode.BRAKING if self._braking else \
            Mode.HOLDING if chunk is None else Mode.EXECUTING
        step, committed, observed = -1, None, 0
        if chunk is not None:
            start, observed = self._seconds(chunk.start_ns), chunk.observation_ns
            lengths = [len(v) for a in chunk.groups for v in (a.poses, a.joints, a.hand) if v is not None]
            step = int(np.clip((now - start) // chunk.dt, -1, max(lengths, default=0) - 1))
            committed = self.references.committed(chunk, start, now)
        return MotionStatus(
            now_ns, self.epoch, self.authority, mode, chunk.seq if chunk else 0, step, committed, self.clamps, self.refusals,
            tuple(self.reasons), monotonic - self._monotonic if self._started else -1.0,
            -1.0 if self._chunk_monotonic is None else monotonic - self._chunk_monotonic,
            (now_ns - observed) / 1e9 if observed else -1.0)

    def safety(self, now_ns: int) -> SafetyState:
        """What the gate says of itself."""
        limits = {"margin": self.robot.margin, "tracking_error": TRACKING_ERROR}
        for group in self.robot.arms:
            limits |= {f"{group.name}.{key}": getattr(group, key) for key in
                       ("tool_speed", "tool_angular_speed", "force_cap")}
        distance, pair = self.gate.clearance.nearest()
        return SafetyState(now_ns, any(r.startswith("e-stop") for r in self.stop_reasons), not self.stop_reasons,
                           tuple(self.stop_reasons), limits, dict(self.gate.clamps), self._allowed, distance, pair)

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self._origin_ns) / 1e9

    def _note(self, reason: str) -> None:
        if not self.reasons or self.reasons[0] != reason:
            self.reasons.appendleft(reason)
