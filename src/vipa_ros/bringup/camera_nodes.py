"""The processes that publish a real cell's cameras: our node, or realsense2_camera's."""

from vipa.drivers import realsense
from vipa.errors import VipaError, unknown
from vipa.recording.topic_names import camera_topics
from vipa.robot.description import Camera, Robot
from vipa_ros.bringup.process import ProcessSpec, program

REALSENSE2_DEPTH = 10  # pictures that realsense2_camera keeps for a late reader
DRIVERS = ("realsense", "realsense2_camera")


def camera_nodes(driver: str, robot: Robot, path: str) -> list[ProcessSpec]:
    """The processes of the camera driver `driver` for the cameras of `robot`, whose file is `path`; none for ""."""
    if driver == "realsense":
        return [ProcessSpec("realsense", "realsense", {"robot": path, "use_sim_time": False})]
    return [_realsense2_camera(camera) for camera in robot.cameras] if driver else []


def check(driver: str, robot: Robot) -> None:
    """Raises VipaError unless `driver` is "" or can be started here for the cameras of `robot`."""
    if not driver:
        return
    if driver not in DRIVERS:
        raise unknown("camera driver", driver, DRIVERS)
    realsense.find(robot.cameras, [])  # refuses cameras that cannot be told apart
    if driver == "realsense":
        realsense.library()
    else:
        for camera in robot.cameras:
            if camera.realsense.lock_after:
                raise VipaError(
                    f"camera {camera.name}: realsense.lock_after is for camera driver realsense; this one: {driver}"
                )
        program(_realsense2_camera(robot.cameras[0]))


def _realsense2_camera(camera: Camera) -> ProcessSpec:
    """Topics of `topics.camera_topics` come of the namespace /camera and the node's name. Parameters: realsense-ros 4.55 to 4.58.

    A D405's colour comes from its depth module: its profile is set there, and until 4.57 its topic is image_rect_raw.
    """
    profile = f"{camera.width}x{camera.height}x{round(camera.rate)}"
    color = camera_topics(camera.name)["color"]
    namespace, name = color.split("/")[1:3]
    parameters = {
        "serial_no": f"_{camera.serial}" if camera.serial else "",  # the underscore keeps ROS from reading a number
        "rgb_camera.color_profile": profile,
        "depth_module.depth_profile": profile,
        "depth_module.color_profile": profile,
        "rgb_camera.color_format": "RGB8",
        "depth_module.color_format": "RGB8",
        "color_qos": "DEFAULT",  # reliable, REALSENSE2_DEPTH deep; the driver's own is one deep, and a recorder loses what it overwrites
        "depth_qos": "DEFAULT",
        "enable_color": True,
        "enable_depth": True,
        "enable_infra1": False,
        "enable_infra2": False,
        "enable_sync": True,
        "align_depth.enable": True,
        "publish_tf": False,  # node `robot` tells where the robot file's cameras are
        "diagnostics_period": 1.0,
        "use_sim_time": False,
    }
    parameters |= _settings(camera)
    return ProcessSpec(
        name,
        "realsense2_camera_node",
        parameters,
        "realsense2_camera",
        f"/{namespace}",
        respawn=True,
        remappings={color.replace("image_raw", "image_rect_raw"): color},
    )


def _settings(camera: Camera) -> dict[str, bool | int | float]:
    """What differs from how the driver runs a camera by itself, as its parameters, of the types that librealsense's options have."""
    wanted, values = camera.realsense, {}
    color = "depth_module" if camera.model == "d405" else "rgb_camera"
    if wanted.exposure:
        values |= {f"{color}.enable_auto_exposure": False, f"{color}.exposure": round(wanted.exposure)}
    if wanted.white_balance:
        values |= {f"{color}.enable_auto_white_balance": False, f"{color}.white_balance": wanted.white_balance}
    if wanted.sync != "none":
        values["depth_module.inter_cam_sync_mode"] = realsense.SYNC_MODES[wanted.sync]
    if not wanted.emitter:
        values["depth_module.emitter_enabled"] = 0
    if wanted.filters:
        values |= dict.fromkeys(
            ("disparity_filter.enable", *(f"{name}_filter.enable" for name in wanted.filters)), True
        )
    return values
