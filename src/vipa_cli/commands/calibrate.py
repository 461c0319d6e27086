"""Calibrates a cell: prints the board, measures a camera's intrinsics, where a camera is fixed, and how late cameras, arms and hands
are; from a running cell (`vipa cell`), whose arm it moves through the gate, or from a bag. docs/calibration.md."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from vipa.errors import VipaError
from vipa_cli import exit_status, json_document, parsers

BOARD = "7x5,0.03,0.022,DICT_4X4_100"
BOARD_HELP = "COLUMNSxROWS,SQUARE,MARKER,DICTIONARY, metres: what a ruler says of the print"


def arguments(parser):
    verbs = parsers.subverbs(parser, "board|camera|hand-eye|latency")
    board = parsers.verb(verbs, "board", "write the board's picture for a printer")
    board.add_argument(
        "--out", type=Path, default=Path("board.pdf"), help="file: .pdf or .png, to be printed at 100 %%"
    )
    camera = parsers.verb(
        verbs, "camera", "measure a camera's intrinsics, while a person shows it the board, or the arm does (--guided)"
    )
    camera.add_argument(
        "--seconds", type=float, default=60.0, help="of wall time to show the board in; with a bag: all of it"
    )
    camera.add_argument(
        "--guided",
        action="store_true",
        help="MOVES the arm in a person's place: on a hand, around the board that lies still; beside it, with the board in its hand",
    )
    mount = parsers.verb(
        verbs, "hand-eye", "measure where a camera is fixed: on a hand, or beside an arm that holds the board"
    )
    for verb in (camera, mount):
        verb.add_argument(
            "--arm", default="", help="which holds the board; empty: the first; on a hand: the one that carries it"
        )
        verb.add_argument(
            "--poses", type=int, default=20, help="how many the arm is to take; with a bag: those in which it stood"
        )
    mount.add_argument(
        "--check",
        action="store_true",
        help="move nothing: has the camera moved since its calibration? Exit 1 if so, and --out gets a picture to put it back by",
    )
    latency = parsers.verb(
        verbs, "latency", "measure the delays from exposure to stamp, from command to motion and to the hand"
    )
    latency.add_argument("--arm", default="", help="which moves; empty: the first")
    latency.add_argument("--joint", default="", help="which swings; empty: the last but one")
    latency.add_argument("--amplitude", type=float, default=0.12, help="radians that it swings")
    for verb in (board, camera, mount):
        verb.add_argument("--board", default=BOARD, help=BOARD_HELP)
    for verb, text in ((camera, "its name in the robot file"), (mount, "its name in the robot file")):
        verb.add_argument("camera", help=text)
    latency.add_argument("cameras", help="names in the robot file, comma between, that see the motion; '' for none")
    for verb in (camera, mount, latency):
        verb.add_argument("bag", nargs="?", default="", help="bag or run folder; none: a cell that runs")
        verb.add_argument("--robot", default="fr3_single", help="name in config/robots/ or path")
        verb.add_argument(
            "--domain", default="", help="ROS domain of the cell; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
        )
        verb.add_argument("--out", type=Path, default=None, help="folder; default: calibration/<robot>")
    for verb in (board, camera, mount, latency):
        json_document.add(verb)


def run(args) -> int:
    return {"board": _board, "camera": _camera, "hand-eye": _hand_eye, "latency": _latency}[args.action](args)


def parse_board(text: str):
    """The Board that `text` describes. Raises VipaError."""
    from vipa import config
    from vipa.calibration.board import Board

    parts = text.split(",")
    sizes = parts[0].lower().split("x")
    try:
        columns, rows = map(int, sizes)
        square, marker = float(parts[1]), float(parts[2])
    except (ValueError, IndexError):
        raise VipaError(f"board '{text}'; allowed: {BOARD_HELP}, as {BOARD}") from None
    values = {"columns": columns, "rows": rows, "square": square, "marker": marker}
    return config.build(values | ({"dictionary": parts[3]} if len(parts) > 3 else {}), Board, f"board '{text}'")


def _board(args) -> int:
    from PIL import Image

    from vipa.calibration.board import INCH, PAPER_DPI

    if args.out.suffix not in (".pdf", ".png"):
        raise VipaError(f"{args.out}: kind '{args.out.suffix}'; allowed: .pdf, .png")
    board = parse_board(args.board)
    picture = Image.fromarray(board.picture(PAPER_DPI / INCH))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(
        args.out, dpi=(PAPER_DPI, PAPER_DPI), **({"resolution": PAPER_DPI} if args.out.suffix == ".pdf" else {})
    )
    width, height = board.size
    print(
        f"{args.out}: {1e3 * width:.0f} x {1e3 * height:.0f} mm; print it at 100 %, glue it onto something flat, measure a square"
    )
    args.document = {"file": args.out, "width_m": width, "height_m": height, "board": board}
    return exit_status.DONE


def _camera(args) -> int:
    from vipa import files
    from vipa.calibration import bags, intrinsics, mounting, results
    from vipa.calibration.collect import PictureViews
    from vipa.calibration.viewpoints import INTRINSICS
    from vipa.robot.description import load_robot

    robot, board = load_robot(args.robot), parse_board(args.board)
    _known(robot, [args.camera])
    if args.bag and args.guided:
        raise VipaError("--guided moves the arm of a running cell; allowed: it, or a bag")
    if args.bag:
        with bags.opened(Path(args.bag)) as bag:
            own, views = bags.intrinsics(bag, args.camera), PictureViews(board)
            bags.read_pictures(bag, args.camera, views)
    else:
        from functools import partial

        cell = _live(args)
        from vipa_ros.calibration import poses

        async def act(node):
            if args.guided:
                how = mounting.mounting(robot, args.camera, args.arm)
                seen = await poses.guided(node, board, how, args.poses, _say, INTRINSICS)
            else:
                _say("show the camera the board: tilted, near, far, and in the corners of the picture")
                seen = await poses.watched(node, board, args.camera, args.seconds, _say)
            return node.infos[args.camera], seen

        own, views = cell.run(partial(cell.Cell, robot, [args.camera]), act)
    _refused(views.refused)
    result = intrinsics.calibrate(board, views.views, own)
    print("\n".join(results.camera_words(args.camera, result)))
    folder = _folder(args, robot)
    if result.verdict != "bad":
        folder.mkdir(parents=True, exist_ok=True)
        files.write_yaml(folder / f"{args.camera}.yaml", results.camera_info(args.camera, result.intrinsics))
        print(f"  {folder / f'{args.camera}.yaml'}")
    args.document = {"camera": args.camera, "verdict": result.verdict, "rms_px": result.rms, "k": result.intrinsics.k.tolist(),
                     "distortion": result.intrinsics.distortion.tolist(), "faults": result.faults, "warnings": result.warnings}  # fmt: skip
    return exit_status.FAILED if result.verdict == "bad" else exit_status.DONE


def _hand_eye(args) -> int:
    from functools import partial

    from vipa.calibration import bags, hand_eye, mounting, results
    from vipa.calibration.collect import PoseViews
    from vipa.calibration.reference import Reference
    from vipa.robot.description import load_robot
    from vipa.robot.kinematics import Kinematics

    robot, board = load_robot(args.robot), parse_board(args.board)
    how = mounting.mounting(robot, args.camera, args.arm)
    folder = _folder(args, robot)
    if args.check:
        return _check(args, robot, folder)
    before = results.kept(folder, robot.name)
    if args.bag:
        with bags.opened(Path(args.bag)) as bag:
            camera, views = bags.intrinsics(bag, args.camera), PoseViews(board, Kinematics(robot), how.arm)
            bags.read_poses(bag, robot, args.camera, views)
        picture = joints = None
    else:
        cell = _live(args)
        from vipa_ros.calibration import poses

        async def act(node):
            seen = await poses.guided(node, board, how, args.poses, _say)
            return node.infos[args.camera], seen, node.pictures[args.camera], _by_name(robot, node.joints)

        camera, views, picture, joints = cell.run(partial(cell.Cell, robot, [args.camera]), act)
    _refused(views.refused)
    result = hand_eye.calibrate(board, views.views, camera, how.on_hand)
    mount = results.mounted(mounting.in_robot_file(robot, how, result.mount, views.joints), result)
    print("\n".join(results.mount_words(args.camera, result, mount)))
    args.document = {"camera": args.camera, "verdict": result.verdict, "mount": mount, "rms_px": result.rms_px, "rms_mm": result.rms_mm,
                     "sigma_mm": result.sigma_mm, "sigma_deg": result.sigma_deg, "poses": {n: {"px": p, "mm": m} for n, (p, m) in result.views.items()},
                     "dropped": result.dropped, "faults": result.faults, "warnings": result.warnings}  # fmt: skip
    if result.verdict == "bad":
        print(f"  nothing was written to {folder}", file=sys.stderr)
        return exit_status.FAILED
    path = results.write(folder, replace(before, mounts=before.mounts | {args.camera: mount}))
    print(f"  {path}; in the robot file: calibration: {os.path.relpath(path.resolve())}, from where the robot file is")
    print(f"  {results.tf_command(args.camera, mount)}")
    if picture is not None:
        Reference(folder / "reference" / args.camera).take({args.camera: picture}, joints)
    return exit_status.DONE


def _check(args, robot, folder) -> int:
    from functools import partial

    from vipa import files
    from vipa.calibration.reference import Reference, encoded

    reference = Reference(folder / "reference" / args.camera)
    if not reference.exists:
        raise VipaError(
            f"{reference.folder}: no reference; a calibration of camera {args.camera} in a running cell leaves one"
        )
    cell = _live(args)

    async def act(node):
        await node.heard()
        return node.pictures[args.camera], node.infos[args.camera], _by_name(robot, node.joints)

    picture, info, joints = cell.run(partial(cell.Cell, robot, [args.camera]), act)
    drifts, faults = reference.check({args.camera: picture}, {args.camera: info.k}, joints)
    args.document = {"camera": args.camera, "moved": bool(faults), "drift": drifts.get(args.camera), "faults": faults}
    if not faults:
        moved = drifts[args.camera]
        print(f"camera {args.camera} stands: {moved.pixels:.2f} pixels, {moved.degrees:.3f} degrees from its reference")
        return exit_status.DONE
    print("\n".join(faults))
    if args.camera in drifts:
        path = folder / f"put-back-{args.camera}.png"
        files.write_bytes(path, encoded(reference.put_back(args.camera, picture, drifts[args.camera]), ".png"))
        print(f"{path}: turn it until the outlines lie on each other, or calibrate anew")
    return exit_status.FAILED


def _latency(args) -> int:
    from functools import partial

    from vipa.calibration import bags, latency, results
    from vipa.robot.description import load_robot

    robot = load_robot(args.robot)
    cameras = [name for name in args.cameras.split(",") if name]
    _known(robot, cameras)
    folder = _folder(args, robot)
    before = results.kept(folder, robot.name)
    if args.bag:
        with bags.opened(Path(args.bag)) as bag:
            found = latency.measure(*bags.tracks(bag, robot, cameras))
    else:
        arm = robot.group(args.arm) if args.arm else robot.arms[0]
        cell = _live(args)
        from vipa_ros.calibration import swing

        joint = args.joint or arm.joints[-2]
        found = cell.run(
            partial(cell.Cell, robot, cameras), lambda node: swing.measured(node, arm.name, joint, args.amplitude)
        )
    print("\n".join(results.latency_words(found)))
    path = results.write(folder, results.with_latency(before, found))
    print(f"{path}; in the robot file: calibration: {os.path.relpath(path.resolve())}, from where the robot file is")
    args.document = {"command": found.command, "hand": found.hand, "camera": found.camera, "faults": found.faults}
    return exit_status.FAILED if found.faults else exit_status.DONE


def _live(args):
    """The module of live cells, in the cell's ROS domain."""
    from vipa_ros.bringup import environment

    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(domain.id))
    sys.argv = ["calibrate"]
    from vipa_ros.calibration import cell  # rclpy reads the domain when it is imported first

    return cell


def _known(robot, cameras) -> None:
    from vipa.errors import unknown

    have = [camera.name for camera in robot.cameras]
    for name in cameras:
        if name not in have:
            raise unknown(f"camera of robot {robot.name}", name, have)


def _folder(args, robot) -> Path:
    return args.out or Path("calibration") / robot.name


def _by_name(robot, joints) -> dict[str, float]:
    names = [joint for group in robot.groups for joint in group.joints]
    return {name: float(value) for name, value in zip(names, joints, strict=True)}


def _refused(refused) -> None:
    for why, count in refused.most_common(3):
        print(f"  {count} pictures of no use: {why}", file=sys.stderr)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
