"""What load does to the graph of processes: whole episodes with busy loops beside them, and with cameras in a process of their own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from vipa.errors import VipaError
from vipa.recording.reader import BagReader
from vipa.robot.description import load_robot
from vipa.run_folder import RunFolder
from vipa_cli.bench import cameras
from vipa_ros.bringup import environment, episode_graph
from vipa_ros.bringup.episode import prepare
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.bringup.supervisor import Supervisor

EPISODES = {"put_three_obj": "expert", "water_plant": "water_plant"}  # task: who commands
LOADS = (0, 1, 2)  # busy loops
CAMERA_S = 10.0  # of ROS time: two cameras are 90 MB a second


@dataclass(frozen=True)
class Case:
    """An episode over the graph with `load` busy loops beside it. cameras: the robot's cameras are not rendered by the cell but
    published by a process of their own, 640x480 at 30 Hz; the episode is cut off after CAMERA_S."""

    task: str
    policy: str
    seed: int = 0
    load: int = 0
    cameras: bool = False


@dataclass(frozen=True)
class Row:
    """What came of a case. done: sub-tasks. jitter_ms: 99th percentile of the control step's. age_ms: 50th and 99th percentiles of
    the observation's age at its execution, ROS time. dropped: what the recorder lost, and frames that a bag lacks between its
    first and its last. slow: wall over ROS time."""

    case: Case
    outcome: str
    subtasks: tuple[str, ...]
    jitter_ms: float
    age_ms: tuple[float | None, float | None]
    dropped: int
    slow: float


@contextmanager
def busy(count: int) -> Iterator[None]:
    """`count` processes that never rest."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def specs_of(case: Case, config: EpisodeConfig) -> list[ProcessSpec]:
    """The graph's processes, and the source of large pictures where a case has one."""
    specs = episode_graph.episode_graph(config)
    if not case.cameras:
        return specs
    names = ",".join(camera.name for camera in load_robot(config.robot).cameras)
    for spec in specs:
        if spec.name == "sim":
            spec.parameters["cameras"] = False
    source = {"cameras": names, "use_sim_time": True}
    return [*specs, ProcessSpec("cameras", "cameras", source, "vipa_cli.bench", respawn=True)]


def measure(case: Case, runs: Path) -> Row:
    """Runs `case` with its run folder in `runs`. Raises VipaError if it is not scored."""
    config = EpisodeConfig(case.task, case.policy, seed=case.seed, time_limit=CAMERA_S if case.cameras else 0.0)
    folder, config = prepare(config.checked(), runs)
    domain = environment.Domain()
    specs = specs_of(case, config)
    try:
        with (
            busy(case.load),
            Supervisor(specs, environment.child_environment(domain.id), folder.path / "logs") as graph,
        ):
            name, status = graph.wait()
            lines = graph.last_lines(name)
    finally:
        domain.release()
    if not folder.scorecard.is_file():
        raise VipaError(f"{case}: node '{name}' ended with status {status}: {' / '.join(lines)}")
    return row(case, folder)


def row(case: Case, folder: RunFolder) -> Row:
    """What the scorecard and the bag of a case say."""
    card = json.loads(folder.scorecard.read_text(encoding="utf-8"))
    timing, ros = card["timing"], card["duration_s"]
    dropped = (timing["dropped_frames"] or 0) + (missing_frames(folder.bag) if case.cameras else 0)
    age = timing["observation_age_ms_p50"], timing["observation_age_ms_p99"]
    subtasks = tuple(s["status"] for s in card["subtasks"])
    return Row(
        case,
        card["outcome"],
        subtasks,
        timing["control_jitter_ms_p99"],
        age,
        dropped,
        card["wall_s"] / ros if ros else 0.0,
    )


def missing_frames(bag: Path) -> int:
    """Frames of `vipa_cli.bench.cameras` that a bag lacks between the first and the last that it has. Raises VipaError if a
    camera has none."""
    missing = 0
    with BagReader(bag) as reader:
        names = [name for name in reader.topics if name.endswith("/image_raw")]
        numbers: dict[str, list[int]] = {name: [] for name in names}
        for message in reader.messages(names):
            numbers[message.topic].append(cameras.number(message.data.data))
    for name, seen in numbers.items():
        if len(seen) < 2:
            raise VipaError(f"bag {bag}: {len(seen)} frames of {name}")
        missing += seen[-1] - seen[0] + 1 - len(seen)
    return missing


def cases(seeds: Sequence[int], loads: Sequence[int] = LOADS) -> list[Case]:
    """Every task, seed and load by turns, then the cameras with every load."""
    whole = [Case(task, policy, seed, load) for task, policy in EPISODES.items() for seed in seeds for load in loads]
    return whole + [Case("put_three_obj", "expert", seeds[0], load, True) for load in loads]


def run(seeds: Sequence[int], json_path: Path | None, loads: Sequence[int] = LOADS) -> None:
    """Measures all cases, prints the table, writes it to `json_path` if given."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="vipa-bench-") as runs:
        for case in cases(seeds, loads):
            with tempfile.TemporaryDirectory(dir=runs) as one:  # bags of cameras are large
                rows.append(measure(case, Path(one)))
            if json_path is not None:
                json_path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    print("\n".join(table(rows)))


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown, a line for each task and load: worst of its seeds."""
    lines = ["| episode | busy loops | succeeded | control jitter p99, ms | age of observations p50 / p99, ms | dropped | wall over ROS time |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    kinds = dict.fromkeys((row.case.task, row.case.policy, row.case.cameras, row.case.load) for row in rows)
    for kind in kinds:
        task, policy, own, load = kind
        some = [r for r in rows if (r.case.task, r.case.policy, r.case.cameras, r.case.load) == kind]
        won = f"cut off after {CAMERA_S:g} s" if own else f"{sum(r.outcome == 'success' for r in some)} of {len(some)}"
        ages = [max(r.age_ms[i] or 0.0 for r in some) for i in (0, 1)]
        slow = max(r.slow for r in some)
        lines.append(
            f"| {task}, {policy}{', cameras of their own' if own else ''} | {load} | {won} | {max(r.jitter_ms for r in some):.0f} "
            f"| {ages[0]:.0f} / {ages[1]:.0f} | {sum(r.dropped for r in some)} | {slow:.2f} |"
        )
    return lines
