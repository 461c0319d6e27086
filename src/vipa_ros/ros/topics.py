"""The topic table: every topic of the graph with its type, QoS, rate, frame, writer and readers. Rendered into the docs."""

from dataclasses import dataclass

from vipa_ros.robot.description import Robot

ACTION_CHUNK = "/vipa/action_chunk"
MOTION_STATUS = "/vipa/motion_status"
SAFETY_STATUS = "/vipa/safety_status"
EPISODE_STATUS = "/vipa/episode_status"
COMMANDER_STATUS = "/vipa/commander_status"
GROUND_TRUTH = "/vipa/ground_truth"
JOINT_STATES = "/joint_states"
DIAGNOSTICS = "/diagnostics"

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

COMMANDERS = "policy, expert, teleop, replay"


@dataclass(frozen=True)
class Topic:
    """One topic. qos: a key of `vipa_ros.ros.qos.PROFILES`. rate: Hz, or words. recorded: part of every bag."""

    name: str
    type: str
    qos: str
    rate: str
    frame: str
    writer: str
    readers: str
    recorded: bool = True


def camera_topics(name: str) -> dict[str, str]:
    """Topics of the camera `name` as realsense-ros names them: color, color_info, depth, depth_info."""
    base = f"/camera/{name}"
    return {
        "color": f"{base}/color/image_raw",
        "color_info": f"{base}/color/camera_info",
        "depth": f"{base}/aligned_depth_to_color/image_raw",
        "depth_info": f"{base}/aligned_depth_to_color/camera_info",
    }


def command_topic(controller: str) -> str:
    """Where a JointTrajectoryController listens."""
    return f"/{controller}/joint_trajectory"


def topic_table(robot: Robot, cell: str = "sim") -> list[Topic]:
    """Every topic of the graph for `robot` in a `sim` or `real` cell."""
    rate = f"{robot.control_rate:g}"
    rows = [
        Topic("/tf", "tf2_msgs/msg/TFMessage", "stream", "20", "world", "cell", "any"),
        Topic("/tf_static", "tf2_msgs/msg/TFMessage", "latched", "once", "world", "cell", "any"),
        Topic(JOINT_STATES, "sensor_msgs/msg/JointState", "stream", rate, "", "cell", "motion, commanders"),
        Topic(ACTION_CHUNK, "vipa_msgs/msg/ActionChunk", "stream", "10", "base frame", COMMANDERS, "motion"),
        Topic(COMMANDER_STATUS, "vipa_msgs/msg/CommanderStatus", "stream", "10", "", COMMANDERS, "task_manager"),
        Topic(MOTION_STATUS, "vipa_msgs/msg/MotionStatus", "stream", "20", "", "motion", "commanders, task_manager"),
        Topic(SAFETY_STATUS, "vipa_msgs/msg/SafetyStatus", "latched", "2 and on change", "", "motion", "task_manager"),
        Topic(EPISODE_STATUS, "vipa_msgs/msg/EpisodeStatus", "latched", "5 and on change", "", "task_manager", "any"),
        Topic(DIAGNOSTICS, "diagnostic_msgs/msg/DiagnosticArray", "stream", "1", "", "all nodes", "any"),
    ]
    if cell == "sim":
        rows += [
            Topic("/clock", "rosgraph_msgs/msg/Clock", "clock", "50", "", "cell", "all nodes"),
            Topic(GROUND_TRUTH, "vipa_msgs/msg/GroundTruth", "stream", "20", "world", "cell", "task_manager, expert"),
        ]
    else:
        rows.append(Topic(ROBOT_STATUS, "vipa_msgs/msg/RobotStatus", "latched", "2 and on change", "", "robot", "any"))
    for camera in robot.cameras:
        topics, frame = camera_topics(camera.name), f"{camera.name}_color_optical_frame"
        for key, type_ in (("color", "Image"), ("color_info", "CameraInfo"), ("depth", "Image"), ("depth_info", "CameraInfo")):
            rows.append(
                Topic(topics[key], f"sensor_msgs/msg/{type_}", "camera", f"{camera.rate:g}", frame, "cell", "policy")
            )
    for group in robot.groups:
        if group.kind == "arm":
            rows.append(
                Topic(group.wrench_topic, "geometry_msgs/msg/WrenchStamped", "stream", "50", group.tool_frame, "cell", "motion")
            )
        for controller in controllers_of(group):
            rows.append(
                Topic(
                    command_topic(controller), "trajectory_msgs/msg/JointTrajectory", "stream", rate, "", "motion", "cell"
                )
            )
    return rows


def controllers_of(group) -> list[str]:
    """Controllers of a group: its own, then its hand's."""
    return [group.controller] + ([group.hand.controller] if group.hand else [])


def markdown(rows: list[Topic]) -> str:
    """The table for docs/topics.md."""
    lines = ["| topic | type | QoS | rate, Hz | frame | writer | readers |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| `{r.name}` | {r.type} | {r.qos} | {r.rate} | {r.frame} | {r.writer} | {r.readers} |" for r in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from vipa_ros.robot.description import load_robot

    print("# Topics\n\nThe graph of `fr3_single` in a simulated cell. Written by `python -m vipa_ros.ros.topics > docs/topics.md`.\n")
    print(markdown(topic_table(load_robot("fr3_single"))), end="")
