"""Lists robots, checks that a robot file fits its URDF, or writes MoveIt's configuration of it."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    list_ = parsers.verb(verbs, "list", "the robots in config/robots/")
    check = parsers.verb(verbs, "check", "load a robot with its kinematics and collision shapes, and say what it is")
    check.add_argument("robot", help="name in config/robots/ or path")
    moveit = parsers.verb(verbs, "moveit", "write config/moveit/<robot>/: SRDF, kinematics, limits, OMPL, Servo")
    for verb in (list_, check):
        json_document.add(verb)
    moveit.add_argument("robots", nargs="*", metavar="ROBOT", help="names or paths; none: all that ship")
    moveit.add_argument(
        "--out", type=Path, default=None, help="folder for one robot's files instead of config/moveit/<robot>"
    )
    moveit.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is not what would be written"
    )


def run(args) -> int:
    from vipa import resources
    from vipa.robot.description import load_robot

    if args.action == "list":
        robots = {name: load_robot(name) for name in resources.names("config/robots")}
        for name, robot in robots.items():
            print(f"{name:<14} {', '.join(_group(g) for g in robot.groups)}")
        args.document = {"robots": [_described(name, robot) for name, robot in robots.items()]}
        return exit_status.DONE
    if args.action == "check":
        args.document = _check(load_robot(args.robot))
        return exit_status.DONE
    return _moveit([load_robot(name) for name in args.robots or resources.names("config/robots")], args.out, args.check)


def _group(group) -> str:
    hand = f" and {group.hand.kind} hand" if group.hand else ""
    return f"{group.name} ({group.kind}, {len(group.joints)} joints{hand})"


def _described(name, robot) -> dict:
    groups = [
        {"name": g.name, "kind": g.kind, "joints": list(g.joints), "hand": g.hand.kind if g.hand else None}
        for g in robot.groups
    ]
    return {"robot": name, "groups": groups, "cameras": [camera.name for camera in robot.cameras]}


def _check(robot) -> dict:
    from vipa.motion.collision import CollisionModel
    from vipa.robot.cameras import CameraPoses
    from vipa.robot.kinematics import Kinematics

    kinematics = Kinematics(robot)
    collisions = CollisionModel(kinematics)
    CameraPoses(robot)
    print(f"{robot.name}: {', '.join(_group(g) for g in robot.groups)}")
    print(
        f"  {len(kinematics.joint_names)} joints, {len(collisions.pairs)} pairs of shapes kept apart, {len(robot.cameras)} cameras"
    )
    tools = {}
    for group in robot.arms:
        tools[group.name] = x, y, z = kinematics.group(group.name).forward(
            kinematics.home[kinematics.columns[group.name]]
        )[:3]
        print(f"  {group.name}: tool at home {x:.3f} {y:.3f} {z:.3f} m in {group.base_frame}")
    return {**_described(robot.name, robot), "joints": len(kinematics.joint_names), "collision_pairs": len(collisions.pairs),
            "tool_at_home_m": {name: [float(v) for v in xyz] for name, xyz in tools.items()}}  # fmt: skip


def _moveit(robots, out, check) -> int:
    from vipa.errors import VipaError
    from vipa.moveit import files, names

    if out is not None and len(robots) != 1:
        raise VipaError(f"--out is for one robot, got {len(robots)}")
    status = exit_status.DONE
    for robot in robots:
        where = out or names.folder(robot)
        if not check:
            print("\n".join(map(str, files.write(robot, where))))
            continue
        changed = files.differences(robot, where)
        status = exit_status.FAILED if changed else status
        print(
            f"{where}: {'not what the robot file gives: ' + ', '.join(changed) if changed else 'as the robot file gives'}"
        )
    return status
