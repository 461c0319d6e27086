"""Preflight of a cell in a process of its own, and the gate that a real episode passes first. No ROS in this process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vipa.drivers.driver import OWN
from vipa.errors import VipaError
from vipa.preflight import franky_checks
from vipa.preflight.finding import ERROR, Finding
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.preflight import doctor, host
from vipa_ros.preflight.pictures import pictures

LIMIT_S = 60.0  # wall seconds; a dry run takes longer
DRY_RUN_S = 900.0
LEAVE_S = 5.0  # wall seconds
MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


def cell(
    robot: str, env: dict[str, str], driver: str, cameras: str = "", moveit: bool = False, **acts: bool
) -> list[Finding]:
    """What node `preflight` finds in the graph that `env` leads to. driver: "": simulated. cameras: names with commas, "none"; "": all. acts: estop, dry_run.
    Raises VipaError for a wrong request."""
    wanted = {"robot": robot, "cameras": cameras, "driver": driver, "moveit": moveit, **acts}
    line = command(ProcessSpec("preflight", "preflight", wanted), Path())
    limit = DRY_RUN_S if acts.get("dry_run") else LIMIT_S
    with subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True, encoding="utf-8") as done:
        try:
            said, _ = done.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _end(done)
            return [Finding("cell", ERROR, f"no answer within {limit:g} s", "is ROS whole here? vipa doctor")]
        except KeyboardInterrupt:
            _end(done)
            raise
    if done.returncode == 2:
        raise VipaError("preflight was refused")
    try:
        return [Finding(**found) for found in json.loads(said.splitlines()[-1])]
    except (ValueError, TypeError, IndexError):
        return [Finding("cell", ERROR, f"preflight ended with status {done.returncode} and no answer", "vipa doctor")]


def _end(process: subprocess.Popen) -> None:
    """Leaves it time to give back the authority and the speed that a dry run takes."""
    process.terminate()
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def lines(findings: list[Finding], quiet: bool = False) -> list[str]:
    """A line a finding, with what to do beneath what is not ok. quiet: only what is not."""
    found = []
    for f in findings:
        if f.level != "ok" or not quiet:
            found.append(f"{MARKS[f.level]} {f.name}: {f.detail}")
        if f.level != "ok" and f.fix:
            found.append(f"        do: {f.fix}")
    return found


def before_real_episode(config, env: dict[str, str], look: Callable = cell) -> None:
    """Looks at the real cell that `config` is to run in. Prints what is not ok. Raises VipaError if anything is an error.

    Cameras and Servo nodes that the graph itself starts are not there yet: the policy and motion judge them.
    """
    robot, task = load_robot(config.robot), load_task(config.task)
    cameras = "none" if config.camera_driver else ",".join(task.cameras)
    findings = [
        doctor.disk(),
        doctor.shared_memory(),
        host.real_time(),
        pictures(robot, task, config.camera_driver, env),
        host.checkpoint(config.policy, config.inference, robot, task),
    ]
    seen = look(config.robot, env, config.driver, cameras)
    if config.driver in OWN:  # the episode's graph starts it: it says nothing yet, but the arms can be asked
        seen = [finding for finding in seen if finding.name.startswith("camera")]
        findings += franky_checks.arms(robot)
    findings += seen
    print("\n".join(lines(findings, quiet=True)), file=sys.stderr, flush=True)
    wrong = [f.name for f in findings if f.level == ERROR]
    if wrong:
        raise VipaError(
            f"the cell is not fit for an episode: {', '.join(wrong)}; `vipa doctor --cell real --driver {config.driver} --robot {config.robot} --task {config.task}` looks again"
        )


def gate(config, env: dict[str, str] | None = None) -> None:
    """`before_real_episode` where `config` is of a real cell. env: of the graph, None: this process's own, as launch files have it."""
    if config.cell == "real":
        before_real_episode(config, env if env is not None else {**os.environ, **environment.child_additions()})
