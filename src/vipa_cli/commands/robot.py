"""Lists robots, checks that a robot file fits its URDF, or writes MoveIt's configuration of it."""

from pathlib import Path


def arguments(parser):
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verbs.add_parser("list", help="the robots in config/robots/")
    check = verbs.add_parser("check", help="load a robot with its kinematics and collision shapes, and say what it is")
    check.add_argument("robot", help="name in config/robots/ or path")
    moveit = verbs.add_parser("moveit", help="write config/moveit/<robot>/: SRDF, kinematics, limits, OMPL, Servo")
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

    if args.what == "list":
        for name in resources.names("config/robots"):
            robot = load_robot(name)
            print(f"{name:<14} {', '.join(_group(g) for g in robot.groups)}")
        return 0
    if args.what == "check":
        return _check(load_robot(args.robot))
    return _moveit([load_robot(name) for name in args.robots or resources.names("config/robots")], args.out, args.check)


def _group(group) -> str:
    hand = f" and {group.hand.kind} hand" if group.hand else ""
    return f"{group.name} ({group.kind}, {len(group.joints)} joints{hand})"


def _check(robot) -> int:
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
    for group in robot.arms:
        x, y, z = kinematics.group(group.name).forward(kinematics.home[kinematics.columns[group.name]])[:3]
        print(f"  {group.name}: tool at home {x:.3f} {y:.3f} {z:.3f} m in {group.base_frame}")
    return 0


def _moveit(robots, out, check) -> int:
    from vipa.errors import VipaError
    from vipa.moveit import files, names

    if out is not None and len(robots) != 1:
        raise VipaError(f"--out is for one robot, got {len(robots)}")
    status = 0
    for robot in robots:
        where = out or names.folder(robot)
        if not check:
            print("\n".join(map(str, files.write(robot, where))))
            continue
        changed = files.differences(robot, where)
        status = 1 if changed else status
        print(
            f"{where}: {'not what the robot file gives: ' + ', '.join(changed) if changed else 'as the robot file gives'}"
        )
    return status
