"""`vipa bench evaluate`: how many trials an hour a core runs in-process, how much faster than real time, and what recording costs.

The same scenes by the same commander in turns: bare, with film strips, and with bags, so that what else the machine does meets all alike.
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from vipa import files
from vipa.errors import VipaError
from vipa_ros.episode.loop_recorder import LoopRecorder
from vipa_sim.trials import Trial, run_trial

KINDS = {"bare": {}, "film strip": {"pictures": True}, "bag": {"bag": LoopRecorder}}


def run(task: str, policies: list[str], count: int, out: Path | None) -> None:
    """Prints a line a policy and way of recording; `count` scenes each. out: where the figures go, too. Raises VipaError."""
    figures: dict = {}
    print(f"{task}: {count} scenes, one process")
    for policy in policies:
        rows: dict[str, list[tuple[float, float, int]]] = {kind: [] for kind in KINDS}
        for seed in range(-1, count):  # the first round makes cells and policies, and does not count
            for kind, more in KINDS.items():
                measured = _timed(Trial(task, max(seed, 0), policy=policy, **more))
                if seed >= 0:
                    rows[kind].append(measured)
        bare = sum(wall for wall, _, _ in rows["bare"])
        for kind, measured in rows.items():
            wall, sim, size = (float(np.sum(column)) for column in zip(*measured, strict=True))
            one = {"trials_an_hour": 3600 * count / wall, "simulated_over_wall": sim / wall, "wall_over_bare": wall / bare,
                   "megabytes_a_trial": size / count / 1e6}  # fmt: skip
            figures[f"{policy}, {kind}"] = one
            print(
                f"  {policy:<14} {kind:<11} {one['trials_an_hour']:6.0f} trials an hour  {one['simulated_over_wall']:5.2f}× real time  "
                f"{one['wall_over_bare']:4.2f} × the time of bare  {one['megabytes_a_trial']:6.2f} MB a trial",
                flush=True,
            )
    if out:
        files.write_json(out, {"task": task, "scenes": count, "cases": figures})


def _timed(trial: Trial) -> tuple[float, float, int]:
    """Wall seconds of a trial with all that it writes, simulated seconds, bytes written."""
    folder = Path(tempfile.mkdtemp(prefix="vipa-bench-"))
    try:
        began = time.perf_counter()
        outcome = run_trial(Trial(**(trial.__dict__ | {"folder": str(folder)})))
        wall = time.perf_counter() - began
        if outcome.scorecard is None:
            raise VipaError(f"{trial.task}: {outcome.fault}")
        return wall, outcome.scorecard.duration_s, sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
