"""Trials of a set over the ROS graph, simulated or real: one graph a trial, as `vipa episode` starts it, one after another."""

import os
from collections.abc import Callable
from dataclasses import replace

from vipa.errors import VipaError
from vipa.evaluation.desk import Desk
from vipa.evaluation.like_faults import LikeFaults
from vipa.evaluation.plan import PlannedTrial
from vipa.evaluation.trial_file import TrialRow
from vipa.evaluation.trial_set import TrialSet
from vipa.reporting import strip
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard
from vipa.tasks.task import load_task
from vipa_ros.bringup import environment, motion_backend
from vipa_ros.bringup.episode import make_report, prepare, supervise
from vipa_ros.evaluation.session import Options, episode_config, row_of_scorecard
from vipa_ros.preflight import run as preflight


def run(
    trials: TrialSet, options: Options, say: Callable[[PlannedTrial, TrialRow], None], desk: Desk | None = None
) -> str:
    """Runs what is left of the set, each trial with its whole run folder. desk: where it is shown what is under way. Returns "" or why it stopped early, in one line. Raises
    VipaError, KeyboardInterrupt: the trial that was under way is run again by the same call."""
    faults = LikeFaults()
    while todo := trials.todo():
        trial = todo[0]
        if desk is not None:
            desk.show(progress(trials, trial) | {"phase": "episode"})
        row, card = run_trial(trials, trial, options)
        trials.record(trial, row)
        say(trial, row)
        if why := faults.meet(row, card):
            return why
    return ""


def progress(trials: TrialSet, trial: PlannedTrial) -> dict[str, object]:
    """What a desk shows of `trial`, without a word of who commands."""
    done, left = len({row.trial_id for row in trials.rows}), len(trials.todo())
    instruction = load_task(trial.card.task).instruction
    return {"number": done + 1, "of": done + left, "trial_id": trial.trial_id, "instruction": instruction}


def run_trial(trials: TrialSet, trial: PlannedTrial, options: Options) -> tuple[TrialRow, Scorecard]:
    """One trial, from starting its graph to its line. Raises VipaError if the request is refused, KeyboardInterrupt if a person ends it."""
    config = replace(episode_config(trials.plan, trial).checked(), blind=trials.plan.cell == "real")
    folder, config = prepare(config, trials.run_folder(trial))
    domain = environment.Domain(os.environ.get("ROS_DOMAIN_ID"))
    held = (domain.handle,) if domain.handle is not None else ()
    try:
        env = environment.child_environment(domain.id)
        preflight.gate(config, env)
        if config.cell == "real":
            motion_backend.say(config)
        servos = motion_backend.servo_nodes(config)
        status = supervise(config, folder, env, options.verbose, servos, held)
    finally:
        domain.release()
    if status == 130:
        raise KeyboardInterrupt
    if status == 2:
        raise VipaError(f"trial {trial.trial_id} was refused; its log: {folder.path / 'logs'}")
    card = scorecard.read(folder.scorecard if folder.scorecard.is_file() else scorecard.elsewhere(folder.path))
    if options.pictures:
        make_report(folder)
        if folder.video.is_file():
            strip.of_video(folder.video)
    timing = card.timing
    latency = {"mode": "real", "p50_s": _seconds(timing.policy_ms_p50), "p99_s": _seconds(timing.policy_ms_p99)}
    row = replace(
        row_of_scorecard(trials, trial, card, latency), run_folder=str(folder.path.relative_to(trials.folder))
    )
    return row, card


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1e3, 4)
