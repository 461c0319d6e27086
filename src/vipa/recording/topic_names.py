"""The names of the graph's topics, services and action, for those who speak ROS and those who read bags without it."""

ACTION_CHUNK = "/vipa/action_chunk"
MOTION_STATUS = "/vipa/motion_status"
SAFETY_STATUS = "/vipa/safety_status"
EPISODE_STATUS = "/vipa/episode_status"
COMMANDER_STATUS = "/vipa/commander_status"
INTERVENTION = "/vipa/intervention"
EPISODE_MARK = "/vipa/episode_mark"
GROUND_TRUTH = "/vipa/ground_truth"
JOINT_STATES = "/joint_states"
CLOCK = "/clock"
TF = "/tf"
TF_STATIC = "/tf_static"
DIAGNOSTICS = "/diagnostics"
ROBOT_DESCRIPTION = "/robot_description"
ROSOUT = "/rosout"

SET_AUTHORITY = "/vipa/set_authority"
ESTOP = "/vipa/estop"
REARM = "/vipa/rearm"
TASK_CONTEXT = "/vipa/task_context"
ROBOT_STATUS = "/vipa/robot_status"
RECOVER = "/vipa/recover"
HOME = "/vipa/home"
TIGHTEN_LIMITS = "/vipa/tighten_limits"
PLAN_MOTION = "/vipa/plan_motion"
RESET_CELL = "/vipa/reset_cell"
RECORD_EPISODE = "/vipa/record_episode"
RUN_EPISODE = "/vipa/run_episode"
JUDGE_SUBTASK = "/vipa/judge_subtask"
TAKE_OVER = "/vipa/take_over"
LIST_CONTROLLERS = "/controller_manager/list_controllers"  # ros2_control's
SWITCH_CONTROLLER = "/controller_manager/switch_controller"
LEADER_JOINT_STATES = "/leader/joint_states"  # a leader arm's driver

CAMERA_DEPTH = 30  # pictures that their writer keeps for a late reader

PLACEMENT = "/vipa/placement"
PLACEMENT_STATUS = "/vipa/placement_status"


def arm_status(group: str) -> str:
    """What a driver of ours says of the arm `group` to node `robot`."""
    return f"/{group}/robot_status"


def arm_recovery(group: str) -> str:
    """Where node `robot` asks a driver of ours to recover the arm `group`."""
    return f"/{group}/recover"


def placement_service(ask: str) -> str:
    """What the console asks node `placement` for: accept, new_reference or in_spite."""
    return f"{PLACEMENT}/{ask}"


def placement_topic(camera: str) -> str:
    """Where the required placement is shown over the live picture of `camera`."""
    return f"{PLACEMENT}/{camera}"


def chunk_path_topic(group: str) -> str:
    """The tool's way in the newest chunk, for viewers."""
    return f"/vipa/chunk_path/{group}"


def camera_topics(name: str) -> dict[str, str]:
    """Topics of the camera `name` as realsense-ros names them: color, color_info, depth, depth_info."""
    base = f"/camera/{name}"
    return {
        "color": f"{base}/color/image_raw",
        "color_info": f"{base}/color/camera_info",
        "depth": f"{base}/aligned_depth_to_color/image_raw",
        "depth_info": f"{base}/aligned_depth_to_color/camera_info",
    }


def compressed_topics(name: str) -> dict[str, str]:
    """Colour and depth of the camera `name` as image_transport's plugins name them compressed."""
    plain = camera_topics(name)
    return {"color": f"{plain['color']}/compressed", "depth": f"{plain['depth']}/compressedDepth"}


def plain_topic(name: str) -> str:
    """The topic whose pictures image_transport's plugins have compressed on topic `name`; "" if it is not one of theirs."""
    plain, _, transport = name.rpartition("/")
    return plain if transport in ("compressed", "compressedDepth") else ""


def command_topic(controller: str) -> str:
    """Where a JointTrajectoryController listens."""
    return f"/{controller}/joint_trajectory"
