"""One in-process trial of a set, as a worker process runs it: the episode, its scorecard, and what it leaves in its run folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipa import files, run_folder
from vipa.commanders import registry
from vipa.commanders.inference import BEST_FIT, InferenceOptions
from vipa.commanders.kind import CommanderRequest
from vipa.errors import NoChunk, VipaError
from vipa.robot.description import load_robot
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard
from vipa.tasks.task import load_task
from vipa_sim import following
from vipa_sim.filmstrip import Filmstrip
from vipa_sim.loop import Loop, Tick, run_episode


@dataclass(frozen=True)
class Trial:
    """One episode to run. delay_s: simulated inference delay, seconds, None: drawn from `latencies`, of which an empty one means: as in
    the graph. noise: metres, of the expert's disturbances. robot "": the task's.

    policy: see vipa.commanders.registry. inference: how a checkpoint runs. following: how the arms follow, see
    vipa_sim.following.parse. fixed_cameras, camera_noise: see SimCell. folder "": nothing is written. pictures: a film strip is. bag: makes what records it.
    """

    task: str
    seed: int
    variant: str = ""
    robot: str = ""
    delay_s: float | None = None
    latencies: tuple[float, ...] = ()
    noise: float = 0.0
    policy: str = registry.DEFAULT
    inference: InferenceOptions = BEST_FIT
    following: str = ""
    fixed_cameras: bool = False
    camera_noise: bool = False
    folder: str = ""
    pictures: bool = False
    bag: Callable | None = None


@dataclass(frozen=True)
class Outcome:
    """What a trial gave. scorecard None: the cell broke, and `fault` says how. charged: seconds of inference that its answers were late by.
    refused: why chunks were refused; stops: why the gate stopped the robot."""

    scorecard: Scorecard | None
    fault: str = ""
    charged: tuple[float, ...] = ()
    refused: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()


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


class Charge:
    """Seconds from what a commander sees until its answer arrives: drawn from measured ones by the scene's seed, the same share of
    the distribution for every commander that meets the scene. `drawn`: what was charged."""

    def __init__(self, latencies, seed: int):
        self.latencies, self.rng = np.sort(latencies), np.random.default_rng([seed, 0x1A7E])
        self.drawn: list[float] = []

    def __call__(self) -> float:
        self.drawn.append(float(np.quantile(self.latencies, self.rng.random())))
        return self.drawn[-1]


class Guarded:
    """A commander whose crash ends the episode as its own error, not the program."""

    def __init__(self, commander, loop: Loop):
        self.commander, self.loop = commander, loop
        self.commander_id, self.wants_cameras = commander.commander_id, commander.wants_cameras
        self.period, self.crashed = commander.period, False

    def reset(self, start) -> None:
        self._call(self.commander.reset, start)

    def step(self, seen):
        return self._call(self.commander.step, seen)

    def _call(self, function, argument):
        try:
            return function(argument)
        except NoChunk:
            raise
        except Exception as error:  # noqa: BLE001  a commander may raise anything: it is scored
            self.crashed = True
            self.loop.scorer.stop("error", "commander", f"crashed: {type(error).__name__}: {error}")
            return None


_made: dict = {}  # a process makes each loop and each policy once


def run_trial(trial: Trial) -> Outcome:
    """Runs one trial; the cell of a task is compiled, a policy loaded, once a process. Never raises for what the trial met."""
    try:
        return _run(trial)
    except Exception as error:  # noqa: BLE001  whatever it was, the cell is not to be trusted
        _forget()
        return Outcome(None, f"{type(error).__name__}: {error}")


def _run(trial: Trial) -> Outcome:
    loop = loop_for(trial)
    commander = Guarded(commander_for(trial, loop), loop)
    charge = Charge(trial.latencies, trial.seed) if trial.latencies and trial.delay_s is None else None
    strip, bag = (Filmstrip(loop) if trial.pictures else None), None
    folder, episode_id = Path(trial.folder) if trial.folder else None, run_folder.new_episode_id()
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    if trial.bag:
        bag = trial.bag(loop, folder / "bag", episode_id)
    watchers = [watcher.on_tick for watcher in (strip, bag) if watcher]

    def on_tick(tick: Tick) -> None:
        for watcher in watchers:
            watcher(tick)

    try:
        record = run_episode(
            loop.task, loop.robot, commander, trial.seed, trial.variant, delay_s=charge or trial.delay_s, loop=loop,
            on_tick=on_tick if watchers else None, episode_id=episode_id,
            policy=scorecard.policy_id(trial.policy, getattr(commander.commander, "sha256", None) or ""),
        )  # fmt: skip
    finally:
        lost = bag.close() if bag else ""
    if lost:
        raise VipaError(lost)
    if folder:
        scorecard.write(record.scorecard, folder / "scorecard.json")
        files.write_json(folder / "scene.json", record.scene)
        if strip:
            files.write_bytes(folder / "strip.jpg", strip.jpeg())
    if commander.crashed:
        _forget()
    charged = tuple(charge.drawn) if charge else () if trial.delay_s is None else (trial.delay_s,)
    return Outcome(record.scorecard, "", charged, tuple(record.refused), tuple(record.stops))


def _forget() -> None:
    """What was made is made anew for the next trial."""
    for made in _made.values():
        if hasattr(made, "close"):
            made.close()
    _made.clear()


def loop_for(trial: Trial) -> Loop:
    """The loop that the trial's cell runs in. Raises VipaError."""
    looks = trial.pictures or trial.bag is not None or registry.kind_of(trial.policy).wants_cameras
    key = trial.task, trial.robot, looks, trial.following, trial.fixed_cameras, trial.camera_noise
    if key not in _made:
        task = load_task(trial.task)
        robot, arms = load_robot(trial.robot or task.robot), following.asked(trial.following)
        cameras = task.cameras if looks else ()
        seen = {"fixed_cameras": trial.fixed_cameras, "camera_noise": trial.camera_noise}
        _made[key] = Loop(task, robot, cameras, following=arms, **seen)
    return _made[key]


def commander_for(trial: Trial, loop: Loop):
    """The commander of a trial for the robot of a Loop; one that is dear to make is made once a process. Raises VipaError."""
    request = CommanderRequest(trial.policy, trial.inference, trial.seed, trial.noise)
    if not registry.kind_of(trial.policy).reusable:
        return registry.make(request, loop.robot, loop.task)
    key = loop.robot.name, trial.policy, trial.inference
    if key not in _made:
        _made[key] = registry.make(request, loop.robot, loop.task)
    return _made[key]


def measure_latency(trial: Trial, count: int = 50, warm_up: int = 5) -> tuple[float, ...]:
    """Seconds of `count` steps of the trial's commander on this machine, at its first observation of the trial's scene; () for one that
    does not look and answers at once. Raises VipaError, also for one that sees nothing."""
    loop = loop_for(trial)
    commander = commander_for(trial, loop)
    if not commander.wants_cameras:
        return ()
    seen: list = []

    class Looking(Guarded):
        def step(self, what):
            seen.append(what)
            self.loop.scorer.stop("stopped", "interrupted", "seen enough")

    run_episode(loop.task, loop.robot, Looking(commander, loop), trial.seed, trial.variant, loop=loop)
    if not seen:
        raise VipaError(f"commander '{trial.policy}' saw nothing of task '{loop.task.name}'")
    times = []
    for _ in range(warm_up + count):
        began = time.perf_counter()
        try:
            commander.step(seen[0])
        except NoChunk as reason:
            raise VipaError(f"commander '{trial.policy}': {reason}") from None
        times.append(time.perf_counter() - began)
    return tuple(round(t, 6) for t in times[warm_up:])
