"""Trials of a set on a real cell: a person resets the scene before each, and says at its end what it was. No word of who commands."""

import os
from collections.abc import Callable
from dataclasses import replace

from vipa import files
from vipa.config import pinned
from vipa.errors import VipaError
from vipa.evaluation import preferences
from vipa.evaluation.desk import Desk, Question, TerminalDesk
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

ANSWERS = {"": None, "s": "success", "f": "failure", "u": "unscored", "r": "system"}
WORDS = {"s": "success", "f": "failure", "u": "unscored", "r": "redo the pair (a fault of the cell)"}
GO_ON = "go on"


def run(trials: TrialSet, options: Options, say: Callable[[PlannedTrial, TrialRow], None], desk: Desk) -> str:
    """Runs what is left of the set with the person at `desk`. Returns "" or why it stopped early.

    Raises VipaError, KeyboardInterrupt: the trial that was under way is run again by the same call.
    """
    operator = desk.ask(Question("operator", "operator (your name, for the record)"))
    while todo := trials.todo():
        trial = todo[0]
        told = over_graph.progress(trials, trial)
        desk.show(told | {"phase": "reset"})
        reset(trials, trial, options, keyed=isinstance(desk, TerminalDesk))
        desk.show(told | {"phase": "episode"})
        row, _ = over_graph.run_trial(trials, trial, options)
        desk.show(told | {"phase": "verdict"})
        row = judged(row, desk, trials.run_folder(trial), operator)
        trials.record(trial, row)
        say(trial, row)
        if options.preferences:
            prefer(trials, row, desk, operator)
        if row.verdict == "safety":  # the set waits for a person
            text = f"safety stop: look at robot and scene, then say '{GO_ON}' (Ctrl-C ends the set)"
            desk.ask(Question(f"safety-{trial.trial_id}", text, {GO_ON: "it is safe"}))
    return ""


def prefer(trials: TrialSet, row: TrialRow, desk: Desk, operator: str) -> None:
    """Asks of every trial of the same scene that ended as `row` did which of the two was better, and why."""
    for first in [r for r in trials.rows if r.pair_id == row.pair_id and preferences.alike(r, row)]:
        chosen = {"": None, "1": first.trial_id, "2": row.trial_id}
        answers = {"": "neither", "1": f"the earlier ({first.trial_id})", "2": f"the last ({row.trial_id})"}
        text = f"trials {first.trial_id} and {row.trial_id} of this scene ended alike; which was better?"
        asked = f"{first.trial_id}-{row.trial_id}"
        preferred = chosen[desk.ask(Question(f"preference-{asked}", text, answers))]
        reason = desk.ask(Question(f"why-{asked}", "why", must=True)) if preferred else ""
        found = preferences.Preference(row.pair_id, first.trial_id, row.trial_id, preferred, reason, operator)
        preferences.append(trials.folder, found)


def reset(trials: TrialSet, trial: PlannedTrial, options: Options, keyed: bool = True) -> None:
    """Leads the person through the reset: node `placement`, with the cameras if the plan says who drives them. keyed: the person is at
    this terminal, else at the console. Raises VipaError if it cannot, KeyboardInterrupt if the person ends it."""
    plan, card = trials.plan, trial.card
    task, name = load_task(card.task), plan.robot or load_task(card.task).robot
    robot = load_robot(name)
    parameters = {
        "robot": pinned(name, robot), "task": pinned(card.task, task), "seed": card.seed, "variant": card.variant, "use_sim_time": False,
        "out": str(trials.run_folder(trial).resolve()), "reference": str((trials.folder / "reference").resolve()),
        "keyed": keyed,
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


def judged(row: TrialRow, desk: Desk, folder, operator: str) -> TrialRow:
    """`row` with the person's verdict, and notes.json in the trial's folder. A redo wants its reason."""
    measured, name = row.verdict.replace("_", " "), row.trial_id
    answer = desk.ask(Question(f"verdict-{name}", f"it was measured as: {measured}", {"": measured} | WORDS))
    verdict, reason = ANSWERS[answer] or row.verdict, ""
    if verdict == "system":
        asked = Question(f"reason-{name}", "reason of the redo", must=True)
        reason = desk.ask(asked) if answer == "r" else row.failure_class or "fault of the cell"
    notes = desk.ask(Question(f"notes-{name}", "notes (empty: none)"))
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
