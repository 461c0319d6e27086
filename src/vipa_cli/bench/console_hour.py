"""An hour of the web console, compressed: two cameras and five clients, one of them stalled, as fast as the console goes, for as many frames
as an hour shows. Does its memory grow?"""

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from vipa_cli.bench import console
from vipa_cli.bench.console_clients import WATCH
from vipa_cli.bench.processes import memory_mb
from vipa_ros.bringup import environment, episode_graph
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.bringup.supervisor import Supervisor
from vipa_ros.console.pictures import MAX_RATE_HZ

FRAMES = round(3600 * MAX_RATE_HZ)  # of a camera in an hour
SAMPLE_S = 1.0  # wall seconds between two looks at the memory
SOURCE = {"cameras": ",".join(WATCH), "width": 320, "height": 240, "rate": 120.0, "depth": False}


def run(frames: int, json_path: Path | None) -> None:
    """Measures, prints what the memory did, writes it to `json_path` if given."""
    print(
        f"{frames} frames of each of {len(WATCH)} cameras; some {frames / 60 / 60:.0f} minutes on two quiet cores",
        flush=True,
    )
    found = measure(frames)
    print("\n".join(words(found)))
    if json_path is not None:
        json_path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(frames: int) -> dict:
    """Shows `frames` of each camera to every client that reads. frames: of a camera that a client saw. seconds: it took. memory_mb: of the
    console, a value a second."""
    with tempfile.TemporaryDirectory(prefix="vipa-bench-") as folder, ExitStack() as end:
        domain = environment.Domain()
        end.callback(domain.release)
        env = environment.child_environment(domain.id)
        source = ProcessSpec("cameras", "cameras", SOURCE, "vipa_cli.bench")
        end.enter_context(Supervisor([source], env, Path(folder) / "cameras"))
        specs = episode_graph.console_nodes("localhost:0", rate=0.0)
        page = end.enter_context(Supervisor(specs, env, Path(folder) / "console"))
        return _driven(console.address_of(page), page.processes["console"].pid, frames)


def _driven(address: str, pid: int, frames: int) -> dict:
    memory, shown = [], (console.CLIENTS - 1) * len(WATCH)
    with console.ClientProcess(address, 0.0, frames * shown) as clients:
        while not clients.ended:
            time.sleep(SAMPLE_S)
            memory.append(round(memory_mb(pid), 2))
        seen = clients.found()
    return {"frames": seen["frames"] / shown, "seconds": seen["seconds"], "memory_mb": memory}


def quarters(found: dict) -> list[float]:
    """Medians of the memory over the quarters of the time, MB: what grows, grows in each."""
    return [float(np.median(part)) for part in np.array_split(found["memory_mb"], 4)]


def words(found: dict) -> list[str]:
    """What came of it."""
    told = " → ".join(f"{value:.1f}" for value in quarters(found))
    return [
        f"{found['frames']:.0f} frames of each of {len(WATCH)} cameras to each of {console.CLIENTS - 1} clients, a fifth one stalled, in {found['seconds']:.0f} s",
        f"memory of the console, medians of the four quarters: {told} MB",
    ]
