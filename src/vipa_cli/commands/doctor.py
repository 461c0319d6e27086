"""Checks this machine and, with --task, the commander and the cell that runs here: cameras, joints, controllers, frames, clocks. Every
finding is ok, a warning or an error, and says what to do."""

import os

from vipa.errors import VipaError
from vipa_cli import exit_status, json_document
from vipa_cli.commands import arguments as arguments_

NAMES = (
    "task",
    "robot",
    "policy",
    "cell",
    "driver",
    "camera_driver",
    "motion_backend",
    "runtime",
    "precision",
    "device",
)


def arguments(parser):
    arguments_.add(parser, NAMES, required=())
    parser.set_defaults(task="")
    parser.add_argument(
        "--domain", default="", help="ROS domain of the cell; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
    )
    parser.add_argument("--estop", action="store_true", help="test the emergency stop: stops motion and re-arms it")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="MOVES the arms: to places of their workspace and home, at a tenth of the speed",
    )
    json_document.add(parser)
    parser.add_argument("--quiet", action="store_true", help="only what is not ok")


def run(args) -> int:
    from vipa_ros.preflight import doctor
    from vipa_ros.preflight.run import lines

    if (args.estop or args.dry_run) and not args.task:
        raise VipaError("--estop and --dry-run are of a cell that runs; say which: --task TASK --robot ROBOT")
    findings = doctor.check()
    if args.task:
        findings += _cell(args)
    print("\n".join(lines(findings, args.quiet)))
    good = all(f.ok for f in findings)
    args.document = {"ok": good, "findings": findings}
    return exit_status.DONE if good else exit_status.FAILED


def _cell(args) -> list:
    from vipa.preflight.finding import Finding
    from vipa.robot.description import load_robot
    from vipa.tasks.task import load_task
    from vipa_ros.bringup import environment
    from vipa_ros.preflight import host
    from vipa_ros.preflight.pictures import pictures
    from vipa_ros.preflight.run import cell

    config = arguments_.config(args, NAMES).checked(commander=False)
    robot, task = load_robot(config.robot), load_task(config.task)
    found = [host.checkpoint(config.policy, config.inference, robot, task)]
    if config.motion_backend_why:
        found.append(
            Finding("motion backend", "ok", f"auto takes {config.motion_backend}: {config.motion_backend_why}")
        )
    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    env = environment.child_environment(domain.id)
    found.append(pictures(robot, task, config.camera_driver, env))
    cameras = ",".join(task.cameras)
    return found + cell(
        config.robot,
        env,
        config.driver,
        cameras,
        config.motion_backend == "moveit",
        estop=args.estop,
        dry_run=args.dry_run,
    )
