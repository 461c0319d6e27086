"""Motion: chunks and joint states in, commands for the controllers out. The ROS node and the in-process loop drive it.

Each tick: where the arms are on the plan that was sent; where the chunks want them (References, and Admittance where a force
is wanted); the joint velocities that lead there (Servo); what of it is allowed (SafetyGate). Nothing here raises for bad
data: it is dropped and counted.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vipa.motion import limits
from vipa.motion import status as report
from vipa.motion.admittance import Admittance, check_force
from vipa.motion.chunk import ActionChunk, MotionStatus, SafetyState
from vipa.motion.clearance import Clearance
from vipa.motion.collision import CollisionModel
from vipa.motion.contact_speed import ContactSpeed
from vipa.motion.force_limit import Load
from vipa.motion.gate import SafetyGate
from vipa.motion.liveness import STALE, Liveness
from vipa.motion.measured import Measured
from vipa.motion.references import References
from vipa.motion.relief import Relief
from vipa.motion.servo import Servo, Target
from vipa.motion.standstill import Standstill
from vipa.motion.start_guard import StartGuard
from vipa.motion.task_context import TaskContext
from vipa.motion.tick_clock import Due, TickClock
from vipa.motion.validation import check_chunk
from vipa.robot.contacts import Contacts
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import GroupState, JointState, JointTrajectory

SILENCE = 2.0  # seconds, monotonic, without a chunk, beside ten times its horizon, after which motion holds
TRACKING_ERROR = 0.15  # radians between measured and commanded joints that stop the arms
LEAP = 0.01  # radians that a measured joint may move in a tick, beside twice what the robot file's velocity allows
STIR = 0.005  # radians in a tick: an arm that stands, and moves further, was moved by others
STOP_REASONS = 8  # that are kept of a latched stop: the first ones, and an e-stop always
AT_REST = 0.05  # rad/s below which arms count as resting: a stopped one may be re-armed


class Motion:
    """One robot's motion. One thread; the caller gives every time: `*_ns` ROS time, `monotonic` seconds of the local clock.

    watch_wrenches: nothing is executed while an arm's wrench does not come. backend: makes what turns targets into joint
    velocities.
    """

    def __init__(
        self,
        robot: Robot,
        fixtures: Sequence[Fixture] = (),
        watch_wrenches: bool = False,
        backend: Callable[[Kinematics, float], Servo] = Servo,
    ):
        self.robot = self._file = robot
        self.limits = limits.Drawn(robot)
        self.kinematics, self._contacts = Kinematics(robot), Contacts(robot)
        self.dt = 1.0 / robot.control_rate  # seconds until the next tick
        self.references = References(self.kinematics)
        self.start_guard = StartGuard(self.kinematics, self.references)
        self.servo = backend(self.kinematics, self.dt)
        self.gate = SafetyGate(self.kinematics, self.dt)
        self._fastest = (
            self.gate.velocity
        )  # as the file has it: an arm may still be as fast when limits are drawn tighter
        self.clock = TickClock(self.dt)
        self.measured, self.load = Measured(robot), Load(robot)
        self.relief, self.contact_speed = Relief(self.kinematics, self.dt), ContactSpeed(robot)
        self.standstill = Standstill(self.kinematics.joint_names)
        self.liveness = Liveness(tuple(g.name for g in robot.arms) if watch_wrenches else ())
        self.admittances = {g.name: Admittance(g) for g in robot.arms}
        self.task = TaskContext()
        self.epoch, self.authority, self.granter = 1, "", ""  # granter: who gave the authority to who holds it
        self.latch = 0  # number of the newest stop, or e-stop of a stopped motion
        self.stop_reasons: list[str] = []
        self.clamps = self.refusals = 0
        self.reasons: deque[str] = deque(maxlen=8)
        self.started = self.braking = self.lost = False  # lost: the arms do not follow
        self.current: ActionChunk | None = None  # what is executed
        self._pending: ActionChunk | None = None  # what waits for the end of braking
        self.chunk_time = -math.inf  # of the newest chunk
        self._origin_ns = 0
        self._seq = (0, 0)  # epoch and number of the newest chunk
        self.set_fixtures(fixtures)

    def set_fixtures(self, fixtures: Sequence[Fixture]) -> None:
        """The task's static boxes, world frame: what the arms keep clear of from now on."""
        self.fixtures = tuple(fixtures)
        self._rebuild()

    def _rebuild(self) -> None:
        self.collisions = CollisionModel(self.kinematics, self.fixtures, self.task.tools)
        self.clearance = Clearance(self.collisions)
        self.gate.keep_clear(self.clearance)
        self._allow()

    def _allow(self) -> None:
        self.gate.allow(self.task.contacts)
        self.servo.avoid(self.collisions, self.clearance.margins)

    # joint states and the control step

    def tick(self, state: JointState, monotonic: float, ros_ns: int | None = None) -> dict[str, JointTrajectory]:
        """One control step: a command for every controller, by its name; {} when none is due (joint states may come faster
        than the control rate) or the state is unusable. Times of the commands count from their arrival.

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
            self._note(self.measured.lagging(STALE))
            return {}
        if not self.started or due.jumped:
            self._origin_ns = stamp_ns
        if not self.started:
            self.started = True
            self._adopt()
        else:
            if due.broken:
                self.standstill.reset()
                self._hold(due.broken)
            self.gate.advance(self._elapsed(due))
            self._watch_tracking(due.elapsed)
        self.gate.measured = self.measured.q
        self._before = self.measured.q
        self._pace()
        self._watch_liveness(stamp_ns, ros_ns)
        self._watch_contacts()
        self._watch_backend(min(stamp_ns, ros_ns), monotonic)
        self._step(self.seconds(stamp_ns))
        return {} if self.lost else self._commands()

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
        self.standstill.reset()
        self.gate.reset(self.measured.q)
        self._moved = False  # by others, while it stood
        self.relief.clear()
        for name, hand in self.references.hands.items():
            hand.restart(self.measured.hands[name])
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
        """Arms that do not follow get no more commands: what their controllers have brakes, and one that comes back (or was
        reset) does not leap to where its arm is not."""
        error = np.abs(self.measured.q - self.gate.state.q)
        leap = np.abs(self.measured.q - self._before) - 2 * self._fastest * elapsed - LEAP
        pressing = bool(self.load.pressing(self.clock.stamp_ns))
        if pressing:
            self.standstill.reset()  # what holds the arm up is known, and is being let go of
        stands = (
            ""
            if self.lost or pressing
            else self.standstill.take(self.clock.stamp_ns / 1e9, self.gate.state.q, self.measured.q)
        )
        if stands:
            self.lost = True
            self._stop(stands)
        if not self.lost and (error.max() > TRACKING_ERROR or leap.max() > 0):
            joint, self.lost = int(np.argmax(error)), True
            self._stop(
                f"{self.kinematics.joint_names[joint]} is {error[joint]:.3f} rad from its command; "
                f"allowed: {TRACKING_ERROR}"
                if error.max() > TRACKING_ERROR
                else f"{self.kinematics.joint_names[int(np.argmax(leap))]} leapt within {elapsed:.3f} s"
            )
        if self.gate.at_rest and np.abs(self.measured.q - self._before).max() > STIR:
            self._moved = True
        if self.lost:
            self.gate.reset(self.measured.q)

    def _step(self, now: float) -> None:
        if self.braking and self.gate.state.at_rest:
            self.braking = False
            self._take_pending(now)
        if self.stop_reasons:
            self._relieve()
            return
        self.relief.record(self.measured.q, self.load.loaded)
        if self.braking:
            self.gate.step(None, self._widest(self.references.openings()))
            return
        self._expire(now)
        targets = self.references.advance(now, self.dt)
        for name, admittance in self.admittances.items():
            pose = targets[name].pose if admittance.active and name in targets else None
            if pose is not None:
                targets[name] = Target(pose=admittance.shift(pose, self.dt, self.clock.monotonic))
        hands = self._advance_hands(now)
        if not targets and self.gate.state.at_rest:
            self.gate.step(None, hands)
        else:
            wish = self.servo.step(self.gate.predict(), self.gate.state.v, targets, hands)
            self._clamped(self.gate.step(wish, hands))

    def _relieve(self) -> None:
        """Stopped: an arm that presses too hard lets go and backs off, the others brake."""
        hands, pressing = self._widest(self.references.openings()), self.load.pressing(self.clock.stamp_ns)
        if not pressing:
            self.gate.step(None, hands)
            return
        q, v = self.measured.q, self.measured.v
        if why := self.gate.go(self.relief.goals(q, self.gate.state.v, pressing), q, v, hands):
            self._note(f"relief: {why}")

    def _expire(self, now: float) -> None:
        if self.current is None:
            return
        if self.references.finished(now):
            self.current = None
        elif self.clock.monotonic - self.chunk_time > SILENCE + 10 * self.references.horizon:
            self._hold("the commander is silent")

    def _advance_hands(self, now: float) -> dict[str, np.ndarray]:
        before = self.references.openings()
        for hand in self.references.hands.values():
            hand.advance(now + self.dt, self.dt)
        after = self.references.openings()
        if self.gate.hands_pass(self._widest(before), self._widest(after)):
            return self._widest(after)
        for name, hand in self.references.hands.items():
            hand.opening = before[name]
        self._clamped("distance: a hand's opening")
        return self._widest(before)

    def _widest(self, openings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The wider of the commanded `openings` (H,) and the measured ones: a hand that holds something does not close."""
        hands = self.references.hands
        return {
            name: np.maximum(opening, hands[name].opening_at(self.measured.hands[name]))
            for name, opening in openings.items()
        }

    def _clamped(self, why: str) -> None:
        if why:
            self.clamps += 1
            self._note(f"clamped: {why}")

    def _commands(self) -> dict[str, JointTrajectory]:
        times, positions, velocities = self.gate.plan.samples(self.gate.sample)
        commands = {}
        for group in self.robot.groups:
            columns = self.kinematics.columns[group.name]
            commands[group.controller] = JointTrajectory(
                tuple(group.joints), times, positions[:, columns], velocities[:, columns]
            )
        return commands | {hand.hand.controller: hand.command(self.dt) for hand in self.references.hands.values()}

    # chunks

    def chunk(self, chunk: ActionChunk, now_ns: int, monotonic: float) -> str:
        """Take a chunk. '' if it was accepted, else why it was refused. During braking it waits for the arms to rest."""
        why = self._refusal(chunk, now_ns)
        if why:
            return self._refuse(why)
        self._seq = (self.epoch, chunk.seq)
        self.chunk_time = monotonic
        if self.braking:
            self._pending = chunk
        else:
            self._splice(chunk, self.seconds(now_ns))
        return ""

    def _refuse(self, why: str) -> str:
        self.refusals += 1
        self._note(f"refused: {why}")
        return why

    def _refusal(self, chunk: ActionChunk, now_ns: int) -> str:
        if self.stop_reasons:
            return f"stopped: {self.stop_reasons[0]}"
        if not self.started:
            return "no joint states yet"
        if self.liveness.fault:
            return self.liveness.fault
        if not self.authority or chunk.commander_id != self.authority:
            return f"'{chunk.commander_id}' has no authority; " + (
                f"'{self.authority}' has" if self.authority else "nobody has"
            )
        if chunk.epoch != self.epoch:
            return f"epoch {chunk.epoch}; allowed: {self.epoch}"
        if self._seq[0] == self.epoch and not chunk.seq > self._seq[1]:
            return f"seq {chunk.seq} is not above {self._seq[1]}"
        return check_chunk(chunk, self.robot, now_ns) or self.servo.refusal(chunk) or self._check_start(chunk, now_ns)

    def _check_start(self, chunk: ActionChunk, now_ns: int) -> str:
        resting = self.current is None and bool(np.all(np.abs(self.gate.state.v) < AT_REST))
        return self.start_guard.refusal(chunk, now_ns, self.measured.q, resting)

    def _splice(self, chunk: ActionChunk, now: float) -> None:
        self.current = chunk
        self.references.splice(chunk, self.seconds(chunk.start_ns), now, self.gate.state)

    def _take_pending(self, now: float) -> None:
        chunk, self._pending = self._pending, None
        self._clear()
        if chunk is not None and not self.stop_reasons:
            why = self._check_start(chunk, self.clock.stamp_ns)
            if why:
                self._refuse(f"after braking: {why}")
            else:
                self._splice(chunk, now)

    # authority, stops, context

    def set_authority(self, commander_id: str, granter: str = "") -> int:
        """Give `commander_id` the authority ('' takes it away), in the name of `granter`. A change brakes, holds, restores the
        task's default context and opens a new epoch. Returns it. (What may come over the wire: `permission`.)"""
        if commander_id != self.authority:
            self.authority, self.granter = commander_id, granter if commander_id else ""
            self._hold("")
            self.context(())
        return self.epoch

    def estop(self, reason: str) -> None:
        """Latched stop: brakes, and holds until `rearm`."""
        self.latch += bool(self.stop_reasons)  # who has seen the stops before has not seen this one
        self._stop(f"e-stop: {reason}" if reason else "e-stop")

    def rearm(self) -> str:
        """Leave a latched stop: '' armed, else why not. The arms stay where they are measured, also when nothing was stopped but
        they were moved while they stood: so a cell that was reset is taken as it stands. Else nothing changes: an arm that
        sags below its command would sink with every call."""
        if not self.started:
            return "no joint states yet"
        if self.liveness.fault:
            return self.liveness.fault
        if not self.gate.at_rest:
            return "still moving"
        if np.any(np.abs(self.measured.v) > AT_REST):
            return f"an arm moves at {np.abs(self.measured.v).max():.3f} rad/s; allowed: {AT_REST}"
        if not self.stop_reasons and not self._moved:
            return ""
        self.stop_reasons = []
        self.braking, self.lost, self._pending = False, False, None
        self.load.rearm()
        self.epoch += 1
        self._adopt()
        return ""

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
            self.latch += 1
            self._hold("")
        if reason in self.stop_reasons:
            return
        self._note(f"stop: {reason}")
        if len(self.stop_reasons) == STOP_REASONS and reason.startswith("e-stop"):
            self.stop_reasons.pop()
        if len(self.stop_reasons) < STOP_REASONS:
            self.stop_reasons.append(reason)

    def wrench(self, group: str, wrench: np.ndarray, stamp_ns: int, monotonic: float) -> None:
        """The measured wrench (6,) on an arm's tool, tool frame, newtons and newton metres. Beyond force_cap: stop."""
        try:
            why = self.load.take(group, wrench, stamp_ns)
        except (TypeError, ValueError) as error:
            self._note(str(error))
            return
        self.liveness.wrench(group, stamp_ns, self.load.wrenches[group])
        self.admittances[group].measure(self.load.wrenches[group], monotonic)
        if why:
            self._stop(why)

    def context(
        self,
        allowed_contacts: Iterable[Sequence[str]],
        held_group: str = "",
        held_tool: str = "",
        force: dict | None = None,
    ) -> str:
        """What the running sub-task allows and wants. '' if it is in force now, else why not (then nothing changed).

        allowed_contacts: pairs of link, tool or fixture names ("fingers": the finger links of every hand), those that the robot
        file's may_touch lets a task open. held_tool: its shape in the tool frame of held_group, see `task_context.parse_tool`. force: `group`,
        `target` (newtons along the tool's z axis) and perhaps `damping`, `stiffness`; None: no force control.
        """
        names = [fixture.name for fixture in self.fixtures]
        task, why = TaskContext.make(self.robot, self._contacts, names, allowed_contacts, held_group, held_tool)
        why = why or check_force(force, self.robot.arms)
        if why:
            self._note(f"refused: {why}")
            return why
        for name, admittance in self.admittances.items():
            admittance.configure(force if force is not None and force.get("group", name) == name else None)
        rebuild, self.task = task.tools != self.task.tools, task
        if rebuild:
            self._rebuild()
        else:
            self._allow()
        return ""

    def tighten(self, request: limits.Tighter) -> str:
        """Draw limits tighter, or one's own looser again, from the next tick on. '' if they are in force, else why not (then nothing changed). What is
        faster or further out than they allow slows down and comes back, and nothing moves further out."""
        try:
            self.limits.request(request)
        except ValueError as error:
            return str(error)
        self._limit()
        return ""

    def _limit(self) -> None:
        self.robot = self.contact_speed.apply(limits.apply(self._file, self.limits.in_force()))
        self.kinematics.adopt(self.robot)
        for part in (self.gate, self.servo, self.references):
            part.limit()
        self.load.limit(self.robot)
        for group in self.robot.arms:
            self.admittances[group.name].limit(group)

    def _watch_contacts(self) -> None:
        pressing = (name for name, admittance in self.admittances.items() if admittance.active)
        if self.contact_speed.take(pressing, self.clearance.opened()):
            self._limit()

    # what it says

    def groups(self) -> dict[str, GroupState]:
        """Measured, from the last joint state and wrench; {} before the first."""
        return report.measured(self)

    def commanded(self) -> dict[str, GroupState]:
        """Last commanded positions, velocities, tool poses and openings; {} before the first joint state."""
        return report.commanded(self)

    def status(self, now_ns: int, monotonic: float) -> MotionStatus:
        """What motion does, for commanders and recorder."""
        return report.status(self, now_ns, monotonic)

    def safety(self, now_ns: int) -> SafetyState:
        """What the gate says of itself."""
        return report.safety(self, now_ns, TRACKING_ERROR)

    def seconds(self, stamp_ns: int) -> float:
        """ROS time as the buffers count it: seconds since the first joint state, or since the last clock jump."""
        return (stamp_ns - self._origin_ns) / 1e9

    def _note(self, reason: str) -> None:
        if reason and (not self.reasons or self.reasons[0] != reason):
            self.reasons.appendleft(reason)
