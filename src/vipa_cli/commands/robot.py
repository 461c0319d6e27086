"""Lists robots, writes a first robot file from a URDF, checks what a robot file is worth, or writes MoveIt's configuration of it."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    list_ = parsers.verb(verbs, "list", "the robots in config/robots/, and your own in robots/")
    check = parsers.verb(verbs, "check", "load a robot with its kinematics and collision shapes, and say what it is")
    check.add_argument("robot", help="name in config/robots/ or robots/, or path")
    check.add_argument(
        "--task",
        default="",
        help="names of tasks, comma between; empty: all that ship and suit the robot; none: reach is not looked at",
    )
    check.add_argument(
        "--out", type=Path, default=None, help="a picture, .png or .jpg: the robot at home, and green what it reaches"
    )
    add = parsers.verb(
        verbs,
        "add",
        "write a first robot file, its URDF and convex collision pieces from a URDF, with or without meshes",
    )
    add.add_argument("urdf", help="URDF file (of a xacro: xacro FILE > robot.urdf)")
    add.add_argument("--name", default="", help="of the robot; empty: the file's")
    add.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="where package://NAME/ of meshes lies; may be given again",
    )
    add.add_argument("--out", type=Path, default=None, help="new folder; default: robots/NAME")
    moveit = parsers.verb(verbs, "moveit", "write config/moveit/<robot>/: SRDF, kinematics, limits, OMPL, Servo")
    for verb in (list_, check, add):
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
        robots = {
            name: load_robot(name) for name in (*resources.names("config/robots"), *resources.own("config/robots"))
        }
        for name, robot in robots.items():
            print(f"{name:<14} {', '.join(_group(g) for g in robot.groups)}")
        args.document = {"robots": [_described(name, robot) for name, robot in robots.items()]}
        return exit_status.DONE
    if args.action == "check":
        return _checked(args, load_robot(args.robot))
    if args.action == "add":
        return _add(args)
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


def _checked(args, robot) -> int:
    from vipa import resources
    from vipa.preflight import robot_check
    from vipa.tasks.task import load_task
    from vipa_ros.preflight.run import lines
    from vipa_sim import scenes

    described = _check(robot)
    if args.task == "none":
        args.document = described
        return exit_status.DONE
    if args.task:
        tasks = [load_task(name) for name in args.task.split(",")]
        for task in tasks:
            task.check_robot(robot)
    else:
        every = [load_task(name) for name in resources.names("tasks")]
        tasks = [task for task in every if not task.needs.refusal(robot)]
    found, reached = robot_check.findings(robot, [scenes.with_ranges(task) for task in tasks])
    print("\n".join(lines(found)))
    rates = {name: round(got.rate, 3) for name, got in reached.items()}
    args.document = described | {"findings": found, "ik_success": rates, "picture": args.out}
    if args.out:
        _draw(args.out, robot, reached)
    return exit_status.DONE if all(f.ok for f in found) else exit_status.FAILED


def _draw(path, robot, reached) -> None:
    import cv2

    from vipa.errors import unknown
    from vipa_sim import robot_picture

    if path.suffix not in (".png", ".jpg"):
        raise unknown(f"kind of picture {path}", path.suffix, (".png", ".jpg"))
    dots = []
    for name, got in reached.items():
        arm = name.split(":")[0]
        dots += list(zip(robot_picture.world(robot, arm, got.positions), got.share, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), robot_picture.picture(robot, dots)[..., ::-1])
    print(f"{path}: the robot at home; green: reached, red: not")


def _add(args) -> int:
    from vipa import resources
    from vipa.errors import VipaError
    from vipa.preflight import robot_add
    from vipa.robot.description import load_robot

    source, packages = Path(args.urdf), {}
    for given in args.package:
        name, _, folder = given.partition("=")
        if not folder or not Path(folder).is_dir():
            raise VipaError(f"--package {given}; allowed: NAME=FOLDER, a folder that is there")
        packages[name] = Path(folder)
    name = args.name or source.stem
    if name in resources.names("config/robots"):
        raise VipaError(f"--name {name}: a robot that ships is called so; name it otherwise")
    added = robot_add.add(source, name, args.out or Path("robots") / name, packages.get)
    print(f"{added.file}")
    print("\n".join(f"  {note}" for note in added.notes))
    args.document = {"file": added.file, "notes": added.notes} | {"check": _check(load_robot(str(added.file)))}
    called = name if resources.own("config/robots").get(name) == added.file else added.file
    print(f"next: vipa robot check {called} --out runs/robot.png")
    return exit_status.DONE


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
