"""The control step: joint states in, commands for the controllers out. Nothing here raises for bad data: it is dropped and counted."""

import math
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from vipa.motion import admission, limits
from vipa.motion.admittance import Admittance
from vipa.motion.chunk import REASONS, ActionChunk
from vipa.motion.clearance import Clearance
from vipa.motion.collision import CollisionModel
from vipa.motion.contact_speed import ContactSpeed
from vipa.motion.dating import Dating
from vipa.motion.force_limit import Load
from vipa.motion.gate import SafetyGate
from vipa.motion.hands import Hands
from vipa.motion.liveness import MAX_JOINT_STATE_AGE_S, Liveness
from vipa.motion.measured import Measured
from vipa.motion.references import References
from vipa.motion.relief import Relief
from vipa.motion.servo import Servo, Target
from vipa.motion.start_guard import StartGuard
from vipa.motion.stops import Stops
from vipa.motion.task_context import TaskContext
from vipa.motion.tick_clock import Due, TickClock
from vipa.motion.tracking import Tracking
from vipa.robot.contacts import Contacts
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import JointState, JointTrajectory

CHUNK_TIMEOUT_S = 2.0  # seconds, monotonic, without a chunk, beside ten times its horizon, after which motion holds


class ControlStep:
    """Joint states in, commands out, a tick at a time: where the arms are on the plan that was sent; where the chunks want them
    (References, and Admittance where a force is wanted); the joint velocities that lead there (Servo); what of it is allowed
    (SafetyGate). One thread; the caller gives every time: `*_ns` ROS time, `monotonic` seconds of the local clock.

    Args:
        robot: whose motion it is.
        fixtures: the task's static boxes, world frame.
        watch_wrenches: nothing is executed while an arm's wrench does not come.
        dated: the arms' commands say when they begin, see Dating; else they begin when they arrive.
        backend: makes what turns targets into joint velocities, of the kinematics and the seconds of a tick.

    Raises:
        VipaError: the backend cannot serve this robot.
    """

    def __init__(
        self,
        robot: Robot,
        fixtures: Sequence[Fixture] = (),
        watch_wrenches: bool = False,
        backend: Callable[[Kinematics, float], Servo] = Servo,
        dated: bool = False,
    ):
        # in force now; as in the file; as drawn tighter, wherever the arms are
        self.robot = self._file = self.drawn = robot
        self.limits = limits.Drawn(robot)
        self.kinematics, self._contacts = Kinematics(robot), Contacts(robot)
        self.dt = 1.0 / robot.control_rate  # seconds until the next tick
        self.servo = backend(self.kinematics, self.dt)
        self.references = References(self.kinematics, self.servo.lag_s)
        self.start_guard = StartGuard(self.kinematics, self.references)
        self.gate = SafetyGate(self.kinematics, self.dt)
        self.tracking = Tracking(self.kinematics.joint_names, self.gate.velocity)
        self.dating = Dating(self.gate.sample) if dated else None
        self.clock = TickClock(self.dt)
        self.measured, self.load = Measured(robot), Load(robot)
        self.hands = Hands(self.references.hands, self.measured, self.gate)
        self.relief, self.contact_speed = Relief(self.kinematics, self.dt), ContactSpeed(robot)
        self.liveness = Liveness(tuple(g.name for g in robot.arms) if watch_wrenches else ())
        self.admittances = {g.name: Admittance(g) for g in robot.arms}
        self.task = TaskContext()
        self.epoch, self.authority, self.granter = 1, "", ""  # granter: who gave the authority to who holds it
        self.stops = Stops()
        self.clamps = self.refusals = 0
        self.reasons: deque[str] = deque(maxlen=REASONS)
        self.started = self.braking = False
        self.current: ActionChunk | None = None  # what is executed
        self._pending: ActionChunk | None = None  # what waits for the end of braking
        self.chunk_time = -math.inf  # of the newest chunk
        self._origin_ns = 0
        self.newest = (0, 0)  # epoch and number of the newest chunk
        self.set_fixtures(fixtures)

    def set_fixtures(self, fixtures: Sequence[Fixture]) -> None:
        """The task's static boxes, world frame: what the arms keep clear of from now on."""
        self.fixtures = tuple(fixtures)
        self.collisions = CollisionModel(self.kinematics, self.fixtures).holding(self.task.tools)
        self.clearance = Clearance(self.collisions)
        self.gate.keep_clear(self.clearance)
        self._allow()

    def _hold_tools(self) -> None:
        """The hands hold other things than before. Between two ticks, at once: no tick is planned without them."""
        self.collisions = self.collisions.holding(self.task.tools)
        self.gate.hold(self.collisions)

    def _allow(self) -> None:
        self.gate.allow(self.task.contacts)
        self.servo.avoid(self.collisions, self.clearance.margins)

    def tick(self, state: JointState, monotonic: float, ros_ns: int | None = None) -> dict[str, JointTrajectory]:
        """One control step: a command for every controller, by its name; {} when none is due (joint states may come faster
        than the control rate) or the state is unusable.

        ros_ns: the ROS time now; None: the state's own stamp.
        """
        ros_ns = state.stamp_ns if ros_ns is None else ros_ns
        why = self.liveness.stale(state.stamp_ns, ros_ns) if self.measured.carries_arms(state) else ""
        if why or (why := self.measured.take(state)):
            self._note(why)
        if not self.measured.known:
            return {}
        stamp_ns = self.measured.stamp_ns  # of the joint that was heard of longest ago: joint states may come in parts
        due = self.clock.take(stamp_ns, monotonic)
        if due is None:
            self._note(self.measured.lagging(MAX_JOINT_STATE_AGE_S))
            return {}
        if not self.started or due.jumped:
            self._origin_ns = stamp_ns
        if not self.started:
            self.started = True
            self._adopt()
        else:
            if due.broken:
                self.tracking.standstill.reset()
                self._hold(due.broken)
            self.gate.advance(self._elapsed(due))
            self._watch_tracking(due.elapsed)
        self.gate.measured = self.measured.q
        self.tracking.before = self.measured.q
        self._pace()
        self._watch_liveness(stamp_ns, ros_ns)
        self._watch_contacts()
        self._watch_backend(min(stamp_ns, ros_ns), monotonic)
        self._step(self.seconds(stamp_ns))
        return {} if self.tracking.lost else self._commands()

    def timely(self, commands: dict[str, JointTrajectory], ros_ns: int) -> dict[str, JointTrajectory]:
        """What is to be sent of this tick's `commands` at `ros_ns`, ROS time: all; but not what would have taken effect before: to
        follow that now the arms would have to leap. They go on along the last plan, which brakes."""
        if self.dating is None or not commands:
            return commands
        age = self.dating.answered(ros_ns)
        if age <= self.dating.delay or not any(command.start_ns for command in commands.values()):
            return commands
        self.dating.unsent()
        self.gate.retract()
        self._note(
            f"not sent: a command {1e3 * age:.0f} ms after its joint state; allowed: {1e3 * self.dating.delay:.0f}"
        )
        return {name: command for name, command in commands.items() if not command.start_ns}

    def _pace(self) -> None:
        """The next tick is as far off as joint states are apart: what is planned until then lasts until then."""
        if self.clock.dt != self.dt:
            self.dt = self.gate.dt = self.servo.dt = self.relief.dt = self.clock.dt
            self._note(f"joint states come at {self.clock.rate:.1f} Hz: a tick is {1e3 * self.dt:.1f} ms")

    def _elapsed(self, due: Due) -> float:
        """Seconds into the plan that was sent. When ROS time jumped, the arms show whether it was a tick or what the local clock
        says: a simulation may be slower than that."""
        if not due.jumped:
            return due.elapsed
        return min(self.dt, due.elapsed, key=lambda t: float(np.abs(self.gate.plan.at(t).q - self.measured.q).max()))

    def _adopt(self) -> None:
        """What is measured becomes what is commanded: at the start and at a re-arm."""
        self.tracking.restart()
        self.gate.reset(self.measured.q)
        self.relief.clear()
        self.hands.restart()
        self._clear()

    def _clear(self) -> None:
        self.current = None
        self.references.clear()
        for admittance in self.admittances.values():
            admittance.reset()

    def _watch_liveness(self, stamp_ns: int, ros_ns: int) -> None:
        before = self.liveness.fault
        self.liveness.take(stamp_ns, ros_ns, self.measured.hand_ns, self.clock.slow)
        if self.liveness.fault and not before:
            self._hold(self.liveness.fault)
        if self.liveness.lasting and not self.stop_reasons:
            self._stop(self.liveness.fault)

    def _watch_backend(self, stamp_ns: int, monotonic: float) -> None:
        hold, note = self.servo.begin(self.gate.state.q, stamp_ns, monotonic, bool(self.stop_reasons))
        if hold:
            self._hold(hold)
        elif note:
            self._note(note)

    def _watch_tracking(self, elapsed: float) -> None:
        commanded, now = self.gate.state.q, self.clock.stamp_ns
        pressing = bool(self.load.pressing(now))
        why = self.tracking.take(now / 1e9, elapsed, commanded, self.measured.q, self.gate.at_rest, pressing)
        if why:
            self._stop(why)
        if self.tracking.lost:
            self.gate.reset(self.measured.q)

    def _watch_contacts(self) -> None:
        distance = self.clearance.opened()
        for admittance in self.admittances.values():
            admittance.approach(distance)
        pressing = (name for name, admittance in self.admittances.items() if admittance.active)
        if self.contact_speed.take(pressing, distance):
            self._limit()

    def _limit(self) -> None:
        self.drawn = limits.apply(self._file, self.limits.in_force())
        self.robot = self.contact_speed.apply(self.drawn)
        self.kinematics.adopt(self.robot)
        for part in (self.gate, self.servo, self.references):
            part.limit()
        self.load.limit(self.robot)
        for group in self.robot.arms:
            self.admittances[group.name].limit(group)

    def _step(self, now: float) -> None:
        if self.braking and self.gate.state.at_rest:
            self.braking = False
            self._take_pending(now)
        if self.stop_reasons:
            self._relieve()
            return
        self.relief.record(self.measured.q, self.load.loaded)
        if self.braking:
            self.gate.step(None, self.hands.widest())
            return
        self._expire(now)
        targets = self.references.advance(now, self.dt)
        for name, admittance in self.admittances.items():
            pose = targets[name].pose if admittance.active and name in targets else None
            if pose is not None:
                targets[name] = Target(pose=admittance.shift(pose, self.dt, self.clock.monotonic))
        self._clamped(self.hands.advance(now + self.dt, self.dt))
        hands = self.hands.widest()
        if not targets and self.gate.state.at_rest:
            self.gate.step(None, hands)
        else:
            wish = self.servo.step(self.gate.predict(), self.gate.state.v, targets, hands)
            self._clamped(self.gate.step(wish, hands))

    def _relieve(self) -> None:
        """Stopped: an arm that presses too hard lets go and backs off, the others brake."""
        hands, pressing = self.hands.widest(), self.load.pressing(self.clock.stamp_ns)
        if not pressing:
            self.gate.step(None, hands)
            return
        if why := self.gate.go(self.relief.goals(self.measured.q, self.gate.state.v, pressing), hands):
            self._note(f"relief: {why}")

    def _expire(self, now: float) -> None:
        if self.current is None:
            return
        if self.references.finished(now):
            self.current = None
        elif self.clock.monotonic - self.chunk_time > CHUNK_TIMEOUT_S + 10 * self.references.horizon:
            self._hold("the commander is silent")

    def _commands(self) -> dict[str, JointTrajectory]:
        start_ns, (times, positions, velocities) = 0, self.gate.plan.samples(self.gate.sample)
        if self.dating is not None:
            start_ns, times, positions, velocities = self.dating.take(self.gate.plan, self.clock.stamp_ns)
        commands = {}
        for group in self.robot.groups:
            columns = self.kinematics.columns[group.name]
            commands[group.controller] = JointTrajectory(
                tuple(group.joints), times, positions[:, columns], velocities[:, columns], start_ns
            )
        return commands | self.hands.commands(self.dt)

    # chunks and stops, as the step meets them

    def _refuse(self, why: str) -> str:
        self.refusals += 1
        self._note(f"refused: {why}")
        return why

    def _splice(self, chunk: ActionChunk, now: float) -> None:
        self.current = chunk
        self.references.splice(chunk, self.seconds(chunk.start_ns), now, self.gate.state)

    def _take_pending(self, now: float) -> None:
        chunk, self._pending = self._pending, None
        self._clear()
        if chunk is not None and not self.stop_reasons:
            why = admission.start(self, chunk, self.clock.stamp_ns)
            if why:
                self._refuse(f"after braking: {why}")
            else:
                self._splice(chunk, now)

    def _hold(self, reason: str) -> None:
        """Brake, hold, new epoch."""
        self.epoch += 1
        self._pending = None
        self.braking = self.started
        self._clear()
        if reason:
            self._note(f"hold: {reason}")

    def _stop(self, reason: str) -> None:
        if not self.stop_reasons:
            self._hold("")
        if self.stops.add(reason):
            self._note(f"stop: {reason}")

    @property
    def stop_reasons(self) -> list[str]:
        """Why it is stopped; empty: it is not."""
        return self.stops.reasons

    @property
    def latch(self) -> int:
        """Number of the newest stop."""
        return self.stops.latch

    # its clock, and what it notes

    def seconds(self, stamp_ns: int) -> float:
        """ROS time as the buffers count it: seconds since the first joint state, or since the last clock jump."""
        return (stamp_ns - self._origin_ns) / 1e9

    def _clamped(self, why: str) -> None:
        if why:
            self.clamps += 1
            self._note(f"clamped: {why}")

    def _note(self, reason: str) -> None:
        if reason and (not self.reasons or self.reasons[0] != reason):
            self.reasons.appendleft(reason)
