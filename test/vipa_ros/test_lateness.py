"""A cell that is late by what the robot file says: a policy and a dataset that are told so are right, untold they are wrong by it."""

import queue
import shutil
from dataclasses import replace

import numpy as np
import pytest

from vipa import run_folder
from vipa.commanders.expert.commander import Expert
from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.dataset.build import build_from_bags
from vipa.dataset.reader import Dataset
from vipa.rates import Every
from vipa.robot.description import Robot, load_robot
from vipa.tasks.scorecard import save
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.loop import Loop, run_episode

pytest.importorskip("rclpy")
from vipa_ros.cameras.publisher import CameraPublisher
from vipa_ros.episode.loop_recorder import LoopRecorder

TASK = load_task("water_plant")
PLAIN = load_robot("fr3_single")
CAMERA_S, COMMAND_S = 0.04, 0.06


def late(camera: float, command: float) -> Robot:
    """The robot file after `vipa calibrate latency`: its delays, seconds."""
    cameras = [replace(c, latency=camera) for c in PLAIN.cameras]
    return replace(PLAIN, cameras=cameras, groups=[replace(g, command_latency=command) for g in PLAIN.groups])


def policy_run(cell: Robot, told: Robot) -> tuple[float, float]:
    """The shipped policy in a cell as late as `cell`, by the robot file `told`, over 4 s: metres, RMS, between where the arm was at the
    exposure and where the policy had it, and between where the policy wanted it and where it then was."""
    commander = PolicyCommander(told, load_policy("water_plant_keypoint"))
    tools: dict[int, np.ndarray] = {}
    seen: list[tuple[int, np.ndarray]] = []
    answers = []
    step = commander.step

    def watched(given):
        chunk = step(given)
        pose = given.observation.groups["arm"].tool_pose
        seen.append((loop.captures.newest(given.now_ns - loop_frame_ns)["wrist"].stamp_ns, pose))
        answers.append((given.observation.stamp_ns, chunk))
        return chunk

    commander.step = watched
    with Loop(TASK, cell, TASK.cameras) as loop:
        loop.robot = told
        loop_frame_ns = 50_000_000

        def on_tick(tick):
            tools[tick.stamp_ns] = tick.groups["arm"].tool_pose[:3]

        run_episode(TASK, told, commander, 0, loop=loop, time_limit=4.0, on_tick=on_tick)
        delay = loop.cell.delays_ns.get("wrist", 0)
    times = np.array(sorted(tools))
    places = np.array([tools[t] for t in times])

    def at(stamp):
        return np.array([np.interp(stamp, times, places[:, axis]) for axis in range(3)])

    looked = [pose[:3] - at(stamp - delay) for stamp, pose in seen]
    followed = []
    for (stamp, chunk), (_, following) in zip(answers, answers[1:]):
        for k, pose in enumerate(chunk.groups[0].poses, 1):
            due = stamp + k * round(chunk.dt * 1e9)
            if chunk.stamp_ns + 150_000_000 < due < following.stamp_ns:  # it has arrived, and is the newest
                followed.append(pose[:3] - at(due))
    return rms(looked), rms(followed)


def rms(errors) -> float:
    return float(np.sqrt(np.mean(np.sum(np.square(errors), axis=1))))


def test_pictures_of_a_late_camera_come_when_they_are_stamped():
    """In the graph, too: exposed 0.06 s before."""
    robot = replace(PLAIN, cameras=[replace(c, latency=0.06 if c.name == "wrist" else 0.0) for c in PLAIN.cameras])
    cell = SimCell(robot, TASK, image_size=(32, 24), late=True)
    publisher, start = CameraPublisher.__new__(CameraPublisher), cell.stamp_ns
    publisher.cell, publisher.exposed, publisher.error, publisher.jobs = cell, [], None, queue.Queue()
    publisher.every = {name: Every(camera.rate, start) for name, camera in cell.cameras.items()}
    late: dict[str, set[int]] = {"scene": set(), "wrist": set()}
    for _ in range(60):
        publisher.tick(cell.stamp_ns)
        while not publisher.jobs.empty():
            for camera, snapshot in publisher.jobs.get():
                assert snapshot.stamp_of(camera) == cell.stamp_ns
                late[camera].add(cell.stamp_ns - snapshot.stamp_ns)
        cell.step()
    assert late == {"scene": {0}, "wrist": {60_000_000}}
    assert SimCell(robot, TASK, cameras=()).delays_ns == {}, "whoever reckons with no latency has none"


@pytest.fixture(scope="module")
def runs():
    """In a cell whose camera and arms are late: told so, and not."""
    cell = late(CAMERA_S, COMMAND_S)
    return [policy_run(cell, told) for told in (cell, PLAIN)]


def test_a_policy_that_is_told_of_a_late_camera_knows_where_the_arm_was(runs):
    right, wrong = (looked for looked, _ in runs)
    print(f"arm at the exposure: told {1e3 * right:.1f} mm, untold {1e3 * wrong:.1f} mm")
    assert right < 0.001 and wrong > 0.006


def test_a_policy_that_is_told_of_late_arms_has_them_there_in_time(runs):
    right, wrong = (followed for _, followed in runs)
    print(f"arm beside the policy's path: told {1e3 * right:.1f} mm, untold {1e3 * wrong:.1f} mm")
    assert right < wrong / 2


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """The same bag of a late cell as a dataset: by a robot file that says so, and by one that does not."""
    folder, cell, made = tmp_path_factory.mktemp("late"), late(0.2, 0.1), []
    with Loop(TASK, cell, TASK.cameras, (64, 48)) as loop:
        recorder = LoopRecorder(loop, folder / "bag", "late")
        record = run_episode(
            TASK, cell, Expert(cell, TASK), 1, loop=loop, on_tick=recorder.on_tick, episode_id="late", time_limit=4.0
        )
        assert not recorder.close()
    for name, robot in (("told", cell), ("untold", PLAIN)):
        run = run_folder.RunFolder(folder / name)
        run.path.mkdir()
        shutil.copytree(folder / "bag", run.bag)
        save(record.scorecard, run.path)
        cameras = [replace(c, width=64, height=48) for c in robot.cameras]
        run.write_config(task=TASK, robot=replace(robot, cameras=cameras))
        result = build_from_bags([run.path], folder / f"{name}-set", everything=True)
        assert len(result.added) == 1, result
        made.append(Dataset(folder / f"{name}-set").episode(0))
    return made


def frames_apart(episode) -> int:
    """Frames by which what the wrist camera sees changes after the joints have moved."""
    pictures = episode.images("wrist").astype(float).mean(axis=3)
    seen = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2))
    moved = np.linalg.norm(np.diff(episode["observation.state"][:, :7].astype(float), axis=0), axis=1)
    scores = {
        n: np.corrcoef(seen[max(n, 0) : len(seen) + min(n, 0)], moved[max(-n, 0) : len(moved) - max(n, 0)])[0, 1]
        for n in range(-4, 5)
    }
    return max(scores, key=scores.get)


def test_a_datasets_pictures_belong_to_its_joints(datasets):
    assert [frames_apart(episode) for episode in datasets] == [0, 2]  # 0.2 s at 10 Hz


def test_a_datasets_actions_are_what_the_arm_then_did(datasets):
    right, wrong = (rms(e["action"][:, :3].astype(float) - e["executed"][:, :3].astype(float)) for e in datasets)
    print(f"commanded and executed: told {1e3 * right:.1f} mm, untold {1e3 * wrong:.1f} mm apart")
    assert right < wrong / 3
