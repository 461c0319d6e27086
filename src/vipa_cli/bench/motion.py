"""`vipa bench motion`: tracking, stops, walls and the cost of a step, against an ideal robot and in one run.

The figures of MoveIt Servo (2.12.4, Panda, 100 Hz, default smoothing) were measured elsewhere on the same kind of machine,
with the same 10 cm circle and the same cut; they stand beside ours for comparison. Times depend on the machine: read them as
ratios to the plain damped least-squares step of the same run.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vipa.geometry import rotation
from vipa.motion.buffer import Reference
from vipa.motion.collision import CollisionModel, DistanceField
from vipa.motion.motion import Motion
from vipa.motion.servo import Servo, Target
from vipa.planning.rrt_connect import NoPlan, Planner
from vipa.robot.description import Robot, load_robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench import against_mink
from vipa_cli.bench.ideal_robot import IdealRobot, Log, drive, joint_chunk, pose_chunk

DUAL = "fr3_dual"
RADIUS = 0.05  # metres: a circle of 10 cm
SERVO = {  # MoveIt Servo's, millimetres and milliseconds
    ("circle", 0.05): {"rms_mm": 6.05, "lag_ms": 120.0, "residual_mm": 0.36},
    ("circle", 0.15): {"rms_mm": 18.0},
    "cut": {"rest_ms": 214.0, "coast_mm": 42.0},
}
WALL = Fixture("wall", [0.75, 0.0, 0.4], [0.2, 1.2, 0.8])
OBSTACLES = (Fixture("post", [0.55, 0.0, 0.2], [0.1, 0.2, 0.4]), Fixture("shelf", [0.78, -0.5, 0.35], [0.2, 0.2, 0.03]))
TABLETOP = (
    Fixture("table", [0.5, 0.0, -0.02], [1.2, 1.6, 0.04]),
    Fixture("cabinet", [0.6, 0.45, 0.15], [0.3, 0.3, 0.3]),
)


def begin(robot: Robot, fixtures=()) -> tuple[Motion, IdealRobot]:
    """A motion with authority for 'bench', its robot at home and at rest."""
    motion, cell = Motion(robot, fixtures), IdealRobot(robot)
    motion.set_authority("bench")
    drive(motion, cell, 0.1)
    return motion, cell


class Stream:
    """A source for `drive`: `horizon` steps of path(seconds since the first call), `rate` times a second, until `until`."""

    def __init__(
        self,
        motion: Motion,
        path: Callable[[float], np.ndarray],
        rate: float,
        horizon: int,
        step: float,
        until: float = np.inf,
        group: str = "",
    ):
        self.motion, self.path, self.rate, self.horizon, self.step, self.until = (
            motion,
            path,
            rate,
            horizon,
            step,
            until,
        )
        self.group = group or motion.robot.arms[0].name
        self.first = self.next = None
        self.seq = 0

    def __call__(self, now: float, now_ns: int):
        if self.first is None:
            self.first = self.next = now
        while self.next <= now + 1e-9 and self.next - self.first < self.until:
            self.seq += 1
            poses = np.array([self.path(self.next - self.first + k * self.step) for k in range(self.horizon)])
            due = now_ns - round(
                (now - self.next) * 1e9
            )  # a pose is stamped when it was meant, and arrives with the next tick
            yield pose_chunk(self.motion, self.group, poses, due, self.step, self.seq)
            self.next += 1 / self.rate


def circle(robot: Robot, speed: float, rate: float, horizon: int, step: float) -> dict[str, float]:
    """A circle of 10 cm at `speed` m/s: RMS error, lag and what remains without it, largest and RMS joint jerk."""
    motion, cell = begin(robot)
    home = motion.commanded()[robot.arms[0].name].tool_pose

    def path(t):
        a = speed / RADIUS * t
        return home + np.concatenate([RADIUS * np.array([np.cos(a) - 1, np.sin(a), 0]), np.zeros(4)])

    first = cell.time
    log = drive(motion, cell, 1.0 + 2 * 2 * np.pi * RADIUS / speed, Stream(motion, path, rate, horizon, step))
    times = log.array("time") - first
    steady = times > 1.0
    tool = np.array(log.tool[robot.arms[0].name])[steady, :3]

    def rms(lag):
        wanted = np.array([path(t - lag)[:3] for t in times[steady]])
        return float(np.sqrt(np.mean(np.sum((tool - wanted) ** 2, axis=1))))

    lags = np.arange(-0.02, 0.2, 0.001)
    errors = [rms(lag) for lag in lags]
    jerk = log.jerk[steady[1:]]
    return {
        "rms_mm": 1e3 * rms(0.0),
        "lag_ms": 1e3 * float(lags[int(np.argmin(errors))]),
        "residual_mm": 1e3 * min(errors),
        "jerk_max": float(np.abs(jerk).max()),
        "jerk_rms": float(np.sqrt(np.mean(jerk**2))),
    }


def cut(robot: Robot, speed: float = 0.2) -> dict[str, float]:
    """A stream of single poses at 30 Hz ends in mid-motion: time to rest (below 1 % of the speed) and way covered."""
    motion, cell = begin(robot)
    name = robot.arms[0].name
    home = motion.commanded()[name].tool_pose
    source = Stream(motion, lambda t: home + np.array([0, speed * t, 0, 0, 0, 0, 0]), 30.0, 1, 1 / 30, until=1.0)
    log = drive(motion, cell, 1.0, source)
    at = len(log.time)
    log = drive(motion, cell, 1.0, log=log)
    y = np.array(log.tool[name])[:, 1]
    speeds = np.abs(np.diff(y[at - 1 :])) / motion.dt
    return {
        "rest_ms": 1e3 * motion.dt * float(np.argmax(speeds < 0.01 * speed)),
        "coast_mm": 1e3 * float(y[-1] - y[at - 1]),
    }


def wall(robot: Robot, speed: float = 0.05) -> dict[str, float]:
    """Poses lead 10 cm through a wall, then back: smallest clearance, and how long the arm stays once the way is free."""
    motion, cell = begin(robot, [WALL])
    name = robot.arms[0].name
    home, first, turn = motion.commanded()[name].tool_pose, cell.time, 0.35 / speed

    def path(t):
        return home + np.array([speed * (t if t < turn else max(2 * turn - t, 0)), 0, 0, 0, 0, 0, 0])

    log = drive(motion, cell, 2 * turn, Stream(motion, path, 30.0, 1, 1 / 30))
    x, times = np.array(log.tool[name])[:, 0], log.array("time") - first
    nearest = np.inf
    for q in log.q[::2]:
        motion.gate.clearance.here(q, motion.references.openings())
        nearest = min(nearest, motion.gate.clearance.nearest()[0])
    stays = [t for t, p in zip(times, x) if t > turn and path(t)[0] < p - 0.01]
    behind = max((p - path(t)[0] for t, p in zip(times, x) if turn < t < 2 * turn - 0.5), default=0.0)
    return {
        "clearance_mm": 1e3 * nearest,
        "margin_mm": 1e3 * robot.margin,
        "longest_behind_s": motion.dt * len(stays),
        "furthest_behind_mm": 1e3 * max(behind, 0.0),
        "gate_clamps": float(motion.clamps),
    }


def limit(robot: Robot) -> dict[str, float]:
    """The last joint is sent beyond its limit: how near it comes, and how far the others drift."""
    motion, cell = begin(robot)
    group = robot.arms[0]
    q = np.array(group.home)
    goal = q.copy()
    bound = motion.kinematics.upper[len(q) - 1]
    goal[-1] = bound + 0.3
    steps = q + np.linspace(0.02, 1, 50)[:, None] * (goal - q)
    motion.chunk(joint_chunk(motion, group.name, steps, cell.now_ns, 0.05, 1), cell.now_ns, cell.time)
    log = drive(motion, cell, 4.0)
    end = log.array("q")[:, : len(q)]
    return {
        "short_of_limit_mrad": 1e3 * float(bound - end[:, -1].max()),
        "drift_mrad": 1e3 * float(np.abs(end[:, :-1] - q[:-1]).max()),
    }


def singularity(robot: Robot) -> dict[str, float]:
    """The arm is stretched beyond its reach at 8 cm/s, held there and brought back: how often joints turn round while it is
    held (MoveIt Servo's status changed 52 times, and it did not hold), and how far from its pose it ends."""
    free = replace(robot, groups=[replace(g, workspace=None) if g.kind == "arm" else g for g in robot.groups])
    motion, cell = begin(free)
    name, speed = robot.arms[0].name, 0.08
    home, first, turn = motion.commanded()[name].tool_pose, cell.time, 0.6 / speed

    def path(t):
        return home + np.concatenate([speed * max(min(t, 2 * turn - t), 0) * np.array([1.0, 0, 0.3]), np.zeros(4)])

    log = drive(motion, cell, 2 * turn + 0.5, Stream(motion, path, 30.0, 1, 1 / 30))
    times, v = log.array("time") - first, log.array("v")
    held = v[(times > turn - 0.8) & (times < turn)]
    signs = np.sign(held) * (np.abs(held) > 0.02)
    return {
        "turns": float(np.sum(signs[1:] * signs[:-1] < 0)),
        "jerk_max": float(np.abs(log.jerk).max()),
        "end_mm": 1e3 * float(np.linalg.norm(np.array(log.tool[name])[-1, :3] - home[:3])),
        "gate_clamps": float(motion.clamps),
    }


def splices(robot: Robot, noise: float = 0.01) -> dict[str, float]:
    """Chunks at 10 Hz, each shifted by its own noise: the largest steps of the commanded tool over a tick."""
    motion, cell = begin(robot)
    name, random = robot.arms[0].name, np.random.default_rng(0)
    home = motion.commanded()[name].tool_pose
    shift = {"now": np.zeros(7)}

    class Noisy(Stream):
        def __call__(self, now, now_ns):
            for chunk in super().__call__(now, now_ns):
                shift["now"] = np.concatenate([noise * random.normal(size=3), np.zeros(4)])
                yield chunk

    source = Noisy(motion, lambda t: home + np.array([0, 0.05 * t, 0, 0, 0, 0, 0]) + shift["now"], 10.0, 20, 0.05)
    log = drive(motion, cell, 4.0, source)
    tool = np.array(log.tool[name])[50:, :3]
    return {
        "position_step_mm": 1e3 * float(np.linalg.norm(np.diff(tool, axis=0), axis=1).max()),
        "velocity_step_mm_s": 1e3 * float(np.linalg.norm(np.diff(tool, 2, axis=0), axis=1).max() / motion.dt),
        "jerk_max": float(np.abs(log.jerk).max()),
    }


def _percentiles(samples: list[float]) -> dict[str, float]:
    return {"p50_us": 1e6 * float(np.percentile(samples, 50)), "p99_us": 1e6 * float(np.percentile(samples, 99))}


def costs(robot: Robot, steps: int = 600) -> dict[str, dict[str, float]]:
    """What a step costs, on one stream: plain damped least squares, the servo without and with collisions, a whole tick."""
    motion, cell = begin(robot, TABLETOP)
    kinematics, dt, arms = motion.kinematics, motion.dt, [g.name for g in robot.arms]
    q0 = kinematics.home
    homes = {name: kinematics.groups[name].forward(q0[kinematics.columns[name]]) for name in arms}
    bare = Servo(kinematics, dt)
    timed: dict[str, list[float]] = {"damped least squares": [], "servo": [], "servo, collisions": [], "tick": []}
    q, v, wanted = q0.copy(), np.zeros(len(q0)), []
    for k in range(steps):
        turn = 2 * np.pi * k / steps
        twist = np.array([-np.sin(turn), np.cos(turn), 0.3 * np.cos(2 * turn), 0, 0, 0]) * 0.1
        targets = {}
        for name in arms:
            offset = 0.05 * np.array([np.cos(turn) - 1, np.sin(turn), 0.2 * np.sin(2 * turn)])
            targets[name] = Target(
                pose=Reference(homes[name] + np.concatenate([offset, np.zeros(4)]), twist, np.zeros(6))
            )
        wanted.append({name: target.pose.value for name, target in targets.items()})
        clock = time.perf_counter()
        for name in arms:
            placement, jacobian = kinematics.groups[name].forward_jacobian(q[kinematics.columns[name]])
            error = targets[name].pose.value[:3] - placement.translation
            task = targets[name].pose.rate.copy()
            task[:3] += 12.0 * error
            jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), task)
        timed["damped least squares"].append(time.perf_counter() - clock)
        clock = time.perf_counter()
        bare.step(q, v, targets, {})
        timed["servo"].append(time.perf_counter() - clock)
        clock = time.perf_counter()
        wish = motion.servo.step(q, v, targets, motion.references.openings())
        timed["servo, collisions"].append(time.perf_counter() - clock)
        q, v = q + dt * wish, wish
    stream = Stream(
        motion,
        lambda t: (
            homes[arms[0]]
            + np.concatenate([0.05 * np.array([np.cos(2 * t) - 1, np.sin(2 * t), 0.2 * np.sin(4 * t)]), np.zeros(4)])
        ),
        10.0,
        20,
        0.05,
    )
    for _ in range(steps):
        for chunk in stream(cell.time, cell.now_ns):
            motion.chunk(chunk, cell.now_ns, cell.time)
        clock = time.perf_counter()
        commands = motion.tick(cell.state(), cell.time)
        timed["tick"].append(time.perf_counter() - clock)
        cell.command(commands)
        cell.advance(dt)
    pairs = {"count": float(len(motion.collisions.pairs))}
    if against_mink.installed():
        timed["mink, collisions"], count = against_mink.times(robot, TABLETOP, wanted)
        pairs["mink_count"] = float(count)
    table = {name: _percentiles(samples[20:]) for name, samples in timed.items()}
    base = table["damped least squares"]["p50_us"]
    for row in table.values():
        row["ratio"] = row["p50_us"] / base
    table["pairs"] = pairs
    return table


def planner(robot: Robot, queries: int = 20) -> dict[str, float]:
    """Seeded tabletop queries around a post and a shelf: plans found, wall time, and what a re-check at 0.001 rad finds."""
    collisions = CollisionModel(Kinematics(robot), (*TABLETOP, *OBSTACLES))
    k, name, random = collisions.kinematics, robot.arms[0].name, np.random.default_rng(4)
    arm, field = k.groups[name], DistanceField(collisions)

    def free(q):
        whole = k.home.copy()
        whole[k.columns[name]] = q
        field.move(k.configuration(whole))
        return not len(field.below(collisions.margins + 0.005))

    def place():
        while True:
            turn = rotation.exp(np.array([0, 0, random.uniform(-0.5, 0.5)]))
            point = [
                random.uniform(0.35, 0.6),
                random.choice([-1, 1]) * random.uniform(0.2, 0.4),
                random.uniform(0.1, 0.3),
            ]
            q = arm.solve(
                np.concatenate([point, rotation.multiply(turn, np.array([1.0, 0, 0, 0]))]),
                k.home[k.columns[name]],
                free,
            )
            if q is not None:
                return q

    found, walls, worst, seconds = 0, [], np.inf, []
    for query in range(queries):
        start, goal = k.home.copy(), place()
        start[k.columns[name]] = place()
        clock = time.perf_counter()
        try:
            path = Planner(collisions, seed=query + 1).to_joints(name, start, goal).path
        except NoPlan:
            continue
        walls.append(time.perf_counter() - clock)
        found += 1
        seconds.append(path.duration)
        whole = start.copy()
        for a, b in zip(path.positions[:-1], path.positions[1:]):
            count = max(1, int(np.ceil(np.abs(b - a).max() / 0.001)))
            for step in range(count):
                whole[k.columns[name]] = a + (b - a) * step / count
                field.move(k.configuration(whole))
                near = field.below(collisions.margins + 0.01)
                worst = min(worst, float((field.lower[near] - collisions.margins[near]).min(initial=0.01)))
    return {
        "found": float(found),
        "queries": float(queries),
        "p50_ms": 1e3 * float(np.median(walls)),
        "worst_ms": 1e3 * float(np.max(walls)),
        "least_above_margin_mm": 1e3 * worst,
        "path_s": float(np.median(seconds)),
    }


def _print_costs(robot: str, table: dict[str, dict[str, float]]) -> None:
    theirs = f" (mink: {table['pairs']['mink_count']:.0f})" if "mink_count" in table["pairs"] else ""
    print(f"  a step of {robot}, {table['pairs']['count']:.0f} pairs of shapes kept apart{theirs}:")
    for name, row in table.items():
        if "p50_us" in row:
            print(f"    {name:22s}: {row['p50_us']:6.0f} µs median, {row['p99_us']:6.0f} µs p99, {row['ratio']:.1f} x")


def run(json_path: str | Path | None = None, robot: str = "fr3_single") -> dict:
    """All cases on `robot`; prints the table, writes it to `json_path` if given, and returns it."""
    spec = load_robot(robot)
    result: dict = {"robot": robot, "control_rate": spec.control_rate, "moveit_servo": "2.12.4, measured elsewhere"}
    print(
        f"motion of {robot} at {spec.control_rate:g} Hz against an ideal robot; MoveIt Servo's figures were measured elsewhere"
    )
    for speed in (0.05, 0.15):
        servo = SERVO["circle", speed]
        for label, stream in (
            ("chunks of 1 s at 10 Hz", (10.0, 30, 1 / 30)),
            ("single poses at 30 Hz", (30.0, 1, 1 / 30)),
        ):
            row = circle(spec, speed, *stream)
            result[f"circle {speed:g} m/s, {label}"] = row | {f"servo_{k}": v for k, v in servo.items()}
            print(
                f"  circle 10 cm, {speed * 100:3.0f} cm/s, {label:22s}: RMS {row['rms_mm']:6.2f} mm (MoveIt Servo {servo['rms_mm']:g}),"
                f" lag {row['lag_ms']:3.0f} ms (120), beside it {row['residual_mm']:.2f} mm, jerk {row['jerk_max']:.0f} rad/s³"
            )
    cases: dict[str, Callable[[Robot], dict[str, float]]] = {
        "cut": cut,
        "wall": wall,
        "limit": limit,
        "splices": splices,
        "singularity": singularity,
    }
    for name, case in cases.items():
        result[name] = case(spec)
    result["cut"] |= {f"servo_{k}": v for k, v in SERVO["cut"].items()}
    print(
        f"  stream cut at 0.2 m/s: at rest after {result['cut']['rest_ms']:.0f} ms (MoveIt Servo 214), "
        f"{result['cut']['coast_mm']:.0f} mm on (42)"
    )
    print(
        f"  wall: never nearer than {result['wall']['clearance_mm']:.2f} mm (margin {result['wall']['margin_mm']:g}), "
        f"on the way back at most {result['wall']['furthest_behind_mm']:.1f} mm behind its pose (MoveIt Servo: not freed in 4 s)"
    )
    print(
        f"  joint limit: {result['limit']['short_of_limit_mrad']:.1f} mrad short of it, other joints drift "
        f"{result['limit']['drift_mrad']:.3f} mrad"
    )
    print(
        f"  splices of chunks that differ by 10 mm: {result['splices']['position_step_mm']:.1f} mm and "
        f"{result['splices']['velocity_step_mm_s']:.0f} mm/s a tick at most"
    )
    print(
        f"  singularity, stretched and held: {result['singularity']['turns']:.0f} joints turn round (MoveIt Servo: its status "
        f"changed 52 times), back to {result['singularity']['end_mm']:.1f} mm"
    )
    result["costs"] = costs(spec)
    _print_costs(robot, result["costs"])
    if robot != DUAL:
        result["costs, two arms"] = costs(load_robot(DUAL))
        _print_costs(DUAL, result["costs, two arms"])
    result["planner"] = row = planner(spec)
    print(
        f"  planner: {row['found']:.0f} of {row['queries']:.0f} tabletop queries, {row['p50_ms']:.0f} ms median, "
        f"{row['worst_ms']:.0f} ms at worst, {row['least_above_margin_mm']:.1f} mm or more above the margin at 0.001 rad"
    )
    if json_path is not None:
        Path(json_path).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


__all__ = ["Log", "circle", "costs", "cut", "limit", "run", "splices", "wall"]
