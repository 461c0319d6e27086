"""What the web console costs control: a standing cell without it, with it, and with five clients that look, one of which has stalled, by
turns, so that what else the machine does meets all three alike."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.recording import topics
from vipa_cli.bench.console_clients import WATCH
from vipa_cli.bench.processes import cpu_s, memory_mb
from vipa_ros.bringup import environment, episode_graph
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.bringup.supervisor import Supervisor

TASK = "water_plant"
CLIENTS = 5  # of which the last stalls
BEGIN_TIMEOUT_S = 60.0  # wall seconds for a graph to begin
END_TIMEOUT_S = 30.0  # wall seconds for clients to end
SETTLE_S = 4.0  # wall seconds that are not measured after something has begun
PHASES = "no console", "console, nobody looks", "five clients, one stalled"


@dataclass(frozen=True)
class Round:
    """One phase of one round. jitter_ms: 99th percentiles of the control step's jitter over a second each, wall time. cpu: share of a core
    that the console took. sent_ms, age_ms: of frames when they left the console, and when they were shown: ROS time, and the way: 50 and 95 %. rate: frames a second, client and
    camera. memory_mb: of the console at the end."""

    phase: str
    seconds: float
    jitter_ms: tuple[float, ...]
    cpu: float = 0.0
    sent_ms: tuple[float, float] | None = None
    age_ms: tuple[float, float] | None = None
    rate: float = 0.0
    memory_mb: float = 0.0


class Jitter:
    """The control step's jitter, as motion in the ROS domain `domain` says it."""

    def __init__(self, domain: int):
        import rclpy
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
        from vipa_msgs.msg import MotionStatus

        from vipa_ros.common.qos import PROFILES

        self.values: list[float] = []
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        node = rclpy.create_node("bench", context=context)
        node.create_subscription(MotionStatus, topics.MOTION_STATUS, self._heard, PROFILES["stream"])
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)

        def spin():
            try:
                executor.spin()
            except ExternalShutdownException:
                pass

        self.thread = threading.Thread(target=spin, daemon=True)
        self.thread.start()
        self.close = context.shutdown

    def _heard(self, msg) -> None:
        self.values.append(msg.jitter_ms_p99)

    def over(self, seconds: float) -> tuple[float, ...]:
        """All that is said in the next `seconds`. Raises VipaError if motion says nothing."""
        self.values.clear()
        time.sleep(seconds)
        if not self.values:
            raise VipaError("motion is not heard")
        return tuple(self.values)


class ClientProcess:
    """CLIENTS clients of the console at `address`, in a process of their own. frames: see vipa_cli.bench.console_clients."""

    def __init__(self, address: str, settle_s: float = SETTLE_S, frames: int = 0):
        told = [address, str(CLIENTS), str(settle_s), str(frames)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vipa_cli.bench.console_clients", *told],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def __enter__(self) -> "ClientProcess":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def ended(self) -> bool:
        """Whether they have seen what they were to see, or died."""
        return self.process.poll() is not None

    def found(self) -> dict:
        """Ends them: what they saw. Raises VipaError."""
        said, _ = self.process.communicate(timeout=END_TIMEOUT_S)
        if self.process.returncode:
            raise VipaError(f"the console's clients ended with exit status {self.process.returncode}")
        return json.loads(said)


def measure(seconds: float, rounds: int) -> list[Round]:
    """Every phase `rounds` times for `seconds` of wall time, by turns, beside one standing cell."""
    found = []
    with tempfile.TemporaryDirectory(prefix="vipa-bench-") as folder, ExitStack() as end:
        domain = environment.Domain()
        end.callback(domain.release)
        env = environment.child_environment(domain.id)
        os.environ.update(env)  # this process hears motion as the graph's do
        config = EpisodeConfig(TASK).checked(commander=False)
        end.enter_context(Supervisor(episode_graph.standing_graph(config), env, Path(folder) / "cell"))
        jitter = Jitter(domain.id)
        end.callback(jitter.thread.join, 5.0)
        end.callback(jitter.close)
        deadline = time.monotonic() + BEGIN_TIMEOUT_S
        while not jitter.values and time.monotonic() < deadline:
            time.sleep(0.1)
        for _ in range(rounds):
            time.sleep(SETTLE_S)
            found.append(Round(PHASES[0], seconds, jitter.over(seconds)))
            with Supervisor(episode_graph.console_nodes("localhost:0"), env, Path(folder) / "console") as console:
                found += _with_console(console, jitter, seconds)
    return found


def _with_console(console: Supervisor, jitter: Jitter, seconds: float) -> list[Round]:
    address, pid = address_of(console), console.processes["console"].pid
    time.sleep(SETTLE_S)
    before = cpu_s(pid)
    idle = Round(PHASES[1], seconds, jitter.over(seconds), (cpu_s(pid) - before) / seconds, memory_mb=memory_mb(pid))
    with ClientProcess(address) as clients:
        time.sleep(SETTLE_S)
        before = cpu_s(pid)
        values = jitter.over(seconds)
        cpu, memory = (cpu_s(pid) - before) / seconds, memory_mb(pid)
        seen = clients.found()
    rate = seen["frames"] / seen["seconds"] / (CLIENTS - 1) / len(WATCH)
    sent, shown = (tuple(seen[name]) if seen[name] else None for name in ("sent_ms", "age_ms"))
    return [idle, Round(PHASES[2], seconds, values, cpu, sent, shown, rate, memory)]


def run(seconds: float, rounds: int, json_path: Path | None) -> None:
    """Measures the phases, prints the table, writes it to `json_path` if given."""
    found = measure(seconds, rounds)
    print("\n".join(table(found)))
    if json_path is not None:
        json_path.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n", encoding="utf-8")


def address_of(console: Supervisor) -> str:
    """The page's. Raises VipaError if it does not begin."""
    deadline = time.monotonic() + BEGIN_TIMEOUT_S
    while time.monotonic() < deadline:
        for line in console.last_lines("console"):
            if line.startswith("console: "):
                return line.split()[1]
        time.sleep(0.1)
    raise VipaError(f"the console did not begin: {' / '.join(console.last_lines('console'))}")


def table(found: list[Round]) -> list[str]:
    """Markdown, a line a phase: figures over all of its rounds. beside none: the median of its jitter over that without a console, in the
    same round: the median round, the least and the greatest."""
    head = (
        "",
        "s",
        "control jitter p99: median, 95 %, greatest, ms",
        "beside none",
        "console, % of a core",
        "age of frames sent p50 / p95, ms",
        "shown",
        "frames/s a camera and client",
        "memory, MB",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    medians = {phase: [statistics.median(r.jitter_ms) for r in found if r.phase == phase] for phase in PHASES}
    for phase in PHASES:
        rounds = [row for row in found if row.phase == phase]
        values = [value for row in rounds for value in row.jitter_ms]
        jitter = f"{statistics.median(values):.1f}, {np.quantile(values, 0.95):.1f}, {max(values):.1f}"
        ratios = sorted(mine / none for mine, none in zip(medians[phase], medians[PHASES[0]]))
        beside = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        ages = [_middle([getattr(row, name) for row in rounds]) for name in ("sent_ms", "age_ms")]
        cpu, rate = (statistics.fmean(getattr(row, name) for row in rounds) for name in ("cpu", "rate"))
        cells = [phase, f"{sum(row.seconds for row in rounds):g}", jitter, beside if phase != PHASES[0] else "1",
                 f"{100 * cpu:.1f}" if cpu else "", *ages, f"{rate:.1f}" if rate else "",
                 f"{max(row.memory_mb for row in rounds):.0f}" if rounds[0].memory_mb else ""]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _middle(pairs) -> str:
    """Medians over the rounds of 50 and 95 %."""
    found = [pair for pair in pairs if pair]
    return " / ".join(f"{statistics.median(pair[i] for pair in found):.0f}" for i in (0, 1)) if found else ""
