"""The topic table: every topic of the graph with its type, QoS, rate, frame, writer and readers. Rendered into the docs."""

from dataclasses import dataclass

from vipa.errors import unknown
from vipa.recording.topic_names import (  # noqa: F401  whoever has the table has the names
    ACTION_CHUNK,
    CLOCK,
    COMMANDER_STATUS,
    DIAGNOSTICS,
    EPISODE_MARK,
    EPISODE_STATUS,
    ESTOP,
    GROUND_TRUTH,
    HOME,
    INTERVENTION,
    JOINT_STATES,
    JUDGE_SUBTASK,
    LEADER_JOINT_STATES,
    LIST_CONTROLLERS,
    MOTION_STATUS,
    PLACEMENT_STATUS,
    PLAN_MOTION,
    REARM,
    RECORD_EPISODE,
    RECOVER,
    RESET_CELL,
    ROBOT_DESCRIPTION,
    ROBOT_STATUS,
    ROSOUT,
    RUN_EPISODE,
    SAFETY_STATUS,
    SET_AUTHORITY,
    SWITCH_CONTROLLER,
    TAKE_OVER,
    TASK_CONTEXT,
    TF,
    TF_STATIC,
    TIGHTEN_LIMITS,
    arm_recovery,
    arm_status,
    camera_topics,
    command_topic,
    compressed_topics,
    placement_topic,
)  # fmt: skip
from vipa.robot.description import Robot


@dataclass(frozen=True)
class Topic:
    """One topic. qos: a key of `vipa_ros.common.qos.PROFILES`. rate: Hz, or words. recorded: part of every bag."""

    name: str
    type: str
    qos: str
    rate: str
    frame: str
    writer: str
    readers: str
    recorded: bool = True


def topic_table(robot: Robot, cell: str = "sim") -> list[Topic]:
    """Every topic of the graph for `robot` in a `sim` or `real` cell."""
    rate = f"{robot.control_rate:g}"
    rows = [
        Topic(TF, "tf2_msgs/msg/TFMessage", "stream", "20", "world", "cell", "any"),
        Topic(TF_STATIC, "tf2_msgs/msg/TFMessage", "latched", "at start and reset", "world", "cell", "any"),
        Topic(JOINT_STATES, "sensor_msgs/msg/JointState", "stream", rate, "", "cell", "any"),
        Topic(
            ACTION_CHUNK,
            "vipa_msgs/msg/ActionChunk",
            "stream",
            "10",
            "base frame",
            "commanders, robot",
            "motion, task_manager",
        ),
        Topic(COMMANDER_STATUS, "vipa_msgs/msg/CommanderStatus", "stream", "10", "", "commanders", "task_manager"),
        Topic(MOTION_STATUS, "vipa_msgs/msg/MotionStatus", "stream", "20", "", "motion", "any"),
        Topic(SAFETY_STATUS, "vipa_msgs/msg/SafetyStatus", "latched", "2 and on change", "", "motion", "any"),
        Topic(EPISODE_STATUS, "vipa_msgs/msg/EpisodeStatus", "latched", "5 and on change", "", "task_manager", "any"),
        Topic(INTERVENTION, "vipa_msgs/msg/Intervention", "latched", "5 and on change", "", "task_manager", "any"),
        Topic(EPISODE_MARK, "vipa_msgs/msg/EpisodeMark", "stream", "on change", "", "teleop", "any"),
        Topic(DIAGNOSTICS, "diagnostic_msgs/msg/DiagnosticArray", "stream", "1", "", "all nodes", "task_manager"),
        Topic(ROBOT_DESCRIPTION, "std_msgs/msg/String", "latched", "once", "", "cell", "any"),
        Topic(
            PLACEMENT_STATUS,
            "diagnostic_msgs/msg/DiagnosticStatus",
            "latched",
            "on change",
            "",
            "placement",
            "console",
            False,
        ),
        Topic(ROSOUT, "rcl_interfaces/msg/Log", "stream", "", "", "all nodes", "any"),
    ]
    if cell == "sim":
        rows += [
            Topic(CLOCK, "rosgraph_msgs/msg/Clock", "clock", "50", "", "cell", "all nodes"),
            Topic(GROUND_TRUTH, "vipa_msgs/msg/GroundTruth", "stream", "20", "world", "cell", "task_manager, expert"),
        ]
    else:
        rows.append(Topic(ROBOT_STATUS, "vipa_msgs/msg/RobotStatus", "latched", "2 and on change", "", "robot", "any"))
    for camera in robot.cameras:
        topics, frame = camera_topics(camera.name), f"{camera.name}_color_optical_frame"
        for key, type_ in (
            ("color", "Image"),
            ("color_info", "CameraInfo"),
            ("depth", "Image"),
            ("depth_info", "CameraInfo"),
        ):
            rows.append(
                Topic(topics[key], f"sensor_msgs/msg/{type_}", "camera", f"{camera.rate:g}", frame, "cell", "policy")
            )
        for name in compressed_topics(camera.name).values():
            kind = "sensor_msgs/msg/CompressedImage"
            rows.append(Topic(name, kind, "camera", f"{camera.rate:g}", frame, "compressor", "policy, recorder", False))
        rows.append(
            Topic(
                placement_topic(camera.name),
                "sensor_msgs/msg/Image",
                "latched",
                "2",
                frame,
                "placement",
                "console",
                False,
            )
        )
    for group in robot.groups:
        if group.kind == "arm":
            rows.append(
                Topic(
                    group.wrench_topic,
                    "geometry_msgs/msg/WrenchStamped",
                    "stream",
                    "50",
                    group.tool_frame,
                    "cell",
                    "motion, commanders",
                )
            )
        if group.franky is not None and cell == "real":
            status = arm_status(group.name)
            rows.append(Topic(status, "vipa_msgs/msg/RobotStatus", "latched", "10", "", "franky", "robot", False))
        for controller in controllers_of(group):
            rows.append(
                Topic(
                    command_topic(controller),
                    "trajectory_msgs/msg/JointTrajectory",
                    "stream",
                    rate,
                    "",
                    "motion",
                    "cell",
                )
            )
    return rows


PICTURES = ("raw", "compressed")  # how they stand in a bag


def recorded_topics(robot: Robot, cell: str = "sim", pictures: str = "raw") -> list[Topic]:
    """What an episode's bag holds. pictures: one of PICTURES; "compressed": as the node `compressor` has them. Raises VipaError."""
    if pictures not in PICTURES:
        raise unknown("pictures", pictures, PICTURES)
    plain = {camera_topics(c.name)[key] for c in robot.cameras for key in ("color", "depth")}
    compressed = {name for c in robot.cameras for name in compressed_topics(c.name).values()}
    left_out, more = (plain, compressed) if pictures == "compressed" else (set(), set())
    return [t for t in topic_table(robot, cell) if (t.recorded and t.name not in left_out) or t.name in more]


@dataclass(frozen=True)
class Service:
    """A service, or an action (type …/action/…): who answers, and who asks."""

    name: str
    type: str
    server: str
    clients: str


def service_table(cell: str = "sim", robot: Robot | None = None) -> list[Service]:
    """Every service and action of the graph in a `sim` or `real` cell. robot: with those that only its driver has."""
    arms = robot.arms if robot is not None and cell == "real" else []
    return [
        *(
            Service(arm_recovery(g.name), "std_srvs/srv/Trigger", "franky", "robot")
            for g in arms
            if g.franky is not None
        ),
        Service(
            SET_AUTHORITY, "vipa_msgs/srv/SetAuthority", "motion", "task_manager, robot, teleop, calibrate, preflight"
        ),
        Service(ESTOP, "vipa_msgs/srv/EStop", "motion", "any"),
        Service(REARM, "vipa_msgs/srv/ReArm", "motion", "task_manager, episode, operator, console, teleop, preflight"),
        Service(TASK_CONTEXT, "vipa_msgs/srv/SetTaskContext", "motion", "task_manager"),
        Service(TIGHTEN_LIMITS, "vipa_msgs/srv/TightenLimits", "motion", "operator, preflight"),
        Service(PLAN_MOTION, "vipa_msgs/srv/PlanMotion", "planner", "robot, calibrate, preflight"),
        Service(RECOVER, "std_srvs/srv/Trigger", "robot", "episode, operator, console, teleop"),
        Service(HOME, "std_srvs/srv/Trigger", "robot", "episode, operator, console, teleop"),
        Service(RESET_CELL, "vipa_msgs/srv/ResetCell", "cell" if cell == "sim" else "robot", "task_manager"),
        Service(RECORD_EPISODE, "vipa_msgs/srv/RecordEpisode", "recorder", "task_manager"),
        Service(JUDGE_SUBTASK, "vipa_msgs/srv/JudgeSubTask", "task_manager", "episode, operator, console, teleop"),
        Service(TAKE_OVER, "vipa_msgs/srv/TakeOver", "task_manager", "teleop"),
        Service(LIST_CONTROLLERS, "controller_manager_msgs/srv/ListControllers", "ros2_control", "robot, preflight"),
        Service(SWITCH_CONTROLLER, "controller_manager_msgs/srv/SwitchController", "ros2_control", "robot"),
        Service(RUN_EPISODE, "vipa_msgs/action/RunEpisode", "task_manager", "episode, teleop"),
    ]


def controllers_of(group) -> list[str]:
    """Controllers of a group: its own, then its hand's."""
    return [group.controller] + ([group.hand.controller] if group.hand else [])


def markdown(rows: list[Topic]) -> str:
    """The table for docs/topics.md."""
    lines = ["| topic | type | QoS | rate, Hz | frame | writer | readers |", "|---|---|---|---|---|---|---|"]
    lines += [f"| `{r.name}` | {r.type} | {r.qos} | {r.rate} | {r.frame} | {r.writer} | {r.readers} |" for r in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from vipa.robot.description import load_robot

    print(
        "# Topics\n\nThe graph of `fr3_single` in a simulated cell. Written by `python -m vipa.recording.topics > docs/topics.md`.\n"
    )
    print(markdown(topic_table(load_robot("fr3_single"))))
    print("| service, action | type | answered by | asked by |\n|---|---|---|---|")
    for row in service_table():
        print(f"| `{row.name}` | {row.type} | {row.server} | {row.clients} |")
