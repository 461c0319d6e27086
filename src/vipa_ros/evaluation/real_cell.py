"""Trials of a set on a real cell: a person resets the scene before each, and says at its end what it was. No word of who commands."""

import os
from collections.abc import Callable
from dataclasses import replace

from vipa import files
from vipa.config import pinned
from vipa.errors import VipaError
from vipa.evaluation.plan import PlannedTrial
from vipa.evaluation.trial_file import TrialRow
from vipa.evaluation.trial_set import TrialSet
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa.terminal import keyboard
from vipa_ros.bringup import camera_nodes, environment
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.bringup.supervisor import Supervisor
from vipa_ros.evaluation import over_graph
from vipa_ros.evaluation.session import Options

QUESTION = "[Enter] {verdict}; s success, f failure, u unscored, r redo the pair (a fault of the cell): "
ANSWERS = {"": None, "s": "success", "f": "failure", "u": "unscored", "r": "system"}


def run(
    trials: TrialSet, options: Options, say: Callable[[PlannedTrial, TrialRow], None], ask: Callable[[str], str] = input
) -> str:
    """Runs what is left of the set. `ask` puts a question to the person and gives the answer's line. Returns "" or why it stopped early.

    Raises VipaError, KeyboardInterrupt: the trial that was under way is run again by the same call.
    """
    operator = _line(ask, "operator (your name, for the record): ")
    total = len(trials.todo()) + len({row.trial_id for row in trials.rows})
    while todo := trials.todo():
        trial = todo[0]
        print(
            f"\ntrial {total - len(todo) + 1} of {total} ({trial.trial_id}): {load_task(trial.card.task).instruction}",
            flush=True,
        )
        reset(trials, trial, options)
        row, _ = over_graph.run_trial(trials, trial, options)
        row = judged(row, ask, trials.run_folder(trial), operator)
        trials.record(trial, row)
        say(trial, row)
        if row.verdict == "safety":  # the set waits for a person
            while _line(ask, "safety stop: look at robot and scene, then type 'go on' (or Ctrl-C): ") != "go on":
                pass
    return ""


def reset(trials: TrialSet, trial: PlannedTrial, options: Options) -> None:
    """Leads the person through the reset: node `placement`, with the cameras if the plan says who drives them. Raises VipaError if it
    cannot, KeyboardInterrupt if the person ends it."""
    plan, card = trials.plan, trial.card
    task, name = load_task(card.task), plan.robot or load_task(card.task).robot
    robot = load_robot(name)
    parameters = {
        "robot": pinned(name, robot), "task": pinned(card.task, task), "seed": card.seed, "variant": card.variant, "use_sim_time": False,
        "out": str(trials.run_folder(trial).resolve()), "reference": str((trials.folder / "reference").resolve()),
    }  # fmt: skip
    specs = camera_nodes.camera_nodes(plan.camera_driver, robot, name)
    specs.append(ProcessSpec("placement", "placement", parameters, leader=True))
    domain = environment.Domain(os.environ.get("ROS_DOMAIN_ID"))
    held = (domain.handle,) if domain.handle is not None else ()
    try:
        env, logs = environment.child_environment(domain.id), trials.run_folder(trial) / "logs"
        with (
            keyboard.single_keys() as typing,
            Supervisor(specs, env, logs, options.verbose, keys=typing, held=held) as graph,
        ):
            name, status = graph.wait()
    finally:
        domain.release()
    if status != 0:
        raise VipaError(
            f"trial {trial.trial_id}: node '{name}' ended (exit status {status}) before the scene was reset; logs: {logs}"
        )


def judged(row: TrialRow, ask: Callable[[str], str], folder, operator: str) -> TrialRow:
    """`row` with the person's verdict, and notes.json in the trial's folder. A redo wants its reason."""
    answer = _choice(ask, QUESTION.format(verdict=row.verdict.replace("_", " ")))
    verdict = ANSWERS[answer] or row.verdict
    reason = ""
    while verdict == "system" and not reason:
        reason = _line(ask, "reason of the redo: ") if answer == "r" else row.failure_class or "fault of the cell"
    notes = _line(ask, "notes (Enter: none): ")
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(
        folder / "notes.json",
        {"operator": operator, "measured": row.verdict, "verdict": verdict, "reason": reason, "notes": notes},
    )
    if verdict == row.verdict and verdict != "system":
        return row
    if verdict in ("system", "unscored"):
        return replace(
            row, verdict=verdict, success=None, subtask_score=None, failure_class=reason or row.failure_class
        )
    if verdict == "success":
        return replace(row, verdict=verdict, success=True, subtask_score=1.0, failure_class=None)
    return replace(row, verdict=verdict, success=False, subtask_score=row.subtask_score or 0.0)


def _choice(ask, question: str) -> str:
    while (answer := _line(ask, question).lower()) not in ANSWERS:
        print(f"'{answer}'; allowed: Enter, {', '.join(filter(None, ANSWERS))}", flush=True)
    return answer


def _line(ask, question: str) -> str:
    try:
        return ask(question).strip()
    except EOFError:
        raise VipaError("no terminal to ask at: a set on a real cell wants a person") from None
