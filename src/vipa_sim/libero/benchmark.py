"""Commanders on suites of LIBERO: each task from its official initial states until its own check says that it is done, or time is over."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from vipa import config, documents, files, provenance
from vipa.commanders import registry
from vipa.commanders.commander import Commander, CommanderInput, EpisodeStart
from vipa.commanders.inference import BEST_FIT, InferenceOptions
from vipa.commanders.kind import CommanderRequest
from vipa.errors import NoChunk, VipaError
from vipa.evaluation import trial_file, trial_set
from vipa.evaluation.like_faults import LikeFaults
from vipa.evaluation.trial_file import TrialRow
from vipa.motion.chunk import Mode, MotionStatus
from vipa.robot.description import load_robot
from vipa.tasks import scorecard
from vipa.tasks.task import Task
from vipa_sim.libero import suites
from vipa_sim.libero.adapter import GROUP, RATE_HZ, Executor, observation
from vipa_sim.libero.process import LiberoProcess

ROBOT = "fr3_single"  # stands for LIBERO's Panda: its groups, cameras and hand; its own geometry is not used
FILE = "benchmark.json"
SEED = 7  # of LIBERO's environments, as openpi's client
SIZE = 256  # pixels a side of its cameras
TICK_NS = round(1e9 / RATE_HZ)


@dataclass(frozen=True)
class Benchmark:
    """What is run. suites: of vipa_sim.libero.suites. policies: each as of `vipa evaluate --policy`. trials: initial states a task, from the
    first on. tasks: numbers of tasks in a suite, (): all."""

    suites: list[str]
    policies: tuple[str, ...]
    trials: int = 50
    tasks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Episode:
    """A task from an initial state, which every policy meets."""

    suite: str
    task: int
    name: str
    instruction: str
    init: int

    @property
    def pair_id(self) -> str:
        """Names it within the set."""
        return f"{self.suite}-{self.task:02d}-{self.init:02d}"


def episodes(benchmark: Benchmark, libero: LiberoProcess) -> list[Episode]:
    """Every episode in its order. Raises VipaError for a task or an initial state that LIBERO does not have."""
    found = []
    for suite in benchmark.suites:
        tasks = libero.ask(op="suite", suite=suite)[0]["tasks"]
        chosen = benchmark.tasks or range(len(tasks))
        if wrong := [number for number in chosen if not 0 <= number < len(tasks)]:
            raise VipaError(f"task {wrong[0]} of {suite}; allowed: 0 to {len(tasks) - 1}")
        for number in chosen:
            task = tasks[number]
            if benchmark.trials > task["states"]:
                raise VipaError(f"{benchmark.trials} trials of {suite} {number}; allowed: 1 to {task['states']}")
            given = suite, number, task["name"], task["instruction"]
            found += [Episode(*given, init) for init in range(benchmark.trials)]
    return found


@dataclass(frozen=True)
class Told:
    """What who looks through cameras reads of a task."""

    instruction: str


def make_commander(policy: str, instruction: str, inference: InferenceOptions = BEST_FIT) -> Commander:
    """The commander `policy`; a served one has answered once to `instruction`. Raises VipaError for one that lives on the ground truth of our
    own scenes, or does not answer."""
    kind, robot = registry.kind_of(policy), load_robot(ROBOT)
    if not kind.wants_cameras or kind.wants_truth:
        allowed = ", or ".join(k.form for k in registry.KINDS if k.wants_cameras)
        raise VipaError(f"policy '{policy}' knows our own scenes alone; allowed with LIBERO: {allowed}")
    return kind.make(CommanderRequest(policy, inference), robot, cast(Task, Told(instruction)))


def is_relative(commander: Commander) -> bool:
    """Whether its steps are each relative to the one before, as LIBERO's own actions are."""
    mapping = getattr(commander, "mapping", None)
    return mapping is not None and any(p.what == "pose" and p.reference == "previous" for p in mapping.actions)


class Player:
    """Plays episodes with `commander`. see: is shown what the commander sees, and the actions that follow."""

    def __init__(self, libero: LiberoProcess, commander: Commander, see: Callable = lambda told, arrays, actions: None):
        self.libero, self.commander, self.see = libero, commander, see
        self.period = max(1, round(commander.period * RATE_HZ))  # control steps between two questions

    def play(self, episode: Episode) -> tuple[bool, int, str, list[float]]:
        """Whether the task was done, after how many control steps, why it ended early ("": it did not), and the seconds of each answer."""
        told, arrays = self.libero.ask(
            op="begin", suite=episode.suite, task=episode.task, init=episode.init, seed=SEED, size=SIZE
        )
        start = EpisodeStart(episode.pair_id, episode.name, episode.instruction, episode.init, episode.suite)
        self.commander.reset(start)
        executor, took, limit, done = Executor(is_relative(self.commander)), [], suites.steps_of(episode.suite), 0
        while done < limit and not told["success"]:
            now = 1_000_000_000 + done * TICK_NS
            seen = observation(told, arrays, episode.instruction, now)
            tool = seen.groups[GROUP].tool_pose
            status = MotionStatus(now, 1, self.commander.commander_id, Mode.EXECUTING)
            asked = time.monotonic()
            try:
                chunk = self.commander.step(CommanderInput(now, seen.groups, status, seen))
                if chunk is not None:
                    executor.take(chunk, tool)
            except (NoChunk, ValueError) as error:
                return False, done, str(error), took
            took.append(time.monotonic() - asked)
            actions = []
            steps = min(self.period, limit - done)
            for step in range(steps):
                action = executor.action(now + step * TICK_NS, tool)
                actions.append(action)
                if not executor.relative:
                    told, arrays = self.libero.ask(op="step", actions=[action.tolist()], look=step == steps - 1)
                    tool = np.array([*told["tool_position"], *told["tool_quaternion"]])
                    if told["success"]:
                        break
            if executor.relative:
                told, arrays = self.libero.ask(op="step", actions=[a.tolist() for a in actions])
            done += len(actions)
            self.see(told, arrays, actions)
        return told["success"], done, "", took


def run(
    benchmark: Benchmark,
    folder: Path,
    say: Callable[[Episode, TrialRow], None],
    inference: InferenceOptions = BEST_FIT,
) -> tuple[list[TrialRow], str]:
    """Runs what is left of the benchmark in `folder`, one episode by every policy after another, and returns all of its rows, and "" or why it
    stopped early, in one line. The same call goes on where one stopped.

    Raises VipaError; also for a folder that was begun with something else, or that another process is at.
    """
    with ExitStack() as end:
        end.enter_context(trial_set.hold(folder))
        libero = end.enter_context(LiberoProcess())
        wanted = episodes(benchmark, libero)
        commanders = {p: make_commander(p, wanted[0].instruction, inference) for p in benchmark.policies}
        for commander in commanders.values():
            end.callback(getattr(commander, "close", lambda: None))
        return _run(benchmark, folder, wanted, libero, commanders, say)


def _run(benchmark, folder, wanted, libero, commanders, say) -> tuple[list[TrialRow], str]:
    sha256 = {policy: getattr(of, "sha256", None) or _sha256(policy) for policy, of in commanders.items()}
    _refuse_other(folder, benchmark, sha256)
    path = folder / trial_file.NAME
    trial_file.repair(path)
    rows = trial_file.read(path) if path.exists() else []
    done = {(row.pair_id, row.commander) for row in rows}
    faults = LikeFaults()
    trials = [(episode, policy) for episode in wanted for policy in benchmark.policies]
    for order, (episode, policy) in enumerate(trials):
        if (episode.pair_id, policy) in done:
            continue
        played = Player(libero, commanders[policy]).play(episode)
        row = _row(benchmark, episode, policy, order, sha256[policy], *played)
        trial_file.append(path, row)
        rows.append(row)
        say(episode, row)
        if stop := faults.meet(row, None, "" if row.success else played[2]):
            return rows, stop
    return rows, ""


def _row(benchmark, episode, policy, order, sha256, success, steps, why, took) -> TrialRow:
    p50, p99 = (round(float(q), 4) for q in np.quantile(took, (0.5, 0.99))) if took else (None, None)
    verdict = "success" if success else "failure" if why else "out_of_time"
    number = benchmark.policies.index(policy)
    return TrialRow(
        trial_id=f"{episode.pair_id}-{number}" if number else episode.pair_id, pair_id=episode.pair_id, task=episode.suite, variant=episode.name,
        seed=episode.init, commander=policy, commander_sha256=sha256, order=order, verdict=verdict, success=success,
        subtask_score=float(success), duration_s=round(steps / RATE_HZ, 3), latency={"mode": "free", "p50_s": p50, "p99_s": p99},
        failure_class=None if success else (why[:200] or "timeout"),
    )  # fmt: skip


def _sha256(policy: str) -> str | None:
    found = scorecard.policy_id(policy)
    return found.checkpoint_sha256 if found else None


def _refuse_other(folder: Path, benchmark: Benchmark, sha256: Mapping[str, str | None]) -> None:
    now = {"suites": benchmark.suites, "policies": list(benchmark.policies), "trials": benchmark.trials, "tasks": list(benchmark.tasks),
           "commander_sha256": dict(sha256)}  # fmt: skip
    path = folder / FILE
    if path.exists():
        before = documents.read_json(path)
        if other := [key for key, value in now.items() if before.get(key) != value]:
            raise VipaError(f"{folder}: was begun with other {', '.join(other)}; name another folder with --out")
        return
    if (folder / trial_file.NAME).exists():
        raise VipaError(f"{folder}: trials without {FILE}; name another folder with --out")
    files.write_json(path, now | {"git": provenance.git_commit(), "fingerprint": config.fingerprint(benchmark)})
