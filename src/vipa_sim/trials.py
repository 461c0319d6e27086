"""Many in-process episodes, one a seed, on several processes: what `vipa evaluate` runs."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from scipy.stats import binomtest

from vipa.commanders import registry
from vipa.commanders.inference import BEST_FIT, InferenceOptions
from vipa.commanders.kind import CommanderRequest
from vipa.errors import VipaError
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard


@dataclass(frozen=True)
class Trial:
    """One episode to run. delay_s: simulated inference delay, seconds, None: as the graph's. noise: metres, of the expert's disturbances.

    policy: see vipa.commanders.registry. inference: how a checkpoint runs. following: how the arms follow, see
    vipa_sim.following.parse. fixed_cameras, camera_noise: see SimCell.
    """

    task: str
    seed: int
    variant: str = ""
    delay_s: float | None = None
    noise: float = 0.0
    policy: str = registry.DEFAULT
    inference: InferenceOptions = BEST_FIT
    following: str = ""
    fixed_cameras: bool = False
    camera_noise: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a trial gave. refused: why chunks were refused; stops: why the gate stopped the robot."""

    trial: Trial
    scorecard: Scorecard
    refused: tuple[str, ...]
    stops: tuple[str, ...]


def parse_seeds(text: str) -> list[int]:
    """Seeds from "7", "0:20" (0 to 19) or "1,5,9". Raises VipaError."""
    try:
        if ":" in text:
            first, last = (int(part) for part in text.split(":"))
            seeds = list(range(first, last))
        else:
            seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise VipaError(f"seeds: '{text}' is none of: 7, 0:20 (0 to 19), 1,5,9") from None
    if not seeds or min(seeds) < 0:
        raise VipaError(f"seeds: '{text}' names none, or a negative one; allowed: 7, 0:20 (0 to 19), 1,5,9")
    return seeds


def run_trials(trials: Sequence[Trial], jobs: int = 1) -> Iterator[Outcome]:
    """Runs `trials` on `jobs` processes and yields their outcomes in order. Raises VipaError."""
    if jobs <= 1:
        yield from map(run_trial, trials)
        return
    # a forked child would share MuJoCo's and OpenGL's state; one thread each, or the processes fight for the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LP_NUM_THREADS", "1")
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(run_trial, trials)
    finally:
        pool.shutdown(cancel_futures=True)  # whoever asks for no more of them shall not wait for all of them


_made: dict = {}  # a process makes each loop and each policy once


def run_trial(trial: Trial) -> Outcome:
    """Runs one trial; the cell of a task is compiled, a policy loaded, once a process."""
    from vipa.robot.description import load_robot
    from vipa.tasks.task import load_task
    from vipa_sim import following
    from vipa_sim.loop import Loop, run_episode

    looks = registry.kind_of(trial.policy).wants_cameras
    key = trial.task, looks, trial.following, trial.fixed_cameras, trial.camera_noise
    if key not in _made:
        task = load_task(trial.task)
        cameras = task.cameras if looks else ()
        arms = following.parse(trial.following)
        seen = {"fixed_cameras": trial.fixed_cameras, "camera_noise": trial.camera_noise}
        _made[key] = Loop(task, load_robot(task.robot), cameras, following=arms, **seen)
    loop = _made[key]
    commander = commander_for(trial, loop)
    record = run_episode(
        loop.task, loop.robot, commander, trial.seed, trial.variant, delay_s=trial.delay_s, loop=loop,
        policy=scorecard.policy_id(trial.policy, getattr(commander, "sha256", None) or "") if looks else None,
    )  # fmt: skip
    return Outcome(trial, record.scorecard, tuple(record.refused), tuple(record.stops))


def commander_for(trial: Trial, loop):
    """The commander of a trial for the robot of a Loop; one that is dear to make is made once a process. Raises VipaError."""
    request = CommanderRequest(trial.policy, trial.inference, trial.seed, trial.noise)
    if not registry.kind_of(trial.policy).reusable:
        return registry.make(request, loop.robot, loop.task)
    key = loop.robot.name, trial.policy, trial.inference
    if key not in _made:
        _made[key] = registry.make(request, loop.robot, loop.task)
    return _made[key]


def line(outcome: Outcome) -> str:
    """One line of the table: seed, sub-tasks done, time, speed, first failure."""
    card = outcome.scorecard
    done = "".join({"done": "✓", "failed": "✗", "pending": "·"}[s.status] for s in card.subtasks)
    speed = card.duration_s / max(card.wall_s, 1e-9)
    text = f"{card.seed:>5}  {card.variant:<9} {done:<8} {card.duration_s:6.1f} s  {speed:5.1f}×  {card.outcome:<8}"
    if card.failure:
        text += f" {card.failure.subtask}: {card.failure.detail}"
    if outcome.refused:
        text += f"  [{len(outcome.refused)} chunks refused: {outcome.refused[0]}]"
    return text


def document(outcomes: Sequence[Outcome]) -> dict:
    """All of it for a script: rates with their 95 % interval (Wilson), and every scorecard."""
    cards = [o.scorecard for o in outcomes]
    whole = sum(c.success for c in cards)
    low, high = binomtest(whole, len(cards)).proportion_ci(0.95, "wilson")
    return {
        "episodes": len(cards),
        "successes": whole,
        "success_rate": whole / len(cards),
        "success_rate_95": [float(low), float(high)],
        "subtask_score": sum(c.subtask_score for c in cards) / len(cards),
        "safety_stops": sum(bool(o.stops) for o in outcomes),
        "scorecards": [scorecard.to_dict(c) for c in cards],
    }


def total(outcomes: Sequence[Outcome]) -> str:
    """The table's last line: rates over all of it."""
    cards = [o.scorecard for o in outcomes]
    whole = sum(c.success for c in cards)
    low, high = binomtest(whole, len(cards)).proportion_ci(0.95, "wilson")
    parts = sum(len(c.subtasks) for c in cards)
    done = sum(s.status == "done" for c in cards for s in c.subtasks)
    duration, wall = sum(c.duration_s for c in cards), sum(c.wall_s for c in cards)
    return (
        f"total  {done}/{parts} sub-tasks ({100 * done / parts:.1f} %), {whole}/{len(cards)} "
        f"episodes (95 % interval {100 * low:.0f} to {100 * high:.0f} %), {sum(bool(o.stops) for o in outcomes)} safety stops, {duration / len(cards):.1f} s an episode, "
        f"{duration / wall:.1f}× real time a process"
    )
