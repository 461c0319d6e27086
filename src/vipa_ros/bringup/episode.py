"""One episode from its configuration to its run folder: over the graph, or in this process without ROS."""

import signal
import sys
from datetime import datetime
from pathlib import Path

from vipa import files, run_folder
from vipa.commanders import registry
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks import scorecard
from vipa.tasks.task import load_task
from vipa.terminal import keyboard
from vipa_ros.bringup import episode_graph
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.bringup.supervisor import Supervisor
from vipa_sim import following

# Wall seconds that the episode gets to score itself after a node has died. A commander's silence is judged after 5 s of ROS time,
# which a busy machine makes ten times as long.
FAULT_GRACE_S = 60.0


def prepare(config: EpisodeConfig, runs: Path) -> tuple[run_folder.RunFolder, EpisodeConfig]:
    """The run folder of an episode, with its resolved config.yaml."""
    task, robot = load_task(config.task), load_robot(config.robot)
    run_folder.check_space(runs, robot, config.cell, config.time_limit or task.time_limit)
    folder = run_folder.create(runs, task.name, run_folder.new_episode_id(), datetime.now())
    folder.write_config(episode=config, task=task, robot=robot)
    return folder, EpisodeConfig(**{**config.__dict__, "run_folder": str(folder.path.resolve())})


def run_in_process(config, folder) -> int:
    """The episode in the in-process loop, with the same run folder. Interrupted, it is scored as stopped, as over the graph."""
    try:
        return _loop(config, folder)
    except KeyboardInterrupt:
        ignore_ends()
        if not folder.scorecard.is_file():
            write_scorecard(config, folder, "stopped", "interrupted", "the in-process loop was ended")
        raise


def _loop(config, folder) -> int:
    from vipa_ros.episode.loop_recorder import LoopRecorder
    from vipa_sim.loop import Loop, run_episode
    from vipa_sim.trials import Trial, commander_for

    task, episode_id = load_task(config.task), run_folder.new_episode_id()
    trial = Trial(config.task, config.seed, policy=config.policy, inference=config.inference)
    arms = following.asked(config.following)
    seen = {"fixed_cameras": config.fixed_cameras, "camera_noise": config.camera_noise}
    with Loop(task, load_robot(config.robot), task.cameras, following=arms, **seen) as loop:
        commander = commander_for(trial, loop)
        recorder = LoopRecorder(loop, folder.bag, episode_id)
        try:
            record = run_episode(
                task, loop.robot, commander, config.seed, config.variant, on_tick=recorder.on_tick, loop=loop,
                time_limit=config.time_limit or None, episode_id=episode_id,
                policy=scorecard.policy_id(config.policy, config.policy_sha256),
            )  # fmt: skip
        finally:
            lost = recorder.close()
            if hasattr(commander, "close"):  # a served policy's connection
                commander.close()
    print(scorecard.render(record.scorecard))
    problem = scorecard.save(record.scorecard, folder.path) or lost
    if problem:
        print(problem, file=sys.stderr, flush=True)
        return 1
    folder.write_scene(record.scene)
    return scorecard.exit_status(record.scorecard, config.require_success)


def supervise(config, folder, env, verbose, servos=(), held=()) -> int:
    """Runs the graph to its end, MoveIt's nodes `servos` beside it, and returns the exit status. held: see Supervisor."""
    specs = [*episode_graph.episode_graph(config), *servos]
    with (
        keyboard.single_keys() as typing,
        Supervisor(specs, env, folder.path / "logs", verbose, typing, held) as graph,
    ):
        if typing:
            verdicts = "; d, f: the sub-task is done, has failed" if config.cell == "real" else ""
            print(f"space: emergency stop{verdicts}; Ctrl-C: end", flush=True)
        try:
            name, status = graph.wait()
            if name != "episode":
                report_death(graph, name, status)
                died, wrong_request = name, status == 2
                if (
                    not wrong_request and died != "task_manager"
                ):  # without it nobody scores, and nobody ends the episode
                    graph.wait_leader(FAULT_GRACE_S)
                status, why = 2 if wrong_request else 1, ("error", "node", f"node '{died}' died")
            else:
                why = "error", "node", "the task manager gave no result"
        except KeyboardInterrupt:
            ignore_ends()
            print("\ninterrupted: closing the episode", file=sys.stderr, flush=True)
            graph.interrupt_leader(1.5)
            status, why = 130, ("stopped", "interrupted", "before the episode began")
    if not folder.scorecard.is_file() and not scorecard.elsewhere(folder.path).is_file():
        write_scorecard(config, folder, *why)
    return status


def ignore_ends() -> None:
    """From here to the end of the process: a second Ctrl-C must not tear the clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def report_death(graph, name, status) -> None:
    """Says which node of `graph` died, and what it said last."""
    print(f"\nnode '{name}' died (exit status {status}); its last lines:", file=sys.stderr)
    print("\n".join(f"  [{name}] {line}" for line in graph.last_lines(name)), file=sys.stderr, flush=True)


def write_scorecard(config, folder, outcome, kind, detail):
    """The scorecard of an episode that nobody could score any more."""
    from vipa.tasks.runner import EpisodeRunner

    run = EpisodeRunner(
        load_task(config.task), load_robot(config.robot), registry.kind_of(config.policy).commander_id, cell=config.cell,
        episode_id=folder.path.name.rsplit("-", 1)[-1], seed=config.seed, variant=config.variant,
    )  # fmt: skip
    run.scorer.stop(outcome, kind, detail)
    card = run.scorecard(0.0)
    if problem := scorecard.save(card, folder.path):
        print(problem, file=sys.stderr, flush=True)


def make_report(folder) -> None:
    """Video and report; a failure here is told and does not change what the episode was."""
    from vipa.reporting import report

    print("writing video and report …", flush=True)
    try:
        report.rebuild(folder.path)
    except (VipaError, OSError, ValueError) as error:
        print(f"no report: {error}; try: vipa report {folder.path}", file=sys.stderr)


def print_paths(folder) -> None:
    """What the run left, and where the scorecard is if the run folder's disk did not take it."""
    other = scorecard.elsewhere(folder.path)
    if not folder.scorecard.is_file() and other.is_file():
        print(
            f"{folder.path}: not written whole ({files.disk_words(folder.path)}); the scorecard is {other}",
            file=sys.stderr,
        )
    for label, path in (
        ("bag", folder.bag),
        ("scorecard", folder.scorecard),
        ("video", folder.video),
        ("report", folder.report),
    ):
        if path.exists():
            print(f"  {label:<10} {path}")
