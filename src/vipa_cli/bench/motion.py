"""`vipa bench motion`: tracking, stops, walls and the cost of a step, against an ideal robot and in one run.

The figures of MoveIt Servo (2.12.4, Panda, 100 Hz, default smoothing) were measured elsewhere on the same kind of machine,
with the same 10 cm circle and the same cut; they stand beside ours for comparison. Times depend on the machine: read them as
ratios to the plain damped least-squares step of the same run.
"""

import json
from pathlib import Path

from vipa.robot.description import Robot, load_robot
from vipa_cli.bench import motion_cases as cases
from vipa_cli.bench.motion_costs import costs
from vipa_cli.bench.motion_planner import planner

DUAL = "fr3_dual"
SERVO = {  # MoveIt Servo's, millimetres and milliseconds
    ("circle", 0.05): {"rms_mm": 6.05, "lag_ms": 120.0, "residual_mm": 0.36},
    ("circle", 0.15): {"rms_mm": 18.0},
    "cut": {"rest_ms": 214.0, "coast_mm": 42.0},
}
STREAMS = {"chunks of 1 s at 10 Hz": (10.0, 30, 1 / 30), "single poses at 30 Hz": (30.0, 1, 1 / 30)}
CASES = {
    "cut": (cases.cut,
            "stream cut at 0.2 m/s: at rest after {rest_ms:.0f} ms (MoveIt Servo 214), {coast_mm:.0f} mm on (42)"),
    "wall": (cases.wall,
             ("wall: never nearer than {clearance_mm:.2f} mm (margin {margin_mm:g}), on the way back at most "
             "{furthest_behind_mm:.1f} mm behind its pose (MoveIt Servo: not freed in 4 s)")),
    "limit": (cases.limit,
              "joint limit: {short_of_limit_mrad:.1f} mrad short of it, other joints drift {drift_mrad:.3f} mrad"),
    "splices": (cases.splices,
                "splices of chunks that differ by 10 mm: {position_step_mm:.1f} mm and {velocity_step_mm_s:.0f} mm/s a tick at most"),
    "singularity": (cases.singularity,
                    ("singularity, stretched and held: {turns:.0f} joints turn round (MoveIt Servo: its status changed 52 times), "
                    "back to {end_mm:.1f} mm")),
}  # fmt: skip
PLANNER = (
    "planner: {found:.0f} of {queries:.0f} tabletop queries, {p50_ms:.0f} ms median, {worst_ms:.0f} ms at worst, "
    "{least_above_margin_mm:.1f} mm or more above the margin at 0.001 rad"
)


def run(json_path: str | Path | None = None, robot: str = "fr3_single") -> dict:
    """All cases on `robot`; prints the table, writes it to `json_path` if given, and returns it."""
    spec = load_robot(robot)
    result: dict = {"robot": robot, "control_rate": spec.control_rate, "moveit_servo": "2.12.4, measured elsewhere"}
    print(
        f"motion of {robot} at {spec.control_rate:g} Hz against an ideal robot; MoveIt Servo's figures were measured elsewhere"
    )
    result |= _circles(spec)
    for name, (case, line) in CASES.items():
        result[name] = case(spec)
        print(f"  {line.format(**result[name])}")
    result["cut"] |= {f"servo_{k}": v for k, v in SERVO["cut"].items()}
    for label, name in (("costs", robot), ("costs, two arms", DUAL))[: 1 if robot == DUAL else 2]:
        result[label] = costs(load_robot(name))
        _print_costs(name, result[label])
    result["planner"] = planner(spec)
    print(f"  {PLANNER.format(**result['planner'])}")
    if json_path is not None:
        Path(json_path).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def _circles(spec: Robot) -> dict[str, dict[str, float]]:
    rows = {}
    for speed in (0.05, 0.15):
        servo = SERVO["circle", speed]
        for label, stream in STREAMS.items():
            row = cases.circle(spec, speed, *stream)
            rows[f"circle {speed:g} m/s, {label}"] = row | {f"servo_{k}": v for k, v in servo.items()}
            print(
                f"  circle 10 cm, {speed * 100:3.0f} cm/s, {label:22s}: RMS {row['rms_mm']:6.2f} mm (MoveIt Servo {servo['rms_mm']:g}),"
                f" lag {row['lag_ms']:3.0f} ms (120), beside it {row['residual_mm']:.2f} mm, jerk {row['jerk_max']:.0f} rad/s³"
            )
    return rows


def _print_costs(robot: str, table: dict[str, dict[str, float]]) -> None:
    theirs = f" (mink: {table['pairs']['mink_count']:.0f})" if "mink_count" in table["pairs"] else ""
    print(f"  a step of {robot}, {table['pairs']['count']:.0f} pairs of shapes kept apart{theirs}:")
    for name, row in table.items():
        if "p50_us" in row:
            print(f"    {name:22s}: {row['p50_us']:6.0f} µs median, {row['p99_us']:6.0f} µs p99, {row['ratio']:.1f} x")
