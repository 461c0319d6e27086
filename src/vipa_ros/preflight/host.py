"""This machine beside the graph: versions, GPU, real-time limits, checkpoint."""

import importlib.metadata
import os
import re
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

from vipa import __version__, resources
from vipa.commanders import registry
from vipa.commanders.kind import CommanderRequest
from vipa.errors import VipaError
from vipa.preflight.finding import ERROR, OK, WARNING, Finding
from vipa.robot.description import Robot
from vipa.tasks.task import Task
from vipa_model import checksums

PACKAGES = (
    "numpy",
    "mujoco-core",
    "pin",
    "coal",
    "onnxruntime",
    "opencv-python-headless",
    "pyrealsense2",
    "ros-jazzy-rclpy",
    "torch",
)
GPU_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.free", "--format=csv,noheader")
FREE_MB = 2000  # of a GPU's memory, beneath which a policy hardly fits
PRIORITY = 80  # that a real-time robot driver on this host takes


def versions() -> Finding:
    """What is installed, for a report of a fault."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return Finding("versions", OK, f"vipa {__version__}; {', '.join(found)}")


def version_of(package: str) -> str:
    """The version of an installed ROS package, by its package.xml under AMENT_PREFIX_PATH; '' where there is none."""
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        path = Path(prefix) / "share" / package / "package.xml"
        if path.is_file() and (
            said := re.search(r"<version>\s*([\w.-]+)", path.read_text(encoding="utf-8", errors="replace"))
        ):
            return said.group(1)
    return ""


def gpu(run: Callable = subprocess.run) -> Finding:
    """GPU, driver and free memory. None is no error: policies run on the CPU."""
    try:
        done = run(GPU_QUERY, capture_output=True, text=True, encoding="utf-8", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        kind = "no nvidia-smi" if isinstance(error, FileNotFoundError) else f"nvidia-smi: {error}"
        return Finding("gpu", OK, f"{kind}: policies run on the CPU")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        return Finding(
            "gpu",
            WARNING,
            f"nvidia-smi fails: {said[0] if said else done.returncode}",
            "reboot after a change of the driver; nvidia-smi",
        )
    rows = [row.strip() for row in done.stdout.splitlines() if row.strip()]
    full = [
        row for row in rows if (free := row.split(",")[-1].split()) and free[0].isdigit() and int(free[0]) < FREE_MB
    ]
    if full:
        return Finding("gpu", WARNING, f"{full[0]} free; wanted: {FREE_MB} MB", "end what fills it: nvidia-smi")
    return Finding("gpu", OK, "; ".join(rows) or "none")


def real_time(limits: Callable = resource.getrlimit) -> Finding:
    """Whether a process here may take a real-time priority and lock its memory, as a robot's driver on this host wants."""
    priority, memory = limits(resource.RLIMIT_RTPRIO)[0], limits(resource.RLIMIT_MEMLOCK)[0]
    lacking = []
    if priority != resource.RLIM_INFINITY and priority < PRIORITY:
        lacking.append(f"rtprio {priority}, {PRIORITY} wanted")
    if memory != resource.RLIM_INFINITY:
        lacking.append(f"memlock {memory // 1024} kB, unlimited wanted")
    if lacking:
        fix = "where a robot's driver runs on this host: /etc/security/limits.d/realtime.conf: @realtime - rtprio 99, @realtime - memlock unlimited"
        return Finding("real time", WARNING, "; ".join(lacking), fix)
    return Finding("real time", OK, "a driver may take a real-time priority")


def checkpoint(policy: str, inference, robot: Robot, task: Task) -> Finding:
    """Whether the commander `policy` can run for `robot`: its files whole by their checksums, its groups and cameras the robot's."""
    try:
        kind = registry.kind_of(policy)
        sha256 = kind.check(CommanderRequest(policy, inference), robot, task)
        folder = resources.checkpoint(policy)
        if (folder / "config.json").is_file():
            checksums.verify(folder, ())
            sha256 = checksums.digest(folder / checksums.CHECKSUMS)
    except (VipaError, OSError, ValueError) as error:
        return Finding(
            "commander",
            ERROR,
            str(error),
            "vipa policy list; vipa export CHECKPOINT; for a served one: is `vipa serve` running?",
        )
    return Finding("commander", OK, f"{policy}{f', sha256 {sha256[:16]}' if sha256 else ''}")
