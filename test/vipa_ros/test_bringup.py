"""The real cell's graph, and what is refused before anything starts."""

import dataclasses

import pytest

from vipa import resources
from vipa.commanders import registry
from vipa.errors import VipaError
from vipa.evaluation.plan import CommanderEntry, Plan, expand
from vipa.recording.topic_names import camera_topics
from vipa.robot.description import RealSense, load_robot
from vipa_ros.bringup import camera_nodes, process
from vipa_ros.bringup import episode_graph as graph_module
from vipa_ros.bringup.episode_graph import EpisodeConfig, cell_graph, episode_graph
from vipa_ros.evaluation import session


@pytest.mark.parametrize("config, commander, message", [
    ({}, True, "unknown driver of the real cell ''; allowed: franka, franky, ur"),
    ({"driver": "abb"}, False, "driver of the real cell 'abb'; allowed: franka, franky, ur"),
    ({"driver": "franka"}, True, "policy 'expert' lives on a simulation's ground truth"),
    ({"driver": "ur", "policy": "models/x"}, True, "unknown policy 'models/x'; names here: .*; allowed: 'expert' .*, or NAME@HOST.*, or a checkpoint"),
    ({"driver": "ur", "cell": "sim"}, True, "driver 'ur' is for cell real"),
    ({"driver": "ur", "following": "lag=0.1"}, False, "following 'lag=0.1' is for cell sim"),
    ({"cell": "sim", "following": "lag=9"}, True, "following: lag 9.0; allowed: 0 .. 0.5"),
    ({"cell": "moon"}, True, "unknown cell 'moon'; allowed: real, sim"),
])  # fmt: skip
def test_what_is_missing_is_said(config, commander, message):
    with pytest.raises(VipaError, match=message):
        EpisodeConfig(**{"task": "put_three_obj", "cell": "real"} | config).checked(commander)


@pytest.mark.parametrize("config, message", [
    ({"motion_backend": "magic"}, "unknown motion backend 'magic'; allowed: auto, embedded, moveit"),
    ({"motion_backend": "moveit", "speed": 0.0}, "speed 0 with motion backend moveit, which keeps wall time; allowed: above 0, to 1"),
    ({"motion_backend": "moveit", "speed": 2.0}, "speed 2 with motion backend moveit"),
])  # fmt: skip
def test_a_motion_backend_that_cannot_be_had_is_refused(config, message):
    with pytest.raises(VipaError, match=message):
        EpisodeConfig("water_plant", **config).checked()


def test_the_motion_backend_reaches_motion_alone():
    specs = episode_graph(EpisodeConfig("water_plant", motion_backend="moveit").checked())
    assert {s.name: s.parameters["motion_backend"] for s in specs if "motion_backend" in s.parameters} == {
        "motion": "moveit"
    }


@pytest.mark.parametrize("old, new, message", [
    ("[fingers, drawer_handle]", "[fr3_link3, table]", "subtask 'open drawer': contact fr3_link3|table; allowed by the robot's file"),
    ("subtasks:", "  - {name: fr3_link3, position: [3, 0, 0], size: [1, 1, 1]}\nsubtasks:", "name 'fr3_link3' is that of a link"),
    ("subtasks:", "  - {name: table, position: [3, 0, 0], size: [1, 1, 1]}\nsubtasks:", "fixtures: a name stands twice"),
])  # fmt: skip
def test_a_task_opens_no_more_than_the_robots_file_says(tmp_path, old, new, message):
    text = (resources.root() / "tasks/put_three_obj.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(VipaError) as error:
        EpisodeConfig(str(tmp_path / "mine.yaml")).checked()
    assert message in str(error.value)


def test_how_arms_follow_reaches_the_cell_alone():
    specs = episode_graph(EpisodeConfig("water_plant", following="lag=0.1").checked())
    assert {s.name: s.parameters["following"] for s in specs if "following" in s.parameters} == {"sim": "lag=0.1"}


@pytest.mark.parametrize("option", ["fixed_cameras", "camera_noise"])
def test_what_cameras_see_is_the_cells_alone_and_a_simulated_ones(option):
    specs = episode_graph(EpisodeConfig("water_plant", **{option: True}).checked())
    assert {s.name: s.parameters[option] for s in specs if option in s.parameters} == {"sim": True}
    with pytest.raises(VipaError, match="fixed cameras and camera noise are for cell sim"):
        EpisodeConfig("put_three_obj", cell="real", driver="franka", **{option: True}).checked(False)


def test_a_driver_without_its_messages_is_refused(monkeypatch):
    monkeypatch.setattr(graph_module, "DRIVERS", {"franka": ("no_such_msgs",)})
    with pytest.raises(VipaError, match="wants the package no_such_msgs, which is not installed"):
        EpisodeConfig("put_three_obj", cell="real", driver="franka").checked(False)


@pytest.mark.parametrize("driver", ["franka", "ur"])
def test_a_driver_that_tells_of_one_arm_is_refused_for_two(driver):
    with pytest.raises(VipaError, match=f"driver '{driver}' tells of one arm, and robot 'fr3_dual' has 2"):
        EpisodeConfig("insert_flower", cell="real", driver=driver).checked(False)


@pytest.mark.parametrize(
    "driver, nodes", [("franka", ["motion", "planner", "robot", "gripper"]), ("ur", ["motion", "planner", "robot"])]
)
def test_a_real_cell_has_no_simulation_and_no_simulated_time(driver, nodes):
    config = EpisodeConfig("put_three_obj", cell="real", driver=driver).checked(commander=False)
    graph = cell_graph(config)
    assert [spec.executable for spec in graph] == nodes
    # ros2_control's controllers take commands that say when they begin; node franky those that begin when they come
    assert graph[0].parameters["dated_commands"] is (driver != "franky")
    whole = episode_graph(EpisodeConfig(**config.__dict__ | {"policy": "water_plant"}))
    assert all(spec.parameters.get("use_sim_time", False) is False for spec in whole)
    assert {"policy", "task_manager", "recorder", "episode"} < {spec.name for spec in whole} and "sim" not in {
        s.name for s in whole
    }


def test_a_standing_cell_homes_and_recovers_simulated_or_real():
    sim = {s.name: s for s in graph_module.standing_graph(EpisodeConfig("water_plant").checked(commander=False))}
    assert set(sim) == {"sim", "motion", "planner", "robot"} and not any(s.leader for s in sim.values())
    assert sim["robot"].parameters["cell"] == "sim" and "driver" not in sim["robot"].parameters
    config = EpisodeConfig("put_three_obj", cell="real", driver="franka").checked(commander=False)
    assert [s.executable for s in graph_module.standing_graph(config)] == ["motion", "planner", "robot", "gripper"]


def test_our_camera_node_stands_in_a_real_cell_that_asks_for_it(tmp_path):
    text = resources.find("config/robots", "fr3_single").read_text(encoding="utf-8")
    for name in ("scene", "wrist"):
        text = text.replace(f"  - name: {name} ", f"  - name: {name}\n    serial: '1{name}'\n    # ")
    (tmp_path / "robot.yaml").write_text(text, encoding="utf-8")
    real = {"task": "put_three_obj", "cell": "real", "driver": "franka", "camera_driver": "realsense"}
    config = EpisodeConfig(**real, robot=str(tmp_path / "robot.yaml")).checked(commander=False)
    assert [s.executable for s in cell_graph(config)] == ["motion", "planner", "robot", "gripper", "realsense"]
    for changes, why in (
        ({"robot": ""}, "no serial in the robot file"),
        ({"camera_driver": "realsense2_camera"}, "package realsense2_camera is not installed"),
        ({"camera_driver": "webcam"}, "camera driver 'webcam'"),
        ({"cell": "sim", "driver": ""}, "camera driver 'realsense' is for cell real"),
    ):
        with pytest.raises(VipaError, match=why):
            EpisodeConfig(**real | {"robot": config.robot} | changes).checked(commander=False)


def test_realsense2_camera_publishes_what_the_table_says():
    camera = dataclasses.replace(load_robot("fr3_single").cameras[0], serial="0123", width=640, height=480, rate=30.0)
    robot = dataclasses.replace(load_robot("fr3_single"), cameras=[camera])
    (spec,) = camera_nodes.camera_nodes("realsense2_camera", robot, "robot.yaml")
    assert f"{spec.namespace}/{spec.name}/color/image_raw" == camera_topics(camera.name)["color"]
    given = spec.given
    assert given["serial_no"] == "_0123" and given["align_depth.enable"] and given["enable_sync"]
    assert given["rgb_camera.color_profile"] == given["depth_module.depth_profile"] == "640x480x30"
    assert given["color_qos"] == given["depth_qos"] == "DEFAULT"


def test_realsense2_camera_publishes_a_d405s_colour_where_others_have_it(tmp_path, monkeypatch):
    """It has one sensor for both: without these the driver takes a profile of its own, and says `image_rect_raw`."""
    robot = load_robot("fr3_single")
    spec = camera_nodes.camera_nodes("realsense2_camera", robot, "robot.yaml")[1]
    wrist = robot.cameras[1]
    assert (
        wrist.model == "d405" and spec.given["depth_module.color_profile"] == spec.given["depth_module.depth_profile"]
    )
    monkeypatch.setattr(process, "program", lambda spec: tmp_path / spec.executable)
    words = process.command(spec, tmp_path)
    remap = f"/camera/wrist/color/image_rect_raw:={camera_topics('wrist')['color']}"
    assert words[words.index(remap) - 1] == "-r"
    assert process.launch_keywords(spec)["remappings"] == [tuple(remap.split(":="))]


def test_realsense2_camera_runs_a_camera_as_the_robot_file_says():
    wanted = RealSense(exposure=200.0, white_balance=4600.0, sync="master", emitter=False, filters=["spatial"])
    plain, other = (dataclasses.replace(c, realsense=wanted) for c in load_robot("fr3_single").cameras)
    robot = dataclasses.replace(load_robot("fr3_single"), cameras=[plain, other])
    d435, d405 = (spec.given for spec in camera_nodes.camera_nodes("realsense2_camera", robot, "robot.yaml"))
    assert d435["rgb_camera.exposure"] == d405["depth_module.exposure"] == 200
    assert d435["rgb_camera.enable_auto_white_balance"] is False and "depth_module.exposure" not in d435
    assert d435["depth_module.inter_cam_sync_mode"] == 1 and d435["depth_module.emitter_enabled"] == 0
    assert d435["spatial_filter.enable"] and d435["disparity_filter.enable"]
    late = dataclasses.replace(plain, serial="1", realsense=RealSense(lock_after=3.0))
    with pytest.raises(VipaError, match="camera scene: realsense.lock_after is for camera driver realsense"):
        camera_nodes.check("realsense2_camera", dataclasses.replace(robot, cameras=[late]))


def test_a_plans_weakened_commanders_are_weakened_over_the_graph_too():
    plan = Plan(
        {"shaky": CommanderEntry("expert", noise=0.02), "slow": CommanderEntry("water_plant", delay=0.5)},
        ["water_plant"],
        trials=1,
    )
    found = {}
    for trial in expand(plan):
        config = session.episode_config(plan, trial).checked()
        spec = next(s for s in episode_graph(config) if s.name == registry.kind_of(config.policy).commander_id)
        found[trial.commander] = {k: v for k, v in spec.parameters.items() if k in ("noise", "seed", "delay")}
    seed = expand(plan)[0].card.seed
    assert found == {"shaky": {"noise": 0.02, "seed": seed}, "slow": {"delay": 0.5}}
