"""SafetyGate: the last thing between a wish and a controller. It never lets the arms be where it has not seen them stop.

Every tick it makes a *plan*: one tick towards the wished velocities, then the fastest braking to rest. The plan is sampled
and checked as a whole; if it passes, it replaces the last one, else the arms go on along the last plan, which brakes. So by
induction they are always on a verified way to rest. The plan is also what the controllers get: if the next command never
comes, they execute the braking.

What is violated already (a new fixture, a limit drawn tighter) may stay as it is or get better, never worse: a retreat is
always free.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np
import ruckig

from vipa.motion.behind import Behind
from vipa.motion.clearance import Clearance, joint_steps
from vipa.motion.collision import CollisionModel
from vipa.robot.description import Group
from vipa.robot.kinematics import GroupKinematics, Kinematics

# share of a velocity error that a tick takes up: 6 - sqrt(32), the critically damped value (see `_next`)
TRACKING_SHARE = 0.343
TOLERANCE = 1e-6  # of every check, in its own unit: rounding, nothing else
KINK = 4 / 27  # see `planned_limits`
MIN_COMMAND_S = 0.1  # seconds that a command reaches at least
SPEED_SHARES = (1.0, 0.9, 0.7, 0.4, 0.15)  # shares of the wished velocities that are tried before braking


def planned_limits(groups: Iterable[Group], dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Accelerations and jerks (n,) that plans may use, so that the cubics which controllers draw between points `dt` seconds apart
    keep those of `groups`. Where jerk sets in or ends between two points, a cubic's acceleration is up to KINK jerk dt beyond
    the plan's, at either end; where more than that fits between two points, up to a third of the plan's."""
    acceleration = np.concatenate([np.asarray(g.max_acceleration, float) for g in groups])
    jerk = np.concatenate([np.asarray(g.max_jerk, float) for g in groups]) / (1 + 2 * KINK)
    return acceleration - np.minimum(KINK * jerk * dt, acceleration / 4), jerk


@dataclass(frozen=True)
class State:
    """Joint positions, velocities, accelerations, (n,) each, rad, rad/s, rad/s²."""

    q: np.ndarray
    v: np.ndarray
    a: np.ndarray

    @property
    def at_rest(self) -> bool:
        return bool(np.abs(self.v).max() < 1e-9 and np.abs(self.a).max() < 1e-9)

    def ahead(self, jerk: np.ndarray, t: float) -> "State":
        """The state `t` seconds on, at constant `jerk` (n,) rad/s³."""
        q, v, a = self.q, self.v, self.a
        return State(q + t * (v + t * (a / 2 + t * jerk / 6)), v + t * (a + t * jerk / 2), a + t * jerk)


class Plan:
    """Constant `jerk` (n,) from `start` for `dt` seconds, which lead to `end`, then the braking trajectory from there to rest. Its
    time begins at `origin`."""

    def __init__(
        self,
        start: State,
        jerk: np.ndarray,
        dt: float,
        end: State,
        brake: ruckig.Trajectory | None,
        origin: float = 0.0,
    ):
        self.start, self.jerk, self.dt, self.end, self.brake, self.origin = start, jerk, dt, end, brake, origin
        self._samples: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.duration = max(dt + (brake.duration if brake is not None else 0.0) - origin, 0.0)

    def rest(self, elapsed: float) -> "Plan":
        """What is left of the plan after `elapsed` seconds."""
        return Plan(self.start, self.jerk, self.dt, self.end, self.brake, self.origin + elapsed)

    def at(self, time: float) -> State:
        """The state `time` seconds after the origin; at rest after `duration`."""
        time += self.origin
        if time < self.dt:
            return self.start.ahead(self.jerk, time)
        if time == self.dt or self.brake is None:
            return self.end
        q, v, a = self.brake.at_time(min(time - self.dt, self.brake.duration))
        if time >= self.dt + self.brake.duration:
            v = a = [0.0] * len(q)  # to the last bit: controllers refuse a trajectory that does not end at rest
        return State(np.array(q), np.array(v), np.array(a))

    def samples(self, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times (S,), positions (S, n), velocities (S, n) every `step` seconds, the last at rest, MIN_COMMAND_S away or more."""
        if self._samples is None:
            times = step * np.arange(1, max(1, ceil(max(self.duration, MIN_COMMAND_S) / step - 1e-9)) + 1)
            positions, velocities = [], []
            for time in times[:-1].tolist():
                since = time + self.origin - self.dt
                if since > 0 and self.brake is not None and since < self.brake.duration:
                    q, v, _ = self.brake.at_time(since)
                else:
                    state = self.at(time)
                    q, v = state.q, state.v
                positions.append(q)
                velocities.append(v)
            end = self.at(max(times[-1], self.duration))  # a rounding error short of rest is not at rest
            self._samples = times, np.array([*positions, end.q]), np.array([*velocities, end.v])
        return self._samples


class SafetyGate:
    """Joint velocities in, verified plans out. One for the whole robot; not for several threads.

    Every plan that passes is the beginning of a stop that was checked against every limit: position, velocity, acceleration, jerk,
    tool speed, workspace and distances. clamps: how many ticks each limit has cost the wish, by the limit's name. measured: (n,)
    radians, where the arms are measured; distances are kept from there as well.

    Args:
        kinematics: of the robot; (n,) arrays have its order of joints.
        dt: seconds of a tick.
        clearance: which pairs are kept how far apart; None: distances are not checked.
    """

    LIMITS = ("not finite", "position", "velocity", "acceleration", "jerk", "workspace", "tool speed", "distance")

    def __init__(self, kinematics: Kinematics, dt: float, clearance: Clearance | None = None):
        groups = kinematics.robot.groups
        self.kinematics, self.dt = kinematics, dt
        self.sample = dt  # seconds between the samples of a plan that are checked and sent, however long a tick becomes
        self.keep_clear(clearance)
        self.limit()
        self.acceleration, self.jerk = planned_limits(groups, dt)
        self.clamps = dict.fromkeys(self.LIMITS, 0)
        n = len(self.velocity)
        self._solver = ruckig.Ruckig(n)
        self._input, self._towards = self._inputs(), self._inputs()
        self._input.control_interface = ruckig.ControlInterface.Velocity
        self.reset(kinematics.home)

    def _inputs(self) -> ruckig.InputParameter:
        given = ruckig.InputParameter(len(self.velocity))
        given.synchronization = ruckig.Synchronization.No
        given.max_acceleration, given.max_jerk = self.acceleration.tolist(), self.jerk.tolist()
        given.target_velocity = given.target_acceleration = [0.0] * len(self.velocity)
        return given

    def limit(self) -> None:
        """Re-reads the joints' velocity limits after TightenLimits. Tool speeds and workspaces are looked up where they are used."""
        self.velocity = np.concatenate([np.asarray(g.max_velocity, float) for g in self.kinematics.robot.groups])

    def keep_clear(self, clearance: Clearance | None) -> None:
        """Distances are those of `clearance` from now on."""
        self.clearance = clearance
        self.behind = Behind(clearance.collisions, self.sample) if clearance is not None else None

    def hold(self, collisions: CollisionModel) -> None:
        """What the hands hold is what `collisions` says from now on. See Clearance.hold."""
        if self.clearance is None or self.behind is None:
            raise RuntimeError("hold before keep_clear: no pairs are known")
        self.clearance.hold(collisions)
        self.behind.hold(collisions)

    def allow(self, contacts: Iterable[tuple[str, str]]) -> None:
        """From now on the pairs of names `contacts` may touch."""
        if self.clearance is None or self.behind is None:
            raise RuntimeError("allow before keep_clear: no pairs are known")
        self.clearance.allow(contacts)
        self.behind.allow(contacts)

    def reset(self, q: np.ndarray) -> None:
        """The arms stand at `q` (n,)."""
        self.measured = np.array(q, float)
        zero = np.zeros(len(q))
        self.state = State(np.array(q, float), zero, zero)
        self.plan = Plan(self.state, zero, self.dt, self.state, None)
        self._before = self.plan, 0.0  # the plan that is followed, and how far it had come when this tick began
        self._wish, self._elapsed = zero, 0.0
        self._goals: dict[str, np.ndarray] = {}  # where the plan goes, if it is one of `go`
        if self.clearance is not None and self.behind is not None:
            self.clearance.reset()
            self.behind.reset()

    def advance(self, elapsed: float) -> State:
        """The state now, `elapsed` seconds into the plan that was sent."""
        self.state, self._elapsed, self._before = self.plan.at(elapsed), elapsed, (self.plan, elapsed)
        return self.state

    def retract(self) -> None:
        """The plan of this tick was not sent: the arms go on along what is left of the one before."""
        plan, elapsed = self._before
        self.plan, self._elapsed, self._wish, self._goals = plan.rest(elapsed), 0.0, self.state.v, {}

    @property
    def at_rest(self) -> bool:
        """True if nothing moves and the plan that was sent moves nothing."""
        return self.state.at_rest and self.plan.at(self.dt).at_rest

    def predict(self) -> np.ndarray:
        """Joints (n,) at the end of the coming tick if accelerations stay."""
        s = self.state
        return s.q + self.dt * (s.v + self.dt / 2 * s.a)

    def hands_pass(self, before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> bool:
        """True if the hands may go from the openings `before` to `after`, where the arms are and on all of the plan left."""
        if self.clearance is None or self.behind is None:
            return True
        if all(np.array_equal(before[name], after[name]) for name in before):
            return True
        self._here(before)
        if not self.clearance.hands_pass(self.state.q, after) or not self.behind.hands_pass(after):
            return False
        self._here(after)
        path = self.plan.rest(self._elapsed).samples(self.sample)[1]
        return not (self.clearance.verify(self.state.q, path) or self.behind.verify(path))

    def _here(self, hands: dict[str, np.ndarray]) -> None:
        if self.clearance is not None and self.behind is not None:
            self.clearance.here(self.state.q, hands)
            self.behind.here(self.state.q, self.measured, hands)

    def step(self, wish: np.ndarray | None, hands: dict[str, np.ndarray]) -> str:
        """Plan the next tick towards the velocities `wish` (n,) rad/s, or brake (None). hands: openings (H,) by group.

        Returns '' if the wish passed, else the limit that stood against it; then the arms go slower, or brake.
        """
        self._here(hands)
        if wish is None:
            self._follow()
            return ""
        if not np.isfinite(wish).all():
            self.clamps["not finite"] += 1
            self._follow()
            return "not finite"
        refused = ""
        for share in SPEED_SHARES:
            plan = self._plan(share * wish)
            why = self._verify(plan)
            if plan is not None and not why:
                self.plan, self._wish, self._goals = plan, share * wish, {}
                break
            refused = refused or why
        else:
            self._follow()
        if refused:
            self.clamps[refused.split(":")[0]] += 1
        return refused

    def go(self, goals: dict[str, np.ndarray], hands: dict[str, np.ndarray]) -> str:
        """Plan the fastest way of the groups `goals` to rest at their joints (J,), inside every limit; the others brake. hands: as
        in `step`.

        Returns '' if the arms are on that way now, else the limit that stands against it: then they brake.
        """
        self._here(hands)
        if self._goals.keys() == goals.keys() and all(np.array_equal(self._goals[k], goals[k]) for k in goals):
            self._follow()
            return ""
        self._goals, refused = {}, ""
        for share in SPEED_SHARES:
            way = self._way(goals, share)
            plan = None if way is None else Plan(self.state, np.zeros(len(self.state.q)), 0.0, self.state, way)
            why = self._verify(plan)
            if plan is not None and not why:
                self.plan, self._wish, self._goals = plan, self.state.v, goals
                return ""
            refused = refused or why
        self._follow()
        self.clamps[refused.split(":")[0]] += 1
        return refused

    def _way(self, goals: dict[str, np.ndarray], share: float) -> ruckig.Trajectory | None:
        """From the state now to rest at `goals`, joints that are not theirs to rest anywhere. share: of the velocity limits."""
        given = self._towards
        self._begin(given, self.state)
        given.max_velocity = (share * self.velocity).tolist()
        target, kinds = self.state.q.copy(), [ruckig.ControlInterface.Velocity] * len(self.state.q)
        for name, goal in goals.items():
            columns = self.kinematics.columns[name]
            target[columns] = goal
            kinds[columns] = [ruckig.ControlInterface.Position] * len(goal)
        given.target_position, given.per_dof_control_interface = target.tolist(), kinds
        return self._solve(given)

    def _follow(self) -> None:
        """Go on along what is left of the last plan, which ends at rest."""
        self.plan, self._elapsed, self._wish = self.plan.rest(self._elapsed), 0.0, self.state.v

    def _brake(self, state: State) -> ruckig.Trajectory | None:
        self._begin(self._input, state)
        return self._solve(self._input)

    @staticmethod
    def _begin(given: ruckig.InputParameter, state: State) -> None:
        given.current_position, given.current_velocity = state.q.tolist(), state.v.tolist()
        given.current_acceleration = state.a.tolist()

    def _solve(self, given: ruckig.InputParameter) -> ruckig.Trajectory | None:
        out = ruckig.Trajectory(len(self.velocity))
        try:
            result = self._solver.calculate(given, out)
        except (ruckig.RuckigError, RuntimeError):
            return None
        return out if result in (ruckig.Result.Working, ruckig.Result.Finished) else None

    def _plan(self, wish: np.ndarray) -> Plan | None:
        jerk = self._next(wish)
        end = self.state.ahead(jerk, self.dt)
        brake = self._brake(end)
        return None if brake is None else Plan(self.state, jerk, self.dt, end, brake)

    def _next(self, wish: np.ndarray) -> np.ndarray:
        """Jerk (n,) of the coming tick.

        The acceleration at its end is that of the wish, (wish - last wish) / dt, plus TRACKING_SHARE of the velocity error: the
        fastest of these laws that does not ring. Ruckig's velocity control towards the wish, tried first, wants zero
        acceleration at the end of every tick: on a circle at 0.15 m/s it spent the full 500 rad/s^3 inside most ticks
        (this law: 13 rms, 87 at most) and tripled the tracking error.
        """
        s, dt = self.state, self.dt
        a = (wish - self._wish + TRACKING_SHARE * (self._wish - s.v)) / dt
        # with jerk to spare, the acceleration can be brought to zero before the velocity limit is passed
        j = 0.98 * self.jerk
        for sign in (1, -1):
            room = np.maximum(dt * dt / 4 + 2 * (0.999 * self.velocity - sign * s.v - sign * s.a * dt / 2) / j, 0.0)
            bound = j * (np.sqrt(room) - dt / 2)
            a = np.minimum(a, bound) if sign > 0 else np.maximum(a, -bound)
        change = self.jerk * dt
        a = a.clip(np.maximum(-self.acceleration, s.a - change), np.minimum(self.acceleration, s.a + change))
        return (a - s.a) / dt

    def _verify(self, plan: Plan | None) -> str:
        """'' if the plan keeps every limit until it is at rest, else the limit it breaks and where."""
        if plan is None:
            return "acceleration: no braking"
        now, end = self.state, plan.at(self.dt)
        _, positions, velocities = plan.samples(self.sample)
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            return "not finite"
        if (np.abs(plan.jerk) > self.jerk + 1e-3).any():
            return "jerk"
        if (np.abs(end.a) > np.maximum(self.acceleration, np.abs(now.a)) + TOLERANCE).any():
            return "acceleration"
        if (np.abs(velocities) > np.maximum(self.velocity, np.abs(now.v)) + TOLERANCE).any():
            return "velocity"
        if self.kinematics.ends.any and (why := self._verify_ends(positions, velocities)):
            return why
        low, high = np.minimum(self.kinematics.lower, now.q), np.maximum(self.kinematics.upper, now.q)
        if (positions < low - TOLERANCE).any() or (positions > high + TOLERANCE).any():
            return "position: " + self._worst_joint(positions, low, high)
        way, speeds = positions, velocities
        if (
            self.dt % self.sample > TOLERANCE
        ):  # slow joint states: where the tick ends and braking begins lies between two samples
            at = int(self.dt / self.sample)
            way, speeds = np.insert(positions, at, end.q, axis=0), np.insert(velocities, at, end.v, axis=0)
        for name, group in self.kinematics.groups.items():
            columns = self.kinematics.columns[name]
            why = self._verify_tool(group, now.q[columns], way[:, columns], speeds[:, columns])
            if why:
                return why
        if self.clearance is None or self.behind is None:
            return ""
        return self.clearance.verify(now.q, positions) or self.behind.verify(positions)

    def _verify_ends(self, positions: np.ndarray, velocities: np.ndarray) -> str:
        """A joint that is too fast near an end now may be so on the plan, by as much and no more."""
        now = self.state
        (low_now, high_now), (low, high) = self.kinematics.ends.at(now.q), self.kinematics.ends.at(positions)
        over = np.maximum(
            velocities - high - np.maximum(now.v - high_now, 0.0), low - velocities - np.maximum(low_now - now.v, 0.0)
        ).max(axis=0)
        worst = int(np.argmax(over))
        return "" if over[worst] <= TOLERANCE else f"velocity: {self.kinematics.joint_names[worst]} near its end"

    def _worst_joint(self, positions, low, high) -> str:
        over = np.maximum(positions - high, low - positions).max(axis=0)
        return self.kinematics.joint_names[int(np.argmax(over))]

    def _verify_tool(self, group: GroupKinematics, q: np.ndarray, positions: np.ndarray, velocities: np.ndarray) -> str:
        spec = group.spec
        if spec.kind != "arm":
            return ""
        # what the joints can at most do to the tool decides most samples without any kinematics
        speeds = np.abs(velocities)
        doubtful = (speeds @ group.reach > spec.tool_speed) | (speeds.sum(axis=1) > spec.tool_angular_speed)
        here, box = group.placement(q).translation.tolist(), spec.workspace
        if box is not None:
            ways = joint_steps(q, positions).cumsum(axis=0) @ group.reach
            doubtful |= ways > min(min(x - low, high - x) for low, x, high in zip(box.min, here, box.max))
        if not doubtful.any():
            return ""
        _, speed_now, turn_now = group.tool_motion(q, self.state.v[self.kinematics.columns[spec.name]])
        fast, turn = max(spec.tool_speed, speed_now) + TOLERANCE, max(spec.tool_angular_speed, turn_now) + TOLERANCE
        if box is not None:
            low = [min(wall, x) - TOLERANCE for wall, x in zip(box.min, here)]
            high = [max(wall, x) + TOLERANCE for wall, x in zip(box.max, here)]
        for sample in doubtful.nonzero()[0].tolist():
            place, speed, turning = group.tool_motion(positions[sample], velocities[sample])
            if not (speed <= fast and turning <= turn):
                return f"tool speed: {spec.name}"
            if box is not None and not all(a <= x <= b for a, x, b in zip(low, place, high)):
                return f"workspace: {spec.name}"
        return ""
