"""Whether pictures outgrow the shared memory that Fast DDS sends them through: by the robot file and the profile, before any is sent."""

from collections.abc import Mapping
from pathlib import Path

from vipa import resources
from vipa.preflight.finding import OK, WARNING, Finding
from vipa.recording.topic_names import CAMERA_DEPTH
from vipa.robot.description import Robot
from vipa.tasks.task import Task
from vipa_ros.bringup import dds
from vipa_ros.bringup.camera_nodes import REALSENSE2_DEPTH
from vipa_ros.bringup.environment import DDS_PROFILES

NAME = "pictures"
BYTES_A_PIXEL = 3 + 2  # rgb8, and 16UC1 of the aligned depth
MIN_FRAMES = (
    3  # colour and depth of all cameras of a process, that its shared memory holds: docs/dds.md has what was measured
)
FIX = (
    "robot file: smaller cameras[].width and height; or more segment_size in a copy of config/dds/fastdds.xml that "
    f"{DDS_PROFILES[0]} names: docs/dds.md"
)


def pictures(robot: Robot, task: Task, driver: str, env: Mapping[str, str]) -> Finding:
    """How many frames fit, and how late a recorder may be. driver: of the cameras: all of the robot file's are started; "": those of the task
    are, by others. realsense2_camera has a process for each, the others are taken to send all from one. env: of the graph."""
    if (rmw := env.get("RMW_IMPLEMENTATION", dds.FAST_DDS[0])) not in dds.FAST_DDS:
        return Finding(NAME, OK, f"{rmw} does not send them through Fast DDS's shared memory")
    cameras = [camera for camera in robot.cameras if driver or camera.name in task.cameras]
    if not cameras:
        return Finding(NAME, OK, "none are sent")
    named = next((env[key] for key in DDS_PROFILES if env.get(key)), str(resources.dds_profile()))
    room, alone = dds.segment_size(Path(named)), driver == "realsense2_camera"
    sizes = [camera.width * camera.height * BYTES_A_PIXEL for camera in cameras]
    frame, depth = (max(sizes), REALSENSE2_DEPTH) if alone else (sum(sizes), CAMERA_DEPTH)
    whose = "the largest camera" if alone or len(cameras) == 1 else f"{len(cameras)} cameras"
    kept = f"{depth} are kept: a recorder may be {depth / max(camera.rate for camera in cameras):.1f} s late"
    said = (
        f"a frame of {whose}, colour and depth, is {frame / 1e6:.1f} MB; {room / 1e6:.1f} MB of shared memory hold {room / frame:.1f}; "
        + (kept if driver else "so much has who sends them, if it was started with the same profile")
    )
    if room < MIN_FRAMES * frame:
        return Finding(NAME, WARNING, f"{said}; wanted: room for {MIN_FRAMES}, or pictures are lost", FIX)
    return Finding(NAME, OK, said)
