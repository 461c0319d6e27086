"""Hostile streams against Motion, and the limits that must hold at every tick whatever they are."""

import os

import numpy as np

from vipa.geometry import rotation
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.collision import DistanceField
from vipa.motion.motion import Motion
from vipa_cli.bench.ideal_robot import IdealRobot
from vipa_cli.bench.lagging import LaggingRobot
from vipa_sim.following import Following

CASES = int(os.environ.get("VIPA_PROPERTY_CASES", "200"))
EVENTS = (
    "plunge",
    "stream",
    "far",
    "garbage",
    "joints",
    "wild joints",
    "hand",
    "old",
    "authority",
    "estop",
    "rearm",
    "wrench",
    "context",
    "clock back",
    "clock on",
    "late tick",
    "silence",
    "bad state",
)


def arms(random: np.random.Generator) -> Following:
    """How a case's arms follow: exactly, or with lag up to 60 ms, dead time up to 30 ms and noise, in both controller modes."""
    if random.random() < 0.3:
        return Following()
    lag, dead, noise = random.random(3) * random.choice([0, 1], 3) * [0.06, 0.03, 0.01]
    return Following(lag, dead, noise, bool(random.random() < 0.7))


class Adversary:
    """Drives one Motion with events drawn from `random` and checks every tick. AssertionError names what broke.

    following: how the arms follow; None: exactly. gap: seconds between joint states; None: as the control rate wants them. nearest: the least that a measured pair had beyond its margin, metres.
    """

    def __init__(
        self, motion: Motion, random: np.random.Generator, following: Following | None = None, gap: float | None = None
    ):
        self.motion, self.random, self.following, self.gap = motion, random, following or Following(), gap or motion.dt
        exact = self.following == Following()
        self.robot = IdealRobot(motion.robot) if exact else LaggingRobot(motion.robot, self.following)
        self.nearest, self.real = np.inf, DistanceField(motion.collisions)
        self.seq = 0
        self.field = DistanceField(motion.collisions)
        self.before = None

    def begin(self, q: np.ndarray) -> None:
        """Stand at `q` (n,), armed, with authority for 'commander'."""
        motion = self.motion
        self.robot.positions |= dict(zip(motion.kinematics.joint_names, q))
        if isinstance(self.robot, LaggingRobot):
            self.robot.stand()
        self.robot.time = motion.clock.monotonic + 0.01
        self.robot.offset = (motion.clock.stamp_ns - 10**9) / 1e9 + 0.01 - self.robot.time if motion.started else 0.0
        motion.set_authority("commander")
        motion.estop("the next case")
        for _ in range(60):  # what the last case left comes to rest
            motion.tick(self.robot.state(), self.robot.time)
            self.robot.time += self.gap
        motion.context(())
        motion.wrench(motion.robot.arms[0].name, np.zeros(6), 0, self.robot.time)
        answer = motion.rearm()
        assert answer == "", (answer, motion.reasons, motion.gate.state)
        self.before = motion.gate.state
        self.epoch = motion.epoch

    def event(self, name: str) -> None:
        getattr(self, "_" + name.replace(" ", "_"))()

    def _chunk(self, actions, **fields) -> None:
        self.seq += 1
        now = self.robot.now_ns
        base = {
            "commander_id": "commander",
            "epoch": self.motion.epoch,
            "seq": self.seq,
            "stamp_ns": now,
            "start_ns": now,
            "dt": float(self.random.choice([0.01, 1 / 30, 0.1])),
            "groups": tuple(actions),
        }
        answer = self.motion.chunk(ActionChunk(**(base | fields)), now, self.robot.time)
        assert isinstance(answer, str)

    def _poses(self, steps: int, spread: float, turn: float):
        arm = self.random.choice(list(self.motion.robot.arms))
        pose = self.motion.commanded()[arm.name].tool_pose
        poses = []
        step = self.random.normal(size=6) * np.repeat([spread, turn], 3)
        for _ in range(steps):
            d = step + 0.2 * self.random.normal(size=6) * np.repeat([spread, turn], 3)
            pose = np.concatenate([pose[:3] + d[:3], rotation.multiply(rotation.exp(d[3:]), pose[3:])])
            poses.append(pose * np.concatenate([np.ones(3), np.full(4, self.random.choice([1, -1]))]))
        return GroupAction(arm.name, arm.base_frame, arm.tool_frame, np.array(poses))

    def _stream(self):
        self._chunk(
            [self._poses(int(self.random.integers(1, 20)), 0.02, 0.05)],
            start_ns=self.robot.now_ns + int(self.random.uniform(-0.3, 0.5) * 1e9),
        )

    def _plunge(self):
        """A straight line, fast and far, through whatever stands there."""
        direction = self.random.normal(size=3)
        action = self._poses(20, 0.0, self.random.choice([0.0, 0.1]))
        action.poses[:, :3] += np.outer(
            np.arange(1, 21) * 0.1 * self.random.uniform(0.1, 0.8), direction / np.linalg.norm(direction)
        )
        self._chunk([action], dt=0.1)

    def _far(self):
        self._chunk([self._poses(int(self.random.integers(1, 4)), 0.12, 0.5)], dt=0.2)

    def _garbage(self):
        action = self._poses(int(self.random.integers(1, 5)), 0.02, 0.05)
        values = action.poses.copy()
        values.flat[self.random.integers(values.size)] = self.random.choice([np.nan, np.inf, -np.inf, 1e30, -1e3, 0.0])
        kind = self.random.integers(6)
        poses = (values, values[:, :6], values[0], np.zeros((0, 7)), values.astype(str), np.full((2, 7), None))[kind]
        self._chunk(
            [GroupAction(action.name, action.frame_id, action.tip_frame, poses)],
            dt=float(self.random.choice([0.1, np.nan, 0.0, -1.0, 1e9])),
        )

    def _joints(self, scale=0.05):
        group = self.motion.robot.arms[0]
        q = self.motion.commanded()[group.name].positions
        steps = int(self.random.integers(1, 10))
        joints = q + np.cumsum(self.random.normal(size=(steps, len(q))) * scale, axis=0)
        self._chunk([GroupAction(group.name, joint_names=tuple(group.joints), joints=joints)], dt=0.1)

    def _wild_joints(self):
        self._joints(scale=1.5)

    def _hand(self):
        group = next(g for g in self.motion.robot.arms if g.hand)
        self._chunk(
            [
                GroupAction(
                    group.name,
                    hand_joint_names=tuple(group.hand.joints),
                    hand=self.random.uniform(-0.2, 1.2, (3, len(group.hand.joints))).clip(0, 1),
                )
            ]
        )

    def _old(self):
        self._chunk(
            [self._poses(3, 0.02, 0.05)],
            epoch=int(self.random.integers(0, 2**31)),
            seq=int(self.random.integers(0, 5)),
            commander_id=str(self.random.choice(["commander", "", "thief"])),
        )

    def _authority(self):
        self.motion.set_authority(str(self.random.choice(["commander", "", "commander", "thief"])))

    def _estop(self):
        self.motion.estop("test")

    def _rearm(self):
        if self.motion.rearm() == "":
            self.before = None  # commands begin where the arm is measured, and it may still be a little behind
        self.motion.set_authority("commander")

    def _wrench(self):
        self.motion.wrench(
            str(self.random.choice([self.motion.robot.arms[0].name, "nobody"])),
            self.random.normal(size=6) * self.random.choice([1.0, 100.0, np.nan]),
            0,
            self.robot.time,
        )

    def _context(self):
        self.motion.context([["fingers", "nothing"]], force=None)

    def _clock_back(self):
        self.robot.offset -= float(self.random.uniform(0.02, 3))

    def _clock_on(self):
        self.robot.offset += float(self.random.uniform(1.0, 20))

    def _late_tick(self):
        self.robot.advance(float(self.random.uniform(0.001, 0.4)))
        self.before = None  # time without a command: differences over one tick say nothing

    def _silence(self):
        self.robot.advance(0.0)

    def _bad_state(self):
        state = self.robot.state()
        positions = state.positions.copy()
        name = str(self.random.choice(self.motion.kinematics.joint_names))  # of an arm: a hand's stops nobody
        positions[state.names.index(name)] = np.nan
        assert (
            self.motion.tick(type(state)(state.stamp_ns, state.names, positions, state.velocities), self.robot.time)
            == {}
        )

    def tick(self) -> None:
        """One control step, checked."""
        motion = self.motion
        commands = motion.tick(self.robot.state(), self.robot.time)
        if not commands:
            self.robot.advance(self.gap)
            self.before = None
            return
        self.robot.command(commands)  # refuses what a controller would refuse
        self.check(commands)
        self.robot.advance(self.gap)
        self.check_measured()

    def check_measured(self) -> None:
        """Where the arms really are, and their hands."""
        k, robot = self.motion.kinematics, self.robot
        self.real.move(
            k.configuration(
                np.array([robot.positions[j] for j in k.joint_names]),
                {
                    n: h.opening_at(np.array([robot.positions[j] for j in h.hand.joints]))
                    for n, h in self.motion.references.hands.items()
                },
            )
        )
        near = self.real.below(self.motion.collisions.margins + 0.002)
        if len(near):
            spare = self.real.lower[near] - self.motion.collisions.margins[near]
            self.nearest = min(self.nearest, float(spare.min()))
            pair = self.motion.collisions.names[near[int(np.argmin(spare))]]
            allowed = 1e-3 if self.following.interpolate_from_desired_state else 5e-3
            assert spare.min() > -allowed, (
                f"measured distance {pair}: {spare.min():.4f} beyond the margin, {self.following}"
            )

    def check(self, commands) -> None:
        motion, gate = self.motion, self.motion.gate
        start, end, dt = gate.state, gate.plan.at(motion.dt), motion.dt
        if self.before is not None:
            np.testing.assert_allclose(
                start.q, self.before.q, atol=1e-9, err_msg="a command starts where the last one led"
            )
            np.testing.assert_allclose(start.v, self.before.v, atol=1e-7)  # rounding in a stop's profile: 3e-9 seen
        assert np.all(np.abs(end.v) <= gate.velocity + 1e-5), "velocity"
        assert np.all(np.abs(end.a) <= gate.acceleration + 1e-5), "acceleration"
        assert np.all(np.abs(end.a - start.a) <= gate.jerk * dt + 1e-5), "jerk"
        assert np.all(np.abs(end.v - start.v) <= gate.acceleration * dt + 1e-5), "velocity step"
        self.before = end
        assert gate.plan.at(39 * dt).at_rest and gate.plan.duration < 0.4, "braking time"
        for state in (end, *(gate.plan.at(ticks * dt) for ticks in (4, 9, 39))):
            self.check_place(state)
        for name, hand in motion.references.hands.items():
            assert np.all((hand.opening >= 0) & (hand.opening <= 1)), f"{name}: hand"

    def check_place(self, state) -> None:
        motion, k = self.motion, self.motion.kinematics
        assert np.all(state.q >= k.lower - 1e-5) and np.all(state.q <= k.upper + 1e-5), "position"
        slowest, fastest = k.ends.at(state.q)
        assert np.all(state.v >= slowest - 1e-5) and np.all(state.v <= fastest + 1e-5), "velocity near an end"
        for group in motion.robot.arms:
            columns = k.columns[group.name]
            placement, jacobian = k.groups[group.name].forward_jacobian(state.q[columns])
            twist = jacobian @ state.v[columns]
            assert np.linalg.norm(twist[:3]) <= group.tool_speed + 1e-4, "tool speed"
            assert np.linalg.norm(twist[3:]) <= group.tool_angular_speed + 1e-4, "tool turn"
            if group.workspace is not None:
                assert np.all(placement.translation >= np.array(group.workspace.min) - 1e-4), "workspace"
                assert np.all(placement.translation <= np.array(group.workspace.max) + 1e-4), "workspace"
        self.field.move(k.configuration(state.q, motion.references.openings()))
        near = self.field.below(motion.collisions.margins - 1e-4)
        assert not len(near), f"distance {[(motion.collisions.names[i], self.field.lower[i]) for i in near]}"


def starts(motion: Motion, count: int) -> list[np.ndarray]:
    """`count` configurations (n,) inside every limit, of all over the workspace."""
    random, k, field, found = np.random.default_rng(7), motion.kinematics, DistanceField(motion.collisions), []
    while len(found) < count:
        q = k.home + 0.5 * random.normal(size=len(k.home))
        if np.any(q < k.lower + 0.01) or np.any(q > k.upper - 0.01):
            continue
        inside = all(
            np.all(p > np.array(g.workspace.min) + 0.01) and np.all(p < np.array(g.workspace.max) - 0.01)
            for g in motion.robot.arms
            if g.workspace is not None
            for p in [k.groups[g.name].forward(q[k.columns[g.name]])[:3]]
        )
        field.move(k.configuration(q, {g.name: np.ones(len(g.hand.joints)) for g in motion.robot.arms if g.hand}))
        if inside and not len(field.below(motion.collisions.margins + 0.005)):
            found.append(q)
    return found
