"""The package in both worlds: metadata, colcon, set-up and stand-ins."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import pytest
from rosbags.typesys import Stores, get_typestore

from vipa import __version__
from vipa.preflight.finding import ERROR, WARNING
from vipa.robot.description import load_robot
from vipa_ros.bringup import moveit_graph
from vipa_ros.bringup.camera_nodes import camera_nodes
from vipa_ros.preflight import doctor

ROOT = Path(__file__).resolve().parents[1]
STAND_INS = ROOT / "interfaces"
wheels = pytest.mark.skipif(
    importlib.util.find_spec("ros_wheels_bootstrapper") is None, reason="only where ROS comes from wheels"
)

# RIHS01 of the true packages, generated from their sources: geometry2 jazzy, control_msgs 5.8.0, moveit_msgs 2.6.0
TRUE_HASHES = {
    "tf2_msgs/msg/TFMessage": "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "control_msgs/msg/GripperCommand": "57eb8f326c9889ca8bb34ead82cc94cc09bf6bc5c3b6c09546dca3a00b589890",
    "control_msgs/msg/JointComponentTolerance": "739ea7566931944d33830fa10f1bf5e7a7fbdc3172bce7a7eaac642bd6e3ffa4",
    "control_msgs/msg/JointJog": "ba249455a20f70168a1acb7bf43b776b72ff1f7eb5fc4cfea443f749e963c6e7",
    "control_msgs/msg/JointTolerance": "c254f9cece0f3b733017b6990fd46d1326e25242d6b8844398c97d9a88e7d648",
    "control_msgs/action/FollowJointTrajectory": "738ebcb7a2d7cfa42f9f1001cc99ce3a4383d1cfe508015d9be8485e4b1c66f6",
    "control_msgs/action/GripperCommand": "e17c0e644eccf14bea84a0a93e0977182872c2eb7873ca6694900059b46dbc84",
    "moveit_msgs/msg/ServoStatus": "882a75f7648d6f8a9bf528e4787f51c58f2d5d88b702e450443d99f270e6936b",
    "moveit_msgs/srv/ServoCommandType": "2065f4daf271249330596d344ecd48f5c2d2a52e3b21b1fc56d99c52b8eeae22",
    # of the fields in ros2_control 4.46.0, franka_ros2 3.4.0 and Universal_Robots_ROS2_Driver
    "controller_manager_msgs/msg/ChainConnection": "2daecd1da4b171f48b291c79747657a651eb1ab8821b68e38b1c88c736bba91c",
    "controller_manager_msgs/msg/ControllerState": "9a8780ab9814b6032978a07c6c7033cf1a7894ac8d948a6fb72afea07b04cc83",
    "controller_manager_msgs/srv/ListControllers": "4f8e36bb1fa5afdeba45c2d56ae6a2097b1493a253f961dd6290c085033bd189",
    "controller_manager_msgs/srv/SwitchController": "d4ad10aa5da7808bc522d55d4123d8ef79de73d049d165639d7663ac37cc9895",
    "franka_msgs/msg/Elbow": "f54141b92a05447bfa2f993ac28c289b477358a3d543ad099e1a34c10d70d9bb",
    "franka_msgs/msg/CollisionIndicators": "17d02113f0e8ec3768433baafd4f27fe5eaacf95d6c21f591bf3473e541e0840",
    "franka_msgs/msg/Errors": "eaf7a9752f64efac239306101020545cebebff8b5130875d95bf0ed4d8bb774d",
    "franka_msgs/msg/FrankaRobotState": "fd225b337bab54d06047858c866442b98e3a882a4717cefc6ddd783fcbf17332",
    "franka_msgs/action/ErrorRecovery": "6c5dbf0517672f7127a92796e6a162d096e286c26f88c96177cb4c5448dfc5f5",
    "ur_dashboard_msgs/msg/RobotMode": "ba3c379b3c995f660b38d03a195dc23ed7571a1bc06ceed2cec38c75ae9bd634",
    "ur_dashboard_msgs/msg/SafetyMode": "9eb2716e6905f06e4eb60af26712660486e909026aa89c553dd633f1fb22f592",
}


# Of what we use of cv2, what Ubuntu 24.04's OpenCV 4.6 has, too (looked up in it), and what the code asks for before it uses it.
CV2_OF_4_6 = """
BFMatcher BORDER_REPLICATE CALIB_FIX_K3 CC_STAT_AREA CHAIN_APPROX_NONE COLORMAP_TURBO COLOR_BGR2RGB
COLOR_GRAY2RGB COLOR_RGB2BGR COLOR_RGB2GRAY COLOR_RGB2HSV COLOR_RGB2YUV_I420 Canny
FONT_HERSHEY_SIMPLEX GaussianBlur IMREAD_COLOR IMREAD_UNCHANGED IMWRITE_JPEG_QUALITY
IMWRITE_PNG_COMPRESSION INTER_AREA INTER_CUBIC INTER_LINEAR INTER_NEAREST LINE_AA LUT NORM_HAMMING
ORB RANSAC RETR_EXTERNAL Rodrigues SIFT_create SOLVEPNP_IPPE TERM_CRITERIA_EPS
TERM_CRITERIA_MAX_ITER __version__ applyColorMap aruco.CORNER_REFINE_NONE aruco.CORNER_REFINE_SUBPIX
aruco.DetectorParameters_create aruco.detectMarkers aruco.drawMarker aruco.getPredefinedDictionary
calibrateCameraExtended circle connectedComponentsWithStats cornerSubPix cvtColor dilate
drawContours erode error estimateAffinePartial2D findContours findHomography getPerspectiveTransform
imdecode imencode imread imwrite line medianBlur perspectiveTransform projectPoints putText remap
resize setNumThreads solvePnPGeneric solvePnPRefineLM transform warpAffine
""".split()
CV2_ASKED_FOR = {
    "src/vipa/compressed_images.py": {"IMWRITE_PNG_FILTER", "IMWRITE_PNG_FILTER_UP"},
    "src/vipa/calibration/board.py": {"aruco", "aruco.CharucoBoard", "aruco.CharucoDetector", "aruco.CharucoParameters", "aruco.DetectorParameters"},
    "src/vipa/calibration/charuco.py": {"aruco", "aruco.ArucoDetector", "aruco.CharucoBoard", "aruco.CharucoDetector", "aruco.DetectorParameters"},
}  # fmt: skip


def test_the_opencv_of_ubuntu_is_enough():
    for path in (ROOT / "src").rglob("*.py"):
        file = str(path.relative_to(ROOT))
        used = set(re.findall(r"\bcv2\.((?:aruco\.)?\w+)", path.read_text("utf-8")))
        strangers = used - set(CV2_OF_4_6) - CV2_ASKED_FOR.get(file, set())
        assert not strangers, f"{file}: has cv2 4.6, of apt, {strangers}?"


def test_every_stand_in_is_compared():
    declared = {
        f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}"
        for path in STAND_INS.rglob("*")
        if path.suffix in (".msg", ".srv", ".action")
    }
    assert declared == set(TRUE_HASHES)


@wheels
@pytest.mark.parametrize("name", TRUE_HASHES)
def test_a_stand_in_is_the_true_type_on_the_wire(name):
    description = json.loads((Path(sys.prefix) / "share" / f"{name}.json").read_text(encoding="utf-8"))
    hashes = {entry["type_name"]: entry["hash_string"] for entry in description["type_hashes"]}
    assert hashes[name] == f"RIHS01_{TRUE_HASHES[name]}"


def test_tf_message_hash_is_what_others_say():
    """Against the Jazzy definitions that rosbags carries, which are not ours."""
    others = get_typestore(Stores.ROS2_JAZZY).hash_rihs01("tf2_msgs/msg/TFMessage")
    assert others == f"RIHS01_{TRUE_HASHES['tf2_msgs/msg/TFMessage']}"


def test_versions_agree():
    files = [ROOT / "package.xml", ROOT / "vipa_msgs/package.xml"]
    versions = {ElementTree.parse(path).getroot().findtext("version") for path in files}
    assert versions == {__version__}
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[0] == "Unreleased" and changes[1] == __version__
    assert f'version="{__version__}"' in (ROOT / "setup.py").read_text(encoding="utf-8")


# What package.xml names and nothing of ours imports or starts: plug-ins that others load by a name. Package → (where we say that name, the name,
# who loads it).
PLUG_INS = {
    "rmw_fastrtps_cpp": ("src/vipa_ros/bringup/environment.py", '"RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"', "rcl: the middleware"),
    "moveit_kinematics": ("src/vipa/moveit/settings.py", "kdl_kinematics_plugin/KDLKinematicsPlugin", "move_group, Servo, moveit_py: the arms' IK"),
    "moveit_planners_ompl": ("src/vipa/moveit/settings.py", "ompl_interface/OMPLPlanner", "move_group, moveit_py: the planner"),
    "moveit_simple_controller_manager": ("src/vipa/moveit/settings.py", "moveit_simple_controller_manager/MoveItSimpleControllerManager", "move_group: its controllers"),
    "joint_trajectory_controller": ("src/vipa/drivers/controllers.py", "joint_trajectory_controller/JointTrajectoryController", "the driver's controller manager: the arms' controllers"),
    "ros2launch": ("README.md", "ros2 launch vipa_ros", "the command ros2: its verb `launch`"),
}  # fmt: skip
# rosdep's and MoveIt's names of what is imported under another
IMPORTED_AS = {"moveit_py": "moveit", "python3-opencv": "cv2", "python3-opengl": "OpenGL", "python3-pil": "PIL"}
DRIVERS_OWN = {"franka_msgs", "ur_dashboard_msgs"}  # imported where that driver is chosen, and come with it


def named(path: Path, *tags: str) -> set[str]:
    """What a package.xml names under `tags`."""
    return {element.text for element in ElementTree.parse(path).getroot() if element.tag in tags}


def imports_of(code: str) -> set[str]:
    """The packages that `code` imports, at the top or inside, also in scripts that it holds as texts; none if it is no Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Constant) and "import" in str(node.value) and "\n" in str(node.value):
            found |= imports_of(str(node.value))
    return found


@cache
def imported(*folders: str) -> frozenset[str]:
    """The packages that the Python files under `folders` import."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return frozenset().union(*(imports_of(path.read_text(encoding="utf-8")) for path in files))


def started() -> set[str]:
    """The ROS packages whose programs our graphs start."""
    robot = load_robot("fr3_single")
    nodes = moveit_graph.moveit_nodes(robot, True, False) + camera_nodes("realsense2_camera", robot, "")
    return {node.package for node in nodes}


def unused(names: set[str]) -> set[str]:
    """Those of `names` that nothing of ours imports, starts, or names as a plug-in."""
    here = imported("src", "launch") | started() | PLUG_INS.keys()
    return {name for name in names if IMPORTED_AS.get(name, name.removeprefix("python3-")) not in here}


def test_package_xml_names_nothing_that_is_not_used():
    assert not unused(named(ROOT / "package.xml", "depend", "exec_depend"))
    tests = {name.removeprefix("python3-") for name in named(ROOT / "package.xml", "test_depend")}
    assert tests == {"pytest"} and tests <= imported("test")
    assert unused({"rclpy", "python3-opencv", "moveit_servo", "moveit_visual_tools", "python3-sympy"}) == {
        "moveit_visual_tools",
        "python3-sympy",
    }


@pytest.mark.parametrize("package", PLUG_INS)
def test_a_plug_in_is_named_where_it_is_loaded_by_its_name(package):
    where, name, _ = PLUG_INS[package]
    assert name in (ROOT / where).read_text(encoding="utf-8")
    assert package in named(ROOT / "package.xml", "exec_depend")
    assert package not in imported("src", "launch") | started(), "no plug-in: it is used as others are"


def test_package_xml_names_every_ros_package_that_is_used():
    ros = r"\w+_(msgs|srvs|interfaces|bridge|transformations)|rclpy|launch|launch_ros"
    used = {name for name in imported("src", "launch") if re.fullmatch(ros, name)} | started()
    assert used - named(ROOT / "package.xml", "depend", "exec_depend") == DRIVERS_OWN


def test_the_messages_name_what_they_are_made_of_and_no_more():
    folder = ROOT / "vipa_msgs"
    files = [path for kind in ("msg", "srv", "action") for path in folder.glob(f"{kind}/*.{kind}")]
    used = {name for path in files for name in re.findall(r"^(\w+)/\w+", path.read_text("utf-8"), re.MULTILINE)}
    if any(path.suffix == ".action" for path in files):
        used.add("action_msgs")  # what rosidl makes of an action holds its types
    assert used - {"vipa_msgs"} == named(folder / "package.xml", "depend")


def setup_arguments(monkeypatch, *argv: str) -> dict:
    """What setup.py hands to setuptools when called with `argv`."""
    seen = {}
    monkeypatch.setattr("setuptools.setup", lambda **arguments: seen.update(arguments))
    monkeypatch.setattr(sys, "argv", ["setup.py", *argv])
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    return seen


def test_an_install_holds_nodes_and_resources(monkeypatch):
    arguments = setup_arguments(monkeypatch, "install")
    scripts = {line.split(" = ")[0] for line in arguments["entry_points"]["console_scripts"]}
    nodes = {path.stem for path in (ROOT / "src/vipa_ros/nodes").glob("*.py")} - {"__init__"}
    assert scripts == nodes | {"vipa"}
    assert nodes >= {"sim", "motion", "task_manager", "recorder", "expert", "policy", "episode"}
    for line in arguments["entry_points"]["console_scripts"]:
        module = line.split(" = ")[1].split(":")[0]
        assert (ROOT / "src" / (module.replace(".", "/") + ".py")).is_file(), line

    installed = {f"{folder}/{Path(file).name}" for folder, files in arguments["data_files"] for file in files}
    assert {"bin/vipa", "share/vipa_ros/package.xml", "share/ament_index/resource_index/packages/vipa_ros"} <= installed
    assert "share/vipa_ros/tasks/put_three_obj.yaml" in installed
    assert "share/vipa_ros/config/robots/fr3_single.yaml" in installed
    assert "share/vipa_ros/urdf/fr3_single/fr3_single.urdf" in installed
    assert "share/vipa_ros/launch/episode.launch.py" in installed
    assert {"vipa_ros", "vipa_ros.nodes", "vipa_sim", "vipa_model"} <= set(arguments["packages"])


def test_an_editable_install_has_the_command_alone(monkeypatch):
    arguments = setup_arguments(monkeypatch, "editable_wheel")
    assert arguments["entry_points"]["console_scripts"] == ["vipa = vipa_cli.cli:main"]
    assert not arguments["data_files"]


def test_every_folder_of_code_is_a_package(monkeypatch):
    packages = setup_arguments(monkeypatch, "install")["packages"]
    folders = {".".join(path.relative_to(ROOT / "src").parent.parts) for path in (ROOT / "src").rglob("*.py")}
    assert folders == set(packages), "a folder without __init__.py is not installed"


def test_lock_files_pin_with_hashes_and_name_no_index():
    for name in ("requirements.lock", "requirements-jazzy.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pins = re.findall(r"^([a-z0-9][^\s=]*)==[^\s]+.* \\\n    --hash=sha256:", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 40
        assert "http" not in text and "--index" not in text and "--find-links" not in text
        assert not {"torch", "transformers"} & set(pins)


@wheels
def test_colcon_lists_both_packages_and_nothing_else():
    run = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", os.devnull, "list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    found = sorted(tuple(line.split("\t")) for line in run.stdout.splitlines())
    assert found == [("vipa_msgs", "vipa_msgs", "(ros.ament_cmake)"), ("vipa_ros", ".", "(ros.ament_python)")]


def python(code: str, **environ: str) -> dict:
    """What `code` prints as JSON in a new Python of this environment, started from a shell with only `environ`."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.defpath, "HOME": os.environ["HOME"], **environ},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


STATE = """
import json, os, sys, rclpy
from vipa_msgs.msg import ActionChunk
from rclpy.type_support import check_for_type_support
check_for_type_support(ActionChunk)
print(json.dumps({"rclpy": rclpy.__file__, "path": sys.path, "environ": dict(os.environ),
                  "rmw": rclpy.get_rmw_implementation_identifier()}))
"""


@wheels
def test_ros_works_with_nothing_sourced():
    state = python(STATE)
    assert Path(state["rclpy"]).is_relative_to(sys.prefix)
    assert state["rmw"] == "rmw_fastrtps_cpp"
    assert state["environ"]["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


@wheels
def test_a_sourced_ros_is_stripped(tmp_path):
    """As `source install/setup.bash` of a workspace over /opt/ros/jazzy leaves it; its rclpy would break the start."""
    (tmp_path / "lib/rclpy").mkdir(parents=True)
    (tmp_path / "lib/rclpy/__init__.py").write_text("raise ImportError('the rclpy of another ROS')", encoding="utf-8")
    state = python(
        STATE,
        AMENT_PREFIX_PATH=f"{tmp_path}:/opt/ros/jazzy",
        PYTHONPATH=f"{tmp_path}/lib:/opt/ros/jazzy/lib/python3.12/site-packages:{tmp_path}-mine",
        LD_LIBRARY_PATH=f"{tmp_path}/lib:/opt/ros/jazzy/lib",
        RMW_IMPLEMENTATION="rmw_cyclonedds_cpp",
        ROS_DISTRO="jazzy",
        ROS_AUTOMATIC_DISCOVERY_RANGE="SUBNET",
    )
    assert Path(state["rclpy"]).is_relative_to(sys.prefix)
    assert state["rmw"] == "rmw_fastrtps_cpp"
    assert state["environ"]["PYTHONPATH"] == f"{tmp_path}-mine"  # the user's own stays
    assert state["environ"]["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert "ROS_DISTRO" not in state["environ"]
    assert "/opt/ros" not in json.dumps(state)


@wheels
def test_set_up_again_does_nothing():
    run = subprocess.run([ROOT / "scripts/setup.sh"], capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"setup: ready \(\d+ s\)\n", run.stdout)


def test_set_up_names_what_it_takes():
    run = subprocess.run([ROOT / "scripts/setup.sh", "--trian"], capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 2
    assert run.stderr == "error: scripts/setup.sh: unknown argument '--trian'; allowed: --train\n"


def test_torch_is_not_in_the_base():
    ours = importlib.metadata.requires("vipa_ros") or []
    assert all("extra ==" in requirement for requirement in ours)


@wheels
def test_doctor_finds_this_machine_fit(monkeypatch):
    monkeypatch.setattr(doctor, "dead_shared_memory", lambda since: [])  # what others left here is no fault of ours
    assert [finding for finding in doctor.check() if not finding.ok] == []


def test_doctor_says_how_to_mend(monkeypatch):
    monkeypatch.setattr(doctor, "probe", lambda code, **environ: ({}, "ImportError: no EGL"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    finding = doctor.rendering()
    assert not finding.ok
    assert finding.fix == "sudo apt-get update && sudo apt-get install -y libegl1 libgl1-mesa-dri libopengl0"


def test_doctor_finds_what_killed_processes_left(monkeypatch, tmp_path):
    (tmp_path / "fastrtps_0123456789abcdef").write_bytes(bytes(2_000_000))
    monkeypatch.setattr(doctor, "dead_shared_memory", lambda since: list(tmp_path.iterdir()))
    finding = doctor.shared_memory()
    assert finding.level in (WARNING, ERROR) and "1 files of killed processes take 2 MB" in finding.detail
    assert "fastrtps_0123456789abcdef" in finding.fix and "rm -f /dev/shm/fastrtps_*" in finding.fix


def test_doctor_reports_a_crash_in_one_line():
    _, error = doctor.probe("import os, sys; print('late words', file=sys.stderr, flush=True); os.abort()")
    assert error == "crashed with signal 6: late words"
