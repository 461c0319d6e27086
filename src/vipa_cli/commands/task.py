"""Lists the tasks that ship, or checks that a task file fits its robot and its scene."""

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    list_ = parsers.verb(verbs, "list", "the tasks in tasks/")
    check = parsers.verb(verbs, "check", "load a task with its robot and its scene, and say what it is")
    check.add_argument("task", help="name in tasks/ or path of a task file")
    for verb in (list_, check):
        json_document.add(verb)


def run(args) -> int:
    from vipa import resources
    from vipa.tasks.task import load_task
    from vipa_ros.bringup.episode_graph import EpisodeConfig

    if args.action == "list":
        tasks = [load_task(name) for name in resources.names("tasks")]
        for task in tasks:
            print(f"{task.name:<16} {task.robot:<12} {len(task.subtasks)} sub-tasks  {task.instruction}")
        args.document = {"tasks": [_described(task) for task in tasks]}
        return exit_status.DONE
    task = load_task(EpisodeConfig(args.task).checked().task)
    print(
        f"{task.name}: '{task.instruction}' with {task.robot}, {task.time_limit:g} s, cameras {', '.join(task.cameras)}"
    )
    for subtask in task.subtasks:
        after = f" after {', '.join(subtask.after)}" if subtask.after else ""
        print(f"  {subtask.name}: {subtask.check}{after}")
    args.document = _described(task)
    return exit_status.DONE


def _described(task) -> dict:
    subtasks = [{"name": s.name, "check": s.check, "after": s.after, "evidence": s.evidence} for s in task.subtasks]
    return {"task": task.name, "instruction": task.instruction, "robot": task.robot, "time_limit_s": task.time_limit,
            "cameras": list(task.cameras), "subtasks": subtasks}  # fmt: skip
