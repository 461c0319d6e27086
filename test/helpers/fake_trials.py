"""A set of trials without simulation, in a process that may be killed: `python -m helpers.fake_trials FOLDER`.

Everything but the episode is the true code: plan, lock, worker processes, files.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from vipa.evaluation.plan import CommanderEntry, Plan
from vipa.evaluation.trial_set import TrialSet, begun
from vipa.tasks import scorecard
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import load_task
from vipa_ros.evaluation import in_process, session
from vipa_sim.trials import Outcome, Trial

PLAN = Plan(
    {"a": CommanderEntry("expert"), "b": CommanderEntry("expert", noise=0.02)}, ["water_plant"], trials=30, seed=3
)


def card_of(seed: int, outcome: str, kind: str = "timeout", detail: str = "over"):
    """The scorecard of an episode that ended so."""
    scorer = EpisodeScorer(load_task("water_plant"))
    scorer.stop("error", kind, detail)
    fields = {"episode_id": "1", "robot": "r", "cell": "sim", "commander": "expert", "seed": seed, "variant": "cobalt"}
    card = scorecard.score(scorer, wall_s=1.0, **fields)
    return replace(card, outcome=outcome, success=outcome == "success")


def run_trial(trial: Trial) -> Outcome:
    """Takes some 10 to 60 ms; how it ends is drawn by its seed and its noise."""
    rng = np.random.default_rng([trial.seed, int(trial.noise > 0)])
    time.sleep(0.01 + 0.05 * rng.random())
    card = card_of(trial.seed, "timeout" if rng.random() < 0.5 else "failure")
    folder = Path(trial.folder)
    folder.mkdir(parents=True, exist_ok=True)
    scorecard.write(card, folder / "scorecard.json")
    return Outcome(card)


def main(folder: Path, jobs: int = 2) -> None:
    in_process.run_trial = run_trial
    with TrialSet(folder, PLAN, begun(PLAN, {})) as trials:
        session.run_in_process(trials, session.Options(jobs), lambda *_: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
