"""Between ROS messages and the domain's numpy types. Pure functions, any thread."""

import array
import math
from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, TransformStamped, Vector3, WrenchStamped
from sensor_msgs.msg import CameraInfo, Image
from sensor_msgs.msg import JointState as JointStateMsg
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMsg
from trajectory_msgs.msg import JointTrajectoryPoint
from vipa_msgs import msg as vipa
from vipa_msgs.srv import SetTaskContext

from vipa.motion.chunk import ActionChunk, GroupAction, Mode, MotionStatus, SafetyState
from vipa.motion.limits import Tighter
from vipa.planning.request import PlanRequest
from vipa.robot.observing import capture
from vipa.robot.state import CameraFrame, GroundTruth, JointState, JointTrajectory
from vipa.tasks.wants import Wants
from vipa.terminal.checklist import Row
from vipa_ros.common.images import pixels

STATUS = ("pending", "active", "done", "failed")  # of vipa_msgs/SubTaskStatus
PHASE = ("waiting", "resetting", "running", "finished")  # of vipa_msgs/EpisodeStatus


def time_ns(stamp: Time) -> int:
    """builtin_interfaces/Time as integer nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def time_msg(ns: int) -> Time:
    """Integer nanoseconds as builtin_interfaces/Time."""
    return Time(sec=ns // 1_000_000_000, nanosec=ns % 1_000_000_000)


def pose_array(pose: Pose) -> np.ndarray:
    """geometry_msgs/Pose as (7,) float64: xyz, quaternion xyzw."""
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w])


def pose_msg(pose) -> Pose:
    """(7,) xyz + xyzw as geometry_msgs/Pose."""
    x, y, z, qx, qy, qz, qw = map(float, pose)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def tf_msg(poses: Mapping[str, np.ndarray], stamp: Time) -> TFMessage:
    """Poses (7,) of links in the world frame as /tf has them."""
    message = TFMessage()
    for link, pose in poses.items():
        x, y, z, qx, qy, qz, qw = map(float, pose)
        transform = TransformStamped(child_frame_id=link)
        transform.header.stamp, transform.header.frame_id = stamp, "world"
        transform.transform.translation = Vector3(x=x, y=y, z=z)
        transform.transform.rotation = Quaternion(x=qx, y=qy, z=qz, w=qw)
        message.transforms.append(transform)
    return message


def joint_state(msg: JointStateMsg) -> JointState:
    """sensor_msgs/JointState; absent velocities are NaN. Lengths that disagree raise ValueError."""
    n = len(msg.name)
    velocities = np.array(msg.velocity) if len(msg.velocity) else np.full(n, np.nan)
    efforts = np.array(msg.effort) if len(msg.effort) else None
    positions = np.array(msg.position)
    if len(positions) != n or len(velocities) != n or (efforts is not None and len(efforts) != n):
        raise ValueError(f"joint state: {n} names, {len(positions)} positions, {len(velocities)} velocities")
    return JointState(time_ns(msg.header.stamp), tuple(msg.name), positions, velocities, efforts)


def joint_state_msg(state: JointState) -> JointStateMsg:
    """The inverse of `joint_state`."""
    msg = JointStateMsg(name=list(state.names))
    msg.header.stamp = time_msg(state.stamp_ns)
    msg.position = array.array("d", state.positions.tobytes())
    msg.velocity = array.array("d", state.velocities.tobytes())
    if state.efforts is not None:
        msg.effort = array.array("d", state.efforts.tobytes())
    return msg


def trajectory(msg: JointTrajectoryMsg) -> JointTrajectory:
    """trajectory_msgs/JointTrajectory; ragged points raise ValueError."""
    times = np.array([p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in msg.points])
    positions = np.array([p.positions for p in msg.points], dtype=float)
    velocities = np.array([p.velocities for p in msg.points], dtype=float)
    return JointTrajectory(tuple(msg.joint_names), times, positions, velocities, time_ns(msg.header.stamp))


def trajectory_msg(command: JointTrajectory) -> JointTrajectoryMsg:
    """The inverse of `trajectory`."""
    msg = JointTrajectoryMsg(joint_names=list(command.joint_names))
    msg.header.stamp = time_msg(command.start_ns)
    positions = np.ascontiguousarray(command.positions, dtype=float)
    velocities = np.ascontiguousarray(command.velocities, dtype=float)
    points = []
    for t, q, v in zip(command.times, positions, velocities):
        point = JointTrajectoryPoint(positions=array.array("d", q.tobytes()), velocities=array.array("d", v.tobytes()))
        ns = round(t * 1e9)
        point.time_from_start.sec, point.time_from_start.nanosec = ns // 1_000_000_000, ns % 1_000_000_000
        points.append(point)
    msg.points = points
    return msg


def _rows(flat, columns: int, what: str) -> np.ndarray | None:
    if not columns:
        if len(flat):
            raise ValueError(f"{what}: {len(flat)} values for no names")
        return None
    if len(flat) % columns:
        raise ValueError(f"{what}: {len(flat)} values are not rows of {columns}")
    return np.array(flat).reshape(-1, columns)


def chunk(msg: vipa.ActionChunk) -> ActionChunk:
    """vipa_msgs/ActionChunk; flat arrays that are not whole rows raise ValueError."""
    groups = []
    for g in msg.groups:
        poses = np.array([pose_array(p) for p in g.poses]) if g.kind == g.POSE and len(g.poses) else None
        joints = _rows(g.joints, len(g.joint_names), f"group {g.name}: joints") if g.kind == g.JOINTS else None
        groups.append(
            GroupAction(
                g.name,
                g.frame_id,
                g.tip_frame,
                poses,
                tuple(g.joint_names),
                joints,
                tuple(g.hand_joint_names),
                _rows(g.hand, len(g.hand_joint_names), f"group {g.name}: hand"),
            )
        )
    return ActionChunk(
        msg.commander_id,
        msg.epoch,
        msg.seq,
        time_ns(msg.header.stamp),
        time_ns(msg.start_time),
        msg.dt,
        tuple(groups),
        time_ns(msg.observation_stamp),
    )


def chunk_msg(value: ActionChunk) -> vipa.ActionChunk:
    """The inverse of `chunk`."""
    msg = vipa.ActionChunk(commander_id=value.commander_id, epoch=value.epoch, seq=value.seq, dt=float(value.dt))
    msg.header.stamp = time_msg(value.stamp_ns)
    msg.observation_stamp = time_msg(value.observation_ns)
    msg.start_time = time_msg(value.start_ns)
    for g in value.groups:
        out = vipa.ActionGroup(name=g.name, frame_id=g.frame_id, tip_frame=g.tip_frame)
        if g.joints is not None:
            out.kind, out.joint_names = out.JOINTS, list(g.joint_names)
            out.joints = array.array("d", np.asarray(g.joints, dtype=float).tobytes())
        elif g.poses is not None:
            out.poses = [pose_msg(p) for p in g.poses]
        if g.hand is not None:
            out.hand_joint_names = list(g.hand_joint_names)
            out.hand = array.array("d", np.asarray(g.hand, dtype=float).tobytes())
        msg.groups.append(out)
    return msg


def plan_request(msg) -> PlanRequest:
    """vipa_msgs/PlanMotion's request. More than one pose is none: `check` refuses it."""
    pose = pose_array(msg.pose[0]) if len(msg.pose) == 1 else np.zeros(0) if len(msg.pose) else None
    joints = np.array(msg.joints) if len(msg.joints) else None
    return PlanRequest(
        msg.group, msg.named, joints, pose, tuple(tuple(pair.split("|")) for pair in msg.allowed_contacts)
    )


def joint_steps_msg(name: str, joint_names, steps: np.ndarray) -> vipa.ActionGroup:
    """Joint steps (T, J) of the group `name` as an ActionChunk's part."""
    out = vipa.ActionGroup(name=name, kind=vipa.ActionGroup.JOINTS, joint_names=list(joint_names))
    out.joints = array.array("d", np.ascontiguousarray(steps, dtype=float).tobytes())
    return out


def task_context(wants: Wants, requester: str) -> SetTaskContext.Request:
    """What `requester` asks of motion for `wants`."""
    contacts, group, tool, force = wants.arguments
    request = SetTaskContext.Request(
        requester_id=requester, allowed_contacts=["|".join(pair) for pair in contacts], held_group=group, held_tool=tool
    )
    if force is not None:
        request.force_control, request.force_group, request.force_target = True, force.get("group", ""), force["target"]
        request.force_damping, request.force_stiffness = force.get("damping", 0.0), force.get("stiffness", 0.0)
    return request


def wanted(request: SetTaskContext.Request) -> tuple:
    """What `Motion.context` takes: the inverse of `task_context`. All of it is empty for an empty request."""
    pairs = tuple(tuple(pair.split("|", 2)) for pair in request.allowed_contacts)
    force = None
    if request.force_control:
        values = {"group": request.force_group, "damping": request.force_damping, "stiffness": request.force_stiffness}
        force = {"target": request.force_target} | {key: value for key, value in values.items() if value}
    return pairs, request.held_group, request.held_tool, force


def tighter(msg) -> Tighter:
    """vipa_msgs/TightenLimits' request: 0 and empty mean that a limit stays."""
    low, high = (np.array(corner) if len(corner) else None for corner in (msg.workspace_min, msg.workspace_max))
    scale, force = (None if value == 0 else value for value in (msg.speed_scale, msg.force_cap))
    return Tighter(msg.group, scale, force, low, high, msg.requester_id, msg.release)


def motion_status(msg: vipa.MotionStatus) -> MotionStatus:
    """vipa_msgs/MotionStatus; the committed prefix is None when it has no groups."""
    return MotionStatus(
        time_ns(msg.header.stamp),
        msg.epoch,
        msg.authority,
        Mode(msg.mode),
        msg.executing_seq,
        msg.executing_step,
        chunk(msg.committed) if msg.committed.groups else None,
        msg.clamps,
        msg.refusals,
        tuple(msg.reasons),
        msg.joint_state_age,
        msg.chunk_age,
        msg.observation_age,
        msg.joint_state_rate,
    )


def motion_status_msg(status: MotionStatus) -> vipa.MotionStatus:
    """The inverse of `motion_status`."""
    msg = vipa.MotionStatus(
        epoch=status.epoch,
        authority=status.authority,
        mode=int(status.mode),
        executing_seq=status.executing_seq,
        executing_step=status.executing_step,
        clamps=status.clamps,
        refusals=status.refusals,
        reasons=list(status.reasons),
        joint_state_age=float(status.joint_state_age),
        chunk_age=float(status.chunk_age),
        observation_age=float(status.observation_age),
        joint_state_rate=float(status.joint_state_rate),
    )
    msg.header.stamp = time_msg(status.stamp_ns)
    if status.committed is not None:
        msg.committed = chunk_msg(status.committed)
    return msg


def safety_msg(state: SafetyState) -> vipa.SafetyStatus:
    """vipa_msgs/SafetyStatus of the gate's state."""
    names = sorted(set(state.limits) | set(state.clamps))
    msg = vipa.SafetyStatus(
        estop=state.estop,
        armed=state.armed,
        latch=state.latch,
        stop_reasons=list(state.stop_reasons),
        limit_names=names,
        limit_values=[float(state.limits.get(n, math.nan)) for n in names],
        limit_clamps=[int(state.clamps.get(n, 0)) for n in names],
        allowed_contacts=["|".join(pair) for pair in state.allowed_contacts],
        min_distance=float(state.min_distance),
        min_distance_pair=state.min_distance_pair,
    )
    msg.header.stamp = time_msg(state.stamp_ns)
    return msg


def truth(msg: vipa.GroundTruth) -> GroundTruth:
    """vipa_msgs/GroundTruth. Lengths that disagree, poses that are none and contacts that are no pair raise ValueError."""
    if len(msg.names) != len(msg.poses) or len(msg.scalar_names) != len(msg.scalars):
        raise ValueError(
            f"ground truth: {len(msg.names)} names, {len(msg.poses)} poses, {len(msg.scalar_names)} names of scalars, "
            f"{len(msg.scalars)} scalars"
        )
    poses = {n: pose_array(p) for n, p in zip(msg.names, msg.poses)}
    for name, pose in poses.items():
        if not np.all(np.isfinite(pose)) or abs(np.linalg.norm(pose[3:]) - 1) > 1e-3:
            raise ValueError(f"ground truth: {name}: {pose.tolist()} is no pose")
    if not all(map(math.isfinite, msg.scalars)):
        raise ValueError("ground truth: scalars are not finite")
    contacts = frozenset(tuple(pair.split("|")) for pair in msg.contacts)
    if any(len(pair) != 2 for pair in contacts):
        raise ValueError("ground truth: a contact is no pair")
    return GroundTruth(time_ns(msg.header.stamp), poses, dict(zip(msg.scalar_names, msg.scalars)), contacts)


def truth_msg(value: GroundTruth) -> vipa.GroundTruth:
    """The inverse of `truth`."""
    msg = vipa.GroundTruth(
        names=list(value.poses),
        poses=[pose_msg(p) for p in value.poses.values()],
        scalar_names=list(value.scalars),
        scalars=[float(v) for v in value.scalars.values()],
        contacts=sorted("|".join(pair) for pair in value.contacts),
    )
    msg.header.stamp = time_msg(value.stamp_ns)
    msg.header.frame_id = "world"
    return msg


def wrench(msg: WrenchStamped) -> np.ndarray:
    """geometry_msgs/WrenchStamped as (6,) force and torque."""
    f, t = msg.wrench.force, msg.wrench.torque
    return np.array([f.x, f.y, f.z, t.x, t.y, t.z])


def wrench_msg(value, stamp: Time, frame_id: str) -> WrenchStamped:
    """The inverse of `wrench`."""
    msg = WrenchStamped()
    msg.header.stamp, msg.header.frame_id = stamp, frame_id
    f, t = msg.wrench.force, msg.wrench.torque
    f.x, f.y, f.z, t.x, t.y, t.z = map(float, value)
    return msg


def frame_msgs(frame: CameraFrame, distortion=(0.0,) * 5) -> dict:
    """The messages of a capture by the keys of `topics.camera_topics`. distortion: (5,) plumb_bob."""
    stamp, name = time_msg(frame.stamp_ns), f"{frame.name}_color_optical_frame"
    height, width = frame.depth.shape
    info = camera_info_msg(frame.intrinsics, width, height, stamp, name, distortion)
    return {
        "color_info": info,
        "depth_info": info,
        "color": image_msg(frame.color, stamp, name),
        "depth": image_msg(frame.depth, stamp, name),
    }


def image_msg(pixels: np.ndarray, stamp: Time, frame_id: str) -> Image:
    """(H, W, 3) uint8 as rgb8, (H, W) uint16 as 16UC1, as sensor_msgs/Image."""
    height, width = pixels.shape[:2]
    encoding, step = ("rgb8", 3 * width) if pixels.ndim == 3 else ("16UC1", 2 * width)
    msg = Image(height=height, width=width, encoding=encoding, step=step, is_bigendian=0)
    msg.header.stamp, msg.header.frame_id = stamp, frame_id
    msg.data = array.array("B", pixels.tobytes())  # an array is taken as it is, bytes are checked one by one
    return msg


def camera_info_msg(
    intrinsics: np.ndarray, width: int, height: int, stamp: Time, frame_id: str, distortion=(0.0,) * 5
) -> CameraInfo:
    """sensor_msgs/CameraInfo of a pinhole camera with K (3, 3) and the distortion (5,) plumb_bob."""
    k = np.asarray(intrinsics, dtype=float)
    msg = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[float(v) for v in distortion])
    msg.header.stamp, msg.header.frame_id = stamp, frame_id
    msg.k = k.ravel()
    msg.r = np.eye(3).ravel()
    msg.p = np.hstack([k, np.zeros((3, 1))]).ravel()
    return msg


def camera_frame(name: str, color: Image, depth: Image, info: CameraInfo, extrinsics: np.ndarray) -> CameraFrame:
    """A capture of colour and aligned depth; extrinsics (4, 4) world ← optical at its stamp. Raises ValueError for one that
    nothing can be concluded from: see `vipa.robot.captures`."""
    try:
        pictures = pixels(color), pixels(depth)
    except ValueError as error:
        raise ValueError(f"camera {name}: {error}") from None
    return capture(name, time_ns(color.header.stamp), pictures, info.k, (info.width, info.height), extrinsics)


def checklist(msg: vipa.EpisodeStatus) -> tuple[str, list[Row]]:
    """The phase and the sub-tasks of vipa_msgs/EpisodeStatus. Raises ValueError for states that are none, and numbers that are none."""
    if msg.state >= len(PHASE) or any(s.status >= len(STATUS) for s in msg.subtasks):
        raise ValueError(f"episode: state {msg.state}, sub-tasks {[s.status for s in msg.subtasks]}")
    if not all(map(math.isfinite, (msg.elapsed, msg.time_limit, *(s.progress for s in msg.subtasks)))):
        raise ValueError("episode: not finite")
    rows = [Row(s.name, STATUS[s.status], s.t_done, min(max(s.progress, 0.0), 1.0), s.evidence) for s in msg.subtasks]
    return PHASE[msg.state], rows
