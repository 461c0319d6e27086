"""Preflight of the host, its lines, and the gate that a real episode passes: each on an injected fault."""

import resource
import shutil
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from vipa import resources
from vipa.commanders.inference import BEST_FIT
from vipa.errors import VipaError
from vipa.preflight.finding import ERROR, OK, WARNING, Finding
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_cli import cli
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.preflight import doctor, host, run
from vipa_ros.preflight.pictures import pictures

ROBOT, TASK = load_robot("fr3_single"), load_task("water_plant")


def answers(returncode=0, stdout="", stderr=""):
    return lambda *_, **__: SimpleNamespace(returncode=returncode, stdout=stdout, stderr=stderr)


def test_a_gpu_is_told_with_its_driver():
    found = host.gpu(answers(stdout="NVIDIA H100, 550.54, 70000 MiB\n"))
    assert found.level == OK and "NVIDIA H100, 550.54" in found.detail


def test_a_gpu_that_is_full_or_broken_is_found():
    full = host.gpu(answers(stdout="NVIDIA RTX, 550.54, 100 MiB\n"))
    assert full.level == WARNING and "100 MiB free" in full.detail and full.fix
    broken = host.gpu(answers(9, stderr="Failed to initialize NVML: Driver/library version mismatch\n"))
    assert broken.level == WARNING and "version mismatch" in broken.detail and broken.fix

    def gone(*_, **__):
        raise FileNotFoundError

    assert host.gpu(gone).level == OK


def test_limits_that_a_driver_cannot_live_with_are_found():
    none = host.real_time(lambda which: (0, 0) if which == resource.RLIMIT_RTPRIO else (8 << 20, 8 << 20))
    assert (
        none.level == WARNING
        and "rtprio 0" in none.detail
        and "memlock 8192 kB" in none.detail
        and "limits.d" in none.fix
    )
    assert (
        host.real_time(
            lambda which: (99, 99) if which == resource.RLIMIT_RTPRIO else (resource.RLIM_INFINITY,) * 2
        ).level
        == OK
    )


def test_a_checkpoint_is_told_by_its_hash_and_a_damaged_one_is_found(tmp_path):
    ships = host.checkpoint("water_plant", BEST_FIT, ROBOT, TASK)
    assert ships.level == OK and "sha256" in ships.detail
    damaged = tmp_path / "damaged"
    shutil.copytree(resources.checkpoint("water_plant"), damaged)
    with open(damaged / "velocity-fp32.onnx", "r+b") as file:
        file.seek(1000)
        file.write(b"\xff" * 8)
    found = host.checkpoint(str(damaged), BEST_FIT, ROBOT, TASK)
    assert found.level == ERROR and "velocity-fp32.onnx has SHA-256" in found.detail and found.fix
    assert host.checkpoint("nope", BEST_FIT, ROBOT, TASK).level == ERROR


def test_versions_name_what_is_installed():
    assert "numpy" in host.versions().detail and "vipa" in host.versions().detail


def test_a_full_disk_and_a_full_shared_memory_are_found(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=1e6))
    monkeypatch.setattr(doctor, "dead_shared_memory", lambda since: [])
    for found in (doctor.disk(), doctor.shared_memory()):
        assert found.level == ERROR and found.fix


def test_another_python_and_wrong_packages_are_found(monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "0.0.1")
    found = doctor.packages()
    assert found.level == ERROR and "0.0.1 (pinned" in found.detail and found.fix
    monkeypatch.setattr(doctor, "PYTHONS", ((3, 99), (3, 99)))
    assert doctor.python_version(True).level == ERROR


def test_another_ros_and_messages_that_are_not_there_are_found(monkeypatch):
    monkeypatch.setattr(
        doctor, "probe", lambda code, **_: ({"rmw": "rmw_fastrtps_cpp", "rclpy": "/opt/ros/jazzy/x.py"}, "")
    )
    found = doctor.middleware(True)
    assert found.level == ERROR and "another ROS is mixed in" in found.detail and found.fix == "unset PYTHONPATH"
    monkeypatch.setattr(doctor, "probe", lambda code, **_: ({}, "ModuleNotFoundError: No module named 'vipa_msgs'"))
    for found in (
        doctor.middleware(True),
        doctor.message_types(True),
        doctor.message_types(False),
        doctor.dds_profile(),
    ):
        assert found.level == ERROR and "vipa_msgs" in found.detail and found.fix


def test_black_pictures_are_found(monkeypatch):
    black = {"platform": "EGL", "renderer": "llvmpipe", "light": 0.0, "ms": 5.0}
    monkeypatch.setattr(doctor, "probe", lambda code, **_: (black, ""))
    found = doctor.rendering()
    assert found.level == ERROR and "draws a black picture" in found.detail and found.fix


def test_shared_memory_that_nobody_may_write_is_found(monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    found = doctor.shared_memory()
    assert found.level == ERROR and "not writable" in found.detail and found.fix


def test_the_version_of_a_ros_package_is_that_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path}")
    assert host.version_of("moveit_servo") == ""
    (tmp_path / "share/moveit_servo").mkdir(parents=True)
    (tmp_path / "share/moveit_servo/package.xml").write_text(
        "<package><version>2.12.4</version></package>", encoding="utf-8"
    )
    assert host.version_of("moveit_servo") == "2.12.4"


def test_a_taken_domain_is_found(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "500")
    assert doctor.domain().level == ERROR


def test_another_middleware_and_a_profile_that_is_not_in_force_are_found(monkeypatch):
    monkeypatch.setattr(
        doctor, "probe", lambda code, **_: ({"rmw": "rmw_cyclonedds_cpp", "rclpy": __file__, "segments": []}, "")
    )
    assert doctor.dds_profile().level == WARNING
    monkeypatch.setattr(
        doctor, "probe", lambda code, **_: ({"rmw": "rmw_fastrtps_cpp", "rclpy": __file__, "segments": [1]}, "")
    )
    assert doctor.dds_profile().level == ERROR


def sized(width, height, rate=30.0):
    return replace(ROBOT, cameras=[replace(c, width=width, height=height, rate=rate) for c in ROBOT.cameras])


@pytest.mark.parametrize(
    "robot, driver, level, words",
    [
        (ROBOT, "", OK, "2 cameras, colour and depth, is 0.8 MB; 67.1 MB of shared memory hold 87.4; so much has who sends"),
        (sized(1280, 720), "realsense", OK, "hold 7.3; 30 are kept: a recorder may be 1.0 s late"),
        (sized(1280, 720, 60.0), "realsense2_camera", OK, "hold 14.6; 10 are kept: a recorder may be 0.2 s late"),
        (sized(2560, 1440), "realsense2_camera", OK, "hold 3.6"),  # a process for each
        (sized(2560, 1440), "realsense", WARNING, "hold 1.8; 30 are kept: a recorder may be 1.0 s late; wanted: room for 3"),
        (sized(3840, 2160), "realsense2_camera", WARNING, "the largest camera, colour and depth, is 41.5 MB"),
    ],
)  # fmt: skip
def test_pictures_that_outgrow_the_shared_memory_are_found(robot, driver, level, words):
    found = pictures(robot, TASK, driver, {})
    assert found.level == level and words in found.detail, found
    assert level == OK or ("cameras[].width" in found.fix and "segment_size" in found.fix)


def test_a_profile_of_one_s_own_counts_and_only_the_task_s_cameras_where_others_start_them(tmp_path):
    small = tmp_path / "small.xml"
    small.write_text("<profiles xmlns='x'><publisher/></profiles>", encoding="utf-8")
    env = {"FASTDDS_DEFAULT_PROFILES_FILE": str(small)}
    found = pictures(ROBOT, TASK, "", env)
    assert found.level == WARNING and "0.5 MB of shared memory hold 0.7" in found.detail
    for broken in ("no profile", "<segment_size>"):
        small.write_text(broken, encoding="utf-8")
        assert pictures(ROBOT, TASK, "", env).level == WARNING
    assert pictures(ROBOT, TASK, "", {"FASTRTPS_DEFAULT_PROFILES_FILE": "/nowhere.xml"}).level == WARNING
    assert pictures(ROBOT, TASK, "", env | {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}).level == OK
    one = replace(TASK, cameras=["scene"])
    assert "hold 7.3" in pictures(sized(1280, 720), one, "realsense", {}).detail
    assert "the largest camera" in pictures(sized(1280, 720), one, "", {}).detail
    assert "none are sent" in pictures(replace(ROBOT, cameras=[]), one, "realsense", {}).detail


def test_doctor_says_it_of_a_task_s_cell(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "check", list)
    monkeypatch.setattr(run, "cell", lambda *_, **__: [])
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/nowhere.xml")
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "--task", "water_plant", "--domain", "77", "--quiet"])
    said = capsys.readouterr().out
    assert (
        ended.value.code == 0
        and said.startswith("warning pictures: a frame of 2 cameras")
        and "do: robot file:" in said
    )


CONFIG = EpisodeConfig("water_plant", policy="water_plant", robot="fr3_single", cell="real", driver="franka")


def test_a_real_episode_is_refused_on_an_error_and_says_all_of_them(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "dead_shared_memory", lambda since: [])
    asked = []

    def look(robot, env, driver, cameras):
        asked.append((robot, driver, cameras))
        return [
            Finding("camera scene", ERROR, "0 pictures", "start it"),
            Finding("driver", WARNING, "not running yet", "x"),
        ]

    with pytest.raises(
        VipaError, match=r"not fit for an episode: camera scene; `vipa doctor --cell real --driver franka"
    ):
        run.before_real_episode(CONFIG, {"FASTRTPS_DEFAULT_PROFILES_FILE": "/nowhere.xml"}, look)
    assert asked == [("fr3_single", "franka", "scene,wrist")]
    said = capsys.readouterr().err
    assert "warning pictures" in said and "FASTRTPS_DEFAULT_PROFILES_FILE" in said
    assert "ERROR   camera scene: 0 pictures" in said and "do: start it" in said and "warning driver" in said


def test_a_real_episode_goes_on_with_warnings(monkeypatch):
    monkeypatch.setattr(doctor, "dead_shared_memory", lambda since: [])
    run.before_real_episode(CONFIG, {}, lambda *_: [Finding("driver", WARNING, "not running yet", "x")])


@pytest.mark.parametrize("cell", ["real", "sim"])
def test_a_real_episode_passes_it_and_a_simulated_one_does_not(monkeypatch, cell):
    """Command line, sets of trials and launch file call `gate` before anything starts."""
    asked = []
    monkeypatch.setattr(run, "before_real_episode", lambda config, env: asked.append(env))
    run.gate(replace(CONFIG, cell=cell), {"ROS_DOMAIN_ID": "7"})
    run.gate(replace(CONFIG, cell=cell))
    assert len(asked) == (2 if cell == "real" else 0)
    for path in (
        "src/vipa_cli/commands/episode.py",
        "src/vipa_ros/evaluation/over_graph.py",
        "launch/episode.launch.py",
    ):
        assert "gate(config" in (resources.root() / path).read_text(encoding="utf-8"), path


def test_nothing_said_is_an_error(monkeypatch):
    monkeypatch.setattr(run, "command", lambda spec, folder: [sys.executable, "-c", "print('no json'); exit(1)"])
    (found,) = run.cell("fr3_single", {}, "")
    assert found.level == ERROR and "status 1" in found.detail
    monkeypatch.setattr(run, "command", lambda spec, folder: [sys.executable, "-c", "exit(2)"])
    with pytest.raises(VipaError, match="refused"):
        run.cell("nope", {}, "")


def test_a_look_that_is_interrupted_is_left_its_end(monkeypatch, tmp_path):
    """It has authority and speed to give back."""
    looks = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1], "given back").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1], "begun").touch()
time.sleep(60)
"""
    monkeypatch.setattr(run, "command", lambda spec, folder: [sys.executable, "-c", looks, str(tmp_path)])

    def interrupted(process, timeout):
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.cell("fr3_single", {}, "")
    assert (tmp_path / "given back").exists()
