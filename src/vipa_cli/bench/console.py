"""What the web console costs control: a standing cell without it, with it, and with five clients that look, one of which has stalled."""

import json
import statistics
import struct
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from vipa.errors import VipaError
from vipa.recording import topics
from vipa_ros.bringup import environment, episode_graph
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.bringup.supervisor import Supervisor

TASK = "water_plant"
CLIENTS = 5  # of which the last stalls
BEGIN_TIMEOUT_S = 60.0  # wall seconds for a graph to begin
SETTLE_S = 5.0  # wall seconds that are not measured after something has begun
WATCH = ("scene", "wrist")


@dataclass(frozen=True)
class Row:
    """A phase. jitter_ms: 99th percentiles of the control step's jitter over a second each, wall time: their median, 95 % and greatest.
    age_ms: of frames when they were shown, ROS time and the way: 50 and 95 %. rate: frames a second, client and camera. memory_mb: of
    the console, after the first tenth and at the end."""

    phase: str
    seconds: float
    jitter_ms: tuple[float, float, float]
    age_ms: tuple[float, float] | None = None
    rate: float = 0.0
    memory_mb: tuple[float, float] | None = None


@dataclass
class Clients:
    """Clients of the console at `address`, each on a thread, until `end`."""

    address: str
    end: threading.Event = field(default_factory=threading.Event)
    ages: list[float] = field(default_factory=list)
    frames: int = 0

    def begin(self, count: int) -> None:
        """Opens `count` of them; the last one stalls."""
        for number in range(count):
            threading.Thread(target=self._stall if number == count - 1 else self._look, daemon=True).start()

    def _open(self, path: str):
        place, _, token = self.address.partition("/?")
        return connect(
            f"ws{place.removeprefix('http')}{path}?{token}",
            origin=place,
            compression=None,
            max_size=None,
            ping_interval=None,
        )

    def _look(self) -> None:
        with self._open("/frames") as frames, self._open("/state") as state:
            threading.Thread(target=_drain, args=(state,), daemon=True).start()
            frames.send(json.dumps({"watch": WATCH}))
            while not self.end.is_set():
                try:
                    data = frames.recv(1.0)
                except TimeoutError:
                    continue
                (length,) = struct.unpack("<I", data[:4])
                told = json.loads(data[4 : 4 + length])
                frames.send(json.dumps({"got": told["camera"]}))
                self.frames += 1
                if told["age_ms"] is not None and told["shown_ms"] is not None:
                    self.ages.append(told["age_ms"] + told["shown_ms"])

    def _stall(self) -> None:
        """Opens everything, asks for all, and never reads."""
        with self._open("/frames") as frames, self._open("/state"):
            frames.send(json.dumps({"watch": WATCH}))
            self.end.wait()


def _drain(socket) -> None:
    try:
        for _ in socket:
            pass
    except ConnectionClosed:
        pass


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

    def over(self, seconds: float) -> tuple[float, float, float]:
        """Median, 95 % and greatest over the next `seconds`. Raises VipaError if motion says nothing."""
        time.sleep(SETTLE_S)
        self.values.clear()
        time.sleep(seconds)
        if not self.values:
            raise VipaError("motion is not heard")
        return statistics.median(self.values), float(np.quantile(self.values, 0.95)), max(self.values)


def memory_mb(pid: int) -> float:
    """Resident memory of the process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def run(seconds: float, json_path: Path | None) -> None:
    """Measures each phase for `seconds`, prints the table, writes it to `json_path` if given."""
    config = EpisodeConfig(TASK).checked(commander=False)
    rows = []
    with tempfile.TemporaryDirectory(prefix="vipa-bench-") as folder, ExitStack() as end:
        domain = environment.Domain()
        end.callback(domain.release)
        env = environment.child_environment(domain.id)
        end.enter_context(Supervisor(episode_graph.standing_graph(config), env, Path(folder) / "cell"))
        jitter = Jitter(domain.id)
        end.callback(jitter.thread.join, 5.0)
        end.callback(jitter.close)
        deadline = time.monotonic() + BEGIN_TIMEOUT_S
        while not jitter.values and time.monotonic() < deadline:
            time.sleep(0.1)
        rows.append(Row("no console", seconds, jitter.over(seconds)))
        specs = episode_graph.console_nodes("localhost:0")
        console = end.enter_context(Supervisor(specs, env, Path(folder) / "console"))
        clients = Clients(_address(console))
        pid = console.processes["console"].pid
        rows.append(Row("console, nobody looks", seconds, jitter.over(seconds)))
        clients.begin(CLIENTS)
        jitter.over(seconds / 10)
        early = memory_mb(pid)
        clients.frames, began = 0, time.monotonic()
        clients.ages.clear()
        found = jitter.over(seconds)
        rate = clients.frames / (time.monotonic() - began) / (CLIENTS - 1) / len(WATCH)
        p50, p95 = (float(np.quantile(clients.ages, q)) for q in (0.5, 0.95))
        rows.append(Row("five clients, one stalled", seconds, found, (p50, p95), rate, (early, memory_mb(pid))))
        clients.end.set()
    print("\n".join(table(rows)))
    if json_path is not None:
        json_path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


def _address(console: Supervisor) -> str:
    deadline = time.monotonic() + BEGIN_TIMEOUT_S
    while time.monotonic() < deadline:
        for line in console.last_lines("console"):
            if line.startswith("console: "):
                return line.split()[1]
        time.sleep(0.1)
    raise VipaError(f"the console did not begin: {' / '.join(console.last_lines('console'))}")


def table(rows: list[Row]) -> list[str]:
    """Markdown, a line a phase."""
    lines = [
        "| | s | control jitter p99: median, 95 %, greatest, ms | age of frames shown p50 / p95, ms | frames/s a camera and client | memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        age = f"{row.age_ms[0]:.0f} / {row.age_ms[1]:.0f}" if row.age_ms else ""
        memory = f"{row.memory_mb[0]:.1f} → {row.memory_mb[1]:.1f}" if row.memory_mb else ""
        rate = f"{row.rate:.1f}" if row.rate else ""
        jitter = ", ".join(f"{value:.1f}" for value in row.jitter_ms)
        lines.append(f"| {row.phase} | {row.seconds:g} | {jitter} | {age} | {rate} | {memory} |")
    return lines
