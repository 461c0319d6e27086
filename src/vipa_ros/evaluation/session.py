"""A set of trials from its plan to its last trial: what is checked first, what is charged, who runs them, what is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vipa import config, documents, files, resources
from vipa.commanders import registry
from vipa.errors import VipaError
from vipa.evaluation.like_faults import LikeFaults
from vipa.evaluation.plan import Plan, PlannedTrial, scene_cards
from vipa.evaluation.trial_file import TrialRow
from vipa.evaluation.trial_set import TrialSet
from vipa.evaluation.verdicts import failure_class, verdict_of
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.evaluation import in_process
from vipa_sim import trials as sim_trials
from vipa_sim.trials import Outcome, Trial


@dataclass(frozen=True)
class Options:
    """How a set is run, which changes nothing of what it is. jobs: processes. ray: see in_process. pictures: film strips. record: a bag
    a trial. graph: every trial over the ROS graph. preferences: a person is asked which of
    two trials that ended alike was better."""

    jobs: int = 1
    ray: bool = False
    pictures: bool = True
    record: bool = False
    graph: bool = False
    verbose: bool = False
    preferences: bool = False


def checked(plan: Plan, graph: bool = False) -> tuple[Plan, dict[str, str]]:
    """`plan` with files by their whole paths, and commander → SHA-256 of its weights ("": none). graph: it is to run over the graph. Refuses with a
    VipaError whatever could not be run, before anything starts."""
    first = {card.task: card for card in reversed(scene_cards(plan))}
    checkpoints: dict[str, str] = {}
    for name, entry in plan.commanders.items():
        if plan.cell == "sim" and not graph and registry.kind_of(entry.policy).real_time:
            raise VipaError(f"commander '{name}': '{entry.policy}' drives in real time; allowed: with --graph")
        for card in first.values():
            asked = episode_config(plan, PlannedTrial("", 0, card, name)).checked()
            policy = scorecard.policy_id(entry.policy, asked.policy_sha256)
            checkpoints[name] = policy.checkpoint_sha256 if policy else ""
    whole = [resources.absolute(task) for task in plan.tasks]
    return replace(
        plan, tasks=whole, robot=resources.absolute(plan.robot, "config/robots") if plan.robot else ""
    ), checkpoints


def episode_config(plan: Plan, trial: PlannedTrial) -> EpisodeConfig:
    """The episode of `trial`, as `vipa episode` runs it."""
    entry, card = plan.commanders[trial.commander], trial.card
    return EpisodeConfig(
        card.task, entry.policy, plan.robot, plan.cell, card.seed, card.variant, driver=plan.driver, camera_driver=plan.camera_driver, runtime=entry.runtime,
        precision=entry.precision, device=entry.device, following=plan.following,
        fixed_cameras=plan.fixed_cameras, camera_noise=plan.camera_noise, noise=entry.noise, delay=entry.delay or 0.0,
    )  # fmt: skip


def loop_trial(
    plan: Plan, trial: PlannedTrial, latencies: Mapping[str, tuple[float, ...]], folder: str, options: Options
) -> Trial:
    """The same for the in-process loop."""
    entry, card = plan.commanders[trial.commander], trial.card
    free = 0.0 if plan.latency == "free" else None
    bag = None
    if options.record:
        from vipa_ros.episode.loop_recorder import LoopRecorder

        bag = LoopRecorder
    return Trial(
        card.task, card.seed, card.variant, plan.robot, entry.delay if entry.delay is not None else free,
        tuple(latencies.get(trial.commander, ())), entry.noise, entry.policy, episode_config(plan, trial).inference, plan.following,
        plan.fixed_cameras, plan.camera_noise, folder, options.pictures, bag,
    )  # fmt: skip


def run_in_process(trials: TrialSet, options: Options, say: Callable[[PlannedTrial, TrialRow, Outcome], None]) -> str:
    """Runs what is left of the set. `say` is told each trial. Returns "" or why it stopped early, in one line. Raises VipaError."""
    latencies = charged_latencies(trials)
    faults = LikeFaults()
    while todo := trials.todo():
        asked = [loop_trial(trials.plan, t, latencies, str(trials.run_folder(t)), options) for t in todo]
        running = in_process.run(asked, options.jobs, options.ray)
        try:
            for number, outcome in running:
                row = row_of(trials, todo[number], outcome)
                trials.record(todo[number], row)
                say(todo[number], row, outcome)
                if why := faults.meet(row, outcome.scorecard, outcome.fault):
                    return why
                if row.verdict == "system":
                    break  # the pair is asked for anew
        finally:
            running.close()
    return ""


def row_of(trials: TrialSet, trial: PlannedTrial, outcome: Outcome) -> TrialRow:
    """The line of a trial that was run in-process."""
    if outcome.scorecard is None:
        return trials.row(trial, verdict="system", success=None, subtask_score=None, failure_class=outcome.fault[:200])
    return row_of_scorecard(trials, trial, outcome.scorecard, latency_words(trials.plan, outcome.charged))


def row_of_scorecard(trials: TrialSet, trial: PlannedTrial, card: Scorecard, latency) -> TrialRow:
    """The line of a trial with the scorecard `card`. Raises VipaError if a person ended it."""
    verdict = verdict_of(card)
    if verdict is None:
        raise VipaError(f"trial {trial.trial_id} was ended by a person; the same call runs it again")
    scored = verdict != "system"
    return trials.row(
        trial, verdict=verdict, success=card.success if scored else None, subtask_score=card.subtask_score if scored else None,
        variant=card.variant, duration_s=card.duration_s, latency=latency, failure_class=failure_class(card),
    )  # fmt: skip


def latency_words(plan: Plan, charged) -> dict:
    """What the line says of inference: mode, and seconds of the charges' median and 99th percentile."""
    p50, p99 = (round(float(q), 4) for q in np.quantile(charged, (0.5, 0.99))) if len(charged) else (None, None)
    return {"mode": plan.latency, "p50_s": p50, "p99_s": p99}


def charged_latencies(trials: TrialSet) -> dict[str, tuple[float, ...]]:
    """Commander → measured seconds of its inference: measured once a set, on the machine that begins it, before its cores are busy."""
    path, plan = trials.folder / "latency.json", trials.plan
    if plan.latency == "free":
        return {}
    if path.exists():
        return config.build(documents.read_json(path), dict[str, tuple[float, ...]], str(path))
    found = {}
    for name, entry in plan.commanders.items():
        found[name] = ()
        if entry.delay is None and registry.kind_of(entry.policy).wants_cameras:
            first = PlannedTrial("", 0, scene_cards(plan)[0], name)
            found[name] = sim_trials.measure_latency(loop_trial(plan, first, {}, "", Options(pictures=False)))
            p50, p99 = np.quantile(found[name], (0.5, 0.99))
            print(
                f"{name}: inference takes {1e3 * p50:.0f} ms (99 %: {1e3 * p99:.0f} ms) here, charged in simulated time",
                flush=True,
            )
    files.write_json(path, {name: list(times) for name, times in found.items()})
    return found
