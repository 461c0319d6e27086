"""Lists the tasks that ship, checks that a task file fits its robot and its scene, or shows what scenes look like."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers
from vipa_cli.commands import arguments as arguments_


def arguments(parser):
    verbs = parsers.subverbs(parser)
    list_ = parsers.verb(verbs, "list", "the tasks in tasks/")
    check = parsers.verb(
        verbs, "check", "load a task, build its scene in every variant, let every check find what it names"
    )
    check.add_argument("task", help="name in tasks/ or path of a task file")
    show = parsers.verb(verbs, "show", "write a picture of scenes as each camera sees them, 640 x 480, a task a row")
    show.add_argument("tasks", nargs="*", metavar="TASK", help="names in tasks/ or paths; none: all that ship")
    arguments_.add(show, ("robot", "seed", "variant", "fixed_cameras", "camera_noise"))
    show.add_argument("--depth", action="store_true", help="depth beneath, red near to blue far, black: none")
    show.add_argument("--out", type=Path, default=Path("runs/scenes.png"), help="file: .png or .jpg")
    for verb in (list_, check):
        json_document.add(verb)


def run(args) -> int:
    from vipa import resources
    from vipa.robot.description import load_robot
    from vipa.tasks.task import load_task
    from vipa_ros.bringup.episode_graph import EpisodeConfig
    from vipa_sim import task_check

    if args.action == "list":
        tasks = [load_task(name) for name in resources.names("tasks")]
        for task in tasks:
            print(f"{task.name:<16} {task.robot:<12} {len(task.subtasks)} sub-tasks  {task.instruction}")
        args.document = {"tasks": [_described(task) for task in tasks]}
        return exit_status.DONE
    if args.action == "show":
        return _show([load_task(name) for name in args.tasks or resources.names("tasks")], args)
    task = load_task(EpisodeConfig(args.task).checked(commander=False).task)
    robot = load_robot(task.robot)
    task_check.check(task, robot)
    groups, missing = _expert(task, robot)
    print(
        f"{task.name}: '{task.instruction}' with {task.robot}, {task.time_limit:g} s, cameras {', '.join(task.cameras)}"
    )
    for subtask in task.subtasks:
        after = f" after {', '.join(subtask.after)}" if subtask.after else ""
        print(f"  {subtask.name}: {subtask.check}{after}")
    print(f"  expert: script '{task.script}' moves {', '.join(groups)}" if groups else f"  no expert: {missing}")
    args.document = _described(task) | {
        "variants": list(task.variants),
        "expert": {"groups": groups, "missing": missing},
    }
    return exit_status.DONE


def _expert(task, robot) -> tuple[list[str], str]:
    """Names of the groups that the expert's script moves; none: why there is none."""
    from vipa.commanders.expert import scripts
    from vipa.errors import VipaError

    try:
        return list(scripts.scripts_of(task, robot)), ""
    except VipaError as error:
        return [], str(error).removeprefix("expert: ")


def _described(task) -> dict:
    subtasks = [{"name": s.name, "check": s.check, "after": s.after, "evidence": s.evidence} for s in task.subtasks]
    return {"task": task.name, "instruction": task.instruction, "robot": task.robot, "time_limit_s": task.time_limit,
            "cameras": list(task.cameras), "subtasks": subtasks}  # fmt: skip


def _show(tasks, args) -> int:
    import cv2

    from vipa.errors import VipaError, unknown
    from vipa.robot.description import load_robot
    from vipa_sim import contact_sheet

    if args.out.suffix not in (".png", ".jpg"):
        raise unknown(f"kind of picture {args.out}", args.out.suffix, (".png", ".jpg"))
    looks = {"depth": args.depth, "fixed_cameras": args.fixed_cameras, "camera_noise": args.camera_noise}
    rows = [contact_sheet.row(t, load_robot(args.robot or t.robot), args.seed, args.variant, **looks) for t in tasks]
    sheet = contact_sheet.stacked(rows)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        written = cv2.imwrite(str(args.out), sheet[..., ::-1])
    except (OSError, cv2.error) as error:
        raise VipaError(f"{args.out}: {error}") from None
    if not written:
        raise VipaError(f"{args.out}: could not be written")
    print(f"{args.out}: {sheet.shape[1]} x {sheet.shape[0]} pixels, {len(tasks)} tasks")
    return exit_status.DONE
