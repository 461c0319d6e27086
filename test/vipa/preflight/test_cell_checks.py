"""Each check of a cell is silent where all is well, and fires on the fault that it is for."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from vipa.drivers.controllers import TYPE, Controller
from vipa.preflight import cell_checks
from vipa.preflight.cell_checks import cell_findings
from vipa.preflight.finding import ERROR, OK, WARNING
from vipa.preflight.heard import CameraHeard, Heard
from vipa.robot.description import load_robot

ROBOT = load_robot("fr3_single")
CAMERAS = ["scene", "wrist"]
ARM = Controller("active", TYPE, tuple(ROBOT.groups[0].joints))
NOW = 1_700_000_000_000_000_000
MS = 1_000_000


def well() -> Heard:
    """A real cell in which all is well, heard for 3 s."""
    heard = Heard(
        3.0,
        controllers={"arm_controller": ARM},
        parameters={"arm_controller": {"interpolate_from_desired_state": True, "interpolation_method": "splines"}},
        robot_ready="",
        estop=False,
    )
    for k, camera in enumerate(ROBOT.cameras):
        size = camera.width, camera.height
        period = round(1e9 / camera.rate)
        stamps = [NOW + i * period + 5 * MS * k for i in range(45)]
        f = size[0] * 0.9
        heard.cameras[camera.name] = CameraHeard(
            [(s, s + 30 * MS) for s in stamps], list(stamps), size, size, np.array([[f, 0, size[0] / 2], [0, f, size[1] / 2], [0, 0, 1]]),
            {"serial": "123", "usb": "3.2", "firmware": "5.16", "lost": "0"}, 90.0,
        )  # fmt: skip
        heard.frames[f"{camera.name}_color_optical_frame"] = camera.parent
    for group in ROBOT.groups:
        for joint, home in [*zip(group.joints, group.home, strict=True), *((j, 0.04) for j in group.hand.joints)]:
            heard.joints[joint] = [NOW + 10 * MS * i for i in range(300)]
            heard.positions[joint], heard.velocities[joint] = home, 0.0
    heard.joint_offsets = [0.002] * 300
    heard.wrenches = {"arm": 150}
    return heard


def finding(heard, name, driver="franka"):
    (found,) = [f for f in cell_findings(ROBOT, CAMERAS, heard, driver) if f.name == name]
    return found


def test_where_all_is_well_nothing_fires():
    assert [f for f in cell_findings(ROBOT, CAMERAS, well(), "franka") if f.level != OK] == []


def camera(**changes):
    def change(heard):
        for key, value in changes.items():
            setattr(heard.cameras["scene"], key, value)

    return change


def attribute(**changes):
    def change(heard):
        for key, value in changes.items():
            setattr(heard, key, value)

    return change


def late(seconds):
    def change(heard):
        seen = heard.cameras["scene"]
        seen.stamps = [(s, s + round(seconds * 1e9)) for s, _ in seen.stamps]

    return change


def shifted(seconds):
    def change(heard):
        seen = heard.cameras["wrist"]
        moved = [(s + round(seconds * 1e9), a) for s, a in seen.stamps]
        seen.stamps, seen.depth_stamps = moved, [s for s, _ in moved]

    return change


def gap(heard):
    seen = heard.cameras["wrist"]
    seen.stamps = seen.stamps[:15] + seen.stamps[25:]  # it was silent for two thirds of a second


def joint(name, **changes):
    def change(heard):
        for key, value in changes.items():
            getattr(heard, key)[name] = value

    return change


def arm(**changes):
    return attribute(controllers={"arm_controller": replace(ARM, **changes)})


def parameter(**changes):
    return lambda heard: heard.parameters["arm_controller"].update(changes)


def no_joint(heard):
    del heard.joints["fr3_joint3"]
    heard.joints["panda_joint3"] = [NOW]


def every_third(heard):
    seen = heard.cameras["scene"]
    seen.stamps = seen.stamps[::3]


def half_of_the_second_half(heard):
    seen = heard.cameras["scene"]
    seen.stamps = seen.stamps[:21] + seen.stamps[22::2]


FAULTS = {
    "no pictures": ("camera scene", camera(stamps=[]), ERROR, "0 pictures in 3 s"),
    "slow": ("camera scene", every_third, ERROR, "5.0 Hz; allowed: 12 or more of 15"),
    "lost on the way": ("camera scene", half_of_the_second_half, ERROR, "15.0 Hz, of which 12 of 45 pictures were lost on the way; allowed: 20%"),
    "stamps that stand": ("camera scene", camera(stamps=[(NOW, NOW)] * 45), ERROR, "stamps do not rise"),
    "no depth": ("camera scene", camera(depth_stamps=[]), ERROR, "no depth, aligned to colour"),
    "depth of other times": ("camera scene", camera(depth_stamps=[NOW + 1] * 45), ERROR, "no depth has the stamp"),
    "another size": ("camera scene", camera(size=(640, 480)), ERROR, "pictures of (640, 480)"),
    "no intrinsics": ("camera scene", camera(k=None), ERROR, "no CameraInfo"),
    "intrinsics of another size": ("camera scene", camera(info_size=(1280, 720)), ERROR, "camera_info is of 1280x720"),
    "a lens cap": ("camera scene", camera(mean=2.0), ERROR, "dark: 2 of 255"),
    "usb 2": ("camera scene", camera(facts={"usb": "2.1"}), WARNING, "on USB 2.1"),
    "lost frames": ("camera scene", camera(facts={"lost": "7"}), WARNING, "7 frames lost"),
    "cameras apart": ("camera skew", gap, ERROR, "scene and wrist are"),
    "cameras of different times": ("camera skew", shifted(100.0), ERROR, "never showed the same time"),
    "a joint that is silent": ("joints", no_joint, ERROR, "nothing heard of fr3_joint3; heard of panda_joint3"),
    "slow joints": ("joints", joint("fr3_joint2", joints=[NOW + 50 * MS * i for i in range(60)]), ERROR, "fr3_joint2 comes at 20 Hz"),
    "joints below motion's rate": ("joints", joint("fr3_joint2", joints=[NOW + 33 * MS * i for i in range(90)]), WARNING, "fr3_joint2 comes at 30 Hz; motion steps no faster, where the robot file wants 100"),
    "a joint that is nowhere": ("joints", joint("fr3_joint2", positions=float("nan")), ERROR, "no finite position"),
    "a joint beyond its limit": ("limits", joint("fr3_joint4", positions=0.5), ERROR, "fr3_joint4 stands at 0.500"),
    "an arm that moves": ("limits", joint("fr3_joint1", velocities=0.3), ERROR, "fr3_joint1 moves at 0.30"),
    "no wrench": ("wrench", attribute(wrenches={}), ERROR, "/arm/wrench: 0 Hz"),
    "a slow wrench": ("wrench", attribute(wrenches={"arm": 60}), ERROR, "/arm/wrench: 20 Hz"),
    "no frame of a camera": ("frames", attribute(frames={"wrist_color_optical_frame": "fr3_hand"}), ERROR, "nothing says where scene_color"),
    "a camera elsewhere": ("frames", attribute(frames={"scene_color_optical_frame": "camera_base", "wrist_color_optical_frame": "fr3_hand"}), ERROR, "scene is on camera_base; the robot file has it on world"),
    "a clock that is ahead": ("clocks", late(-0.05), ERROR, "50 ms in this host's future"),
    "a clock that is behind": ("clocks", late(0.8), ERROR, "800 ms old when it comes"),
    "joints from another time": ("clocks", attribute(joint_offsets=[0.2] * 9), ERROR, "/joint_states: 200 ms old"),
    "motion is stopped": ("motion", attribute(estop=True, stop_reasons=("force",)), ERROR, "stopped: force"),
    "no motion": ("motion", attribute(estop=None), WARNING, "no motion node"),
    "somebody drives": ("motion", attribute(authority="teleop"), WARNING, "'teleop' has the authority"),
    "the driver is not ready": ("driver", attribute(robot_ready="user stopped"), ERROR, "user stopped"),
    "no driver": ("driver", attribute(robot_ready=None), WARNING, "not running yet"),
    "no controller manager": ("controllers", attribute(controllers=None), ERROR, "does not answer"),
    "an idle controller": ("controllers", arm(state="inactive"), ERROR, "arm_controller is inactive"),
    "a controller that is not there": ("controllers", attribute(controllers={}), ERROR, "arm_controller is not loaded"),
    "a controller of another kind": ("controllers", arm(type="position_controllers/JointGroupPositionController"), ERROR, "is a position_controllers/"),
    "a controller of other joints": ("controllers", arm(joints=ARM.joints[:-1]), ERROR, "does not command fr3_joint7"),
    "a controller that says nothing": ("controllers", attribute(parameters={}), ERROR, "is not known yet"),
    "a controller that begins as measured": ("controllers", parameter(interpolate_from_desired_state=False), ERROR, "interpolate_from_desired_state is false"),
    "a controller that leaps": ("controllers", parameter(interpolation_method="none"), ERROR, "interpolation_method is none"),
    "a controller that gives up early": ("controllers", parameter(**{"constraints.fr3_joint1.trajectory": 0.05}), ERROR, "constraints.fr3_joint1.trajectory is 0.05"),
}  # fmt: skip


def test_a_controller_of_another_kind_is_not_told_of_parameters_that_it_has_not():
    heard = deepcopy(well())
    arm(type="position_controllers/JointGroupPositionController")(heard)
    heard.parameters["arm_controller"] = {}
    assert "interpolate_from_desired_state" not in finding(heard, "controllers").detail


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_says_what_to_do(fault):
    name, change, level, words = FAULTS[fault]
    heard = deepcopy(well())
    change(heard)
    found = finding(heard, name)
    assert found.level == level and words in found.detail, found
    assert found.fix
    assert finding(well(), name).level == OK


def servo(**changes):
    """With MoveIt, all well but for `changes`."""
    heard = well()
    heard.nodes, heard.servos, heard.servo_version = {"/vipa/arm/servo", "/planner"}, {"arm": "arm"}, "2.12.4"
    for key, value in changes.items():
        setattr(heard, key, value)
    return cell_checks.moveit(ROBOT, heard)


@pytest.mark.parametrize(
    "changes, level, words",
    [
        ({}, OK, "moveit_servo 2.12.4: /vipa/arm/servo; /planner"),
        ({"servo_version": ""}, OK, "of an unknown version"),
        ({"nodes": {"/planner"}}, ERROR, "/vipa/arm/servo is not running"),
        ({"servos": {"arm": ""}}, ERROR, "/vipa/arm/servo does not answer"),
        ({"servos": {"arm": "panda_arm"}}, ERROR, "moves group 'panda_arm'; allowed: arm"),
        ({"servo_version": "3.0.0"}, ERROR, "moveit_servo 3.0.0; allowed: 2.x"),
        ({"nodes": {"/vipa/arm/servo"}}, WARNING, "/planner is not running"),
    ],
)
def test_moveits_nodes_are_looked_at(changes, level, words):
    found = servo(**changes)
    assert found.level == level and words in found.detail and bool(found.fix) == (level != OK)


def test_another_serial_is_found():
    camera_file = ROBOT.cameras[0]

    found = cell_checks.camera_finding(replace(camera_file, serial="999"), well())
    assert found.level == ERROR and "it is 123; the robot file says 999" in found.detail


def test_a_simulated_cell_has_no_hardware_to_ask():
    heard = well()
    heard.simulated, heard.controllers, heard.robot_ready = True, None, None
    names = [f.name for f in cell_findings(ROBOT, CAMERAS, heard, "")]
    assert "controllers" not in names and "clocks" not in names
    assert all(f.level == OK for f in cell_findings(ROBOT, CAMERAS, heard, ""))
