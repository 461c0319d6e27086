"""Synthetic bags: an episode of two tiny cameras, joints, chunks and status, without ROS, the same every run."""

import math
from pathlib import Path

import numpy as np

from vipa.recording import definitions
from vipa.recording.bag import BagWriter
from vipa.recording.metadata import Qos

START_NS = 5_000_000_000
SUBTASKS = ["open drawer", "pick & place apple", "pick & place banana", "pick & place plum", "close drawer"]
INSTRUCTION = "open the drawer, put the apple, the banana and the plum into it, and close the drawer"
EPISODE_ID = "7d3c7c4e-2f63-4be1-9a55-2c8d3f0f9a01"
JOINTS = [f"fr3_joint{i}" for i in range(1, 8)]


class Messages:
    """Makes messages by field: `m("std_msgs/msg/Header", stamp=..., frame_id="a")`; the rest is zero or empty."""

    def __init__(self):
        self.store = definitions.typestore()

    def __call__(self, typename: str, **fields):
        cls = self.store.types[typename]
        values = {name: self._default(desc) for name, desc in self.store.fielddefs[typename][1]}
        values.pop("structure_needs_at_least_one_member", None)
        values.update(fields)
        return cls(**values)

    def _default(self, desc):
        node, detail = desc
        kind = int(node)
        if kind == 1:  # base
            return {"string": "", "bool": False}.get(detail[0], 0.0 if detail[0].startswith("float") else 0)
        if kind == 2:  # message
            return self(detail)
        (inner, what), count = detail
        if int(inner) == 1 and what[0] != "string":
            return np.zeros(count if kind == 3 else 0, dtype=what[0])
        return [self._default((inner, what)) for _ in range(count if kind == 3 else 0)]

    def stamp(self, ns: int):
        return self("builtin_interfaces/msg/Time", sec=ns // 10**9, nanosec=ns % 10**9)

    def header(self, ns: int, frame: str = ""):
        return self("std_msgs/msg/Header", stamp=self.stamp(ns), frame_id=frame)

    def pose(self, xyz, xyzw=(0.0, 0.0, 0.0, 1.0)):
        x, y, z = map(float, xyz)
        a, b, c, d = map(float, xyzw)
        return self(
            "geometry_msgs/msg/Pose",
            position=self("geometry_msgs/msg/Point", x=x, y=y, z=z),
            orientation=self("geometry_msgs/msg/Quaternion", x=a, y=b, z=c, w=d),
        )

    def transform(self, ns, parent, child, xyz, xyzw=(0.0, 0.0, 0.0, 1.0)):
        x, y, z = map(float, xyz)
        a, b, c, d = map(float, xyzw)
        return self(
            "geometry_msgs/msg/TransformStamped",
            header=self.header(ns, parent),
            child_frame_id=child,
            transform=self(
                "geometry_msgs/msg/Transform",
                translation=self("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
                rotation=self("geometry_msgs/msg/Quaternion", x=a, y=b, z=c, w=d),
            ),
        )

    def image(self, ns: int, pixels: np.ndarray, frame: str):
        """(H, W, 3) uint8 becomes rgb8, (H, W) uint16 becomes 16UC1."""
        encoding = "rgb8" if pixels.ndim == 3 else "16UC1"
        return self(
            "sensor_msgs/msg/Image",
            header=self.header(ns, frame),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            step=pixels.strides[0],
            data=np.frombuffer(pixels.tobytes(), np.uint8),
        )

    def serialize(self, message) -> bytes:
        return bytes(self.store.serialize_cdr(message, message.__msgtype__))


def tool_position(t: float) -> tuple[float, float, float]:
    """Where the synthetic tool is, `t` seconds into the episode, base frame."""
    return 0.5 + 0.1 * math.sin(t), 0.15 * math.cos(0.7 * t), 0.3 + 0.05 * math.sin(1.3 * t)


def picture(t: float, height: int, width: int, shift: float) -> np.ndarray:
    """A gradient with a moving disc, (H, W, 3) uint8."""
    v, u = np.mgrid[0:height, 0:width]
    pixels = np.stack([60 + 120 * u / width, 90 + 90 * v / height, np.full_like(u, 110, float)], -1)
    centre = (width * (0.5 + 0.3 * math.sin(t + shift)), height * (0.5 + 0.3 * math.cos(t + shift)))
    pixels[(u - centre[0]) ** 2 + (v - centre[1]) ** 2 < (height / 8) ** 2] = (200, 40, 50)
    return pixels.astype(np.uint8)


def depth_picture(t: float, height: int, width: int) -> np.ndarray:
    """(H, W) uint16 millimetres, a slope that moves; a corner has no depth."""
    v, u = np.mgrid[0:height, 0:width]
    depth = (600 + 3 * v + u + 40 * math.sin(t)).astype(np.uint16)
    depth[:4, :4] = 0
    return depth


def write_episode(
    folder: Path,
    seconds: float = 3.0,
    size: tuple[int, int] = (24, 32),
    camera_rate: float = 15.0,
    control_rate: float = 50.0,
    outcome: str = "success",
    pictures=picture,
    log_ahead_ns: int = 0,
) -> Path:
    """Writes a bag of an episode of `seconds`; sub-task k is done at (k + 1) / 6 of it. log_ahead_ns: by how much log times are
    ahead of the stamps. Returns the bag's folder."""
    m = Messages()
    height, width = size
    reliable, latched = (Qos(),), (Qos(durability="transient_local", depth=1),)
    custom = {"episode_id": EPISODE_ID, "task": "put_three_obj", "robot": "fr3_single"}
    with BagWriter(folder, custom) as bag:
        add = bag.add_topic
        status = add("/vipa/episode_status", "vipa_msgs/msg/EpisodeStatus", latched)
        motion = add("/vipa/motion_status", "vipa_msgs/msg/MotionStatus", reliable)
        safety = add("/vipa/safety_status", "vipa_msgs/msg/SafetyStatus", latched)
        chunk = add("/vipa/action_chunk", "vipa_msgs/msg/ActionChunk", reliable)
        commander = add("/vipa/commander_status", "vipa_msgs/msg/CommanderStatus", reliable)
        joints = add("/joint_states", "sensor_msgs/msg/JointState", reliable)
        wrench = add("/arm/wrench", "geometry_msgs/msg/WrenchStamped", reliable)
        tf = add("/tf", "tf2_msgs/msg/TFMessage", reliable)
        tf_static = add("/tf_static", "tf2_msgs/msg/TFMessage", latched)
        cameras = {}
        for name in ("scene", "wrist"):
            base = f"/camera/{name}"
            cameras[name] = (
                add(f"{base}/color/image_raw", "sensor_msgs/msg/Image", reliable),
                add(f"{base}/aligned_depth_to_color/image_raw", "sensor_msgs/msg/Image", reliable),
                add(f"{base}/color/camera_info", "sensor_msgs/msg/CameraInfo", reliable),
            )

        def put(topic, ns, message):
            while not bag.write(topic, ns + log_ahead_ns, ns, m.serialize(message)):
                bag.flush()  # the bag is made faster than the disk takes it

        put(
            tf_static,
            START_NS,
            m(
                "tf2_msgs/msg/TFMessage",
                transforms=[
                    m.transform(START_NS, "world", "fr3_link0", (0, 0, 0)),
                    m.transform(START_NS, "world", "scene_color_optical_frame", (1.25, 0, 0.75), (0.7, 0.7, 0.1, 0.1)),
                    m.transform(START_NS, "fr3_hand_tcp", "wrist_color_optical_frame", (0.05, 0, -0.1)),
                ],
            ),
        )
        ticks = round(seconds * control_rate)
        every = {"camera": control_rate / camera_rate, "status": control_rate / 5, "chunk": control_rate / 10}
        due = dict.fromkeys(every, 0.0)
        seq = 0
        for k in range(ticks + 1):
            t = k / control_rate
            ns = START_NS + round(t * 1e9)
            opening = 1.0 if math.sin(t) > 0 else 0.0
            put(
                joints,
                ns,
                m(
                    "sensor_msgs/msg/JointState",
                    header=m.header(ns),
                    name=[*JOINTS, "fr3_finger_joint1"],
                    position=np.array([*(0.1 * i + 0.2 * math.sin(t) for i in range(7)), 0.04 * opening]),
                    velocity=np.array([0.2 * math.cos(t)] * 7 + [0.0]),
                ),
            )
            put(
                wrench,
                ns,
                m(
                    "geometry_msgs/msg/WrenchStamped",
                    header=m.header(ns, "fr3_hand_tcp"),
                    wrench=m(
                        "geometry_msgs/msg/Wrench",
                        force=m("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=-3.0 + 2 * math.sin(3 * t)),
                    ),
                ),
            )
            move = m.transform(ns, "fr3_link0", "fr3_hand_tcp", tool_position(t), (1.0, 0.0, 0.0, 0.0))
            put(tf, ns, m("tf2_msgs/msg/TFMessage", transforms=[move]))
            mode = 1 if t < 0.9 * seconds else 0
            put(
                motion,
                ns,
                m(
                    "vipa_msgs/msg/MotionStatus",
                    header=m.header(ns),
                    epoch=1,
                    authority="expert",
                    mode=mode,
                    executing_seq=seq,
                    executing_step=0,
                    clamps=int(t > 0.5 * seconds) * 3,
                    jitter_ms_p99=0.4,
                    observation_age=0.08,
                ),
            )
            if k >= due["chunk"]:
                due["chunk"] += every["chunk"]
                seq += 1
                steps = [t + 0.1 * i for i in range(8)]
                put(
                    chunk,
                    ns,
                    m(
                        "vipa_msgs/msg/ActionChunk",
                        header=m.header(ns),
                        commander_id="expert",
                        epoch=1,
                        seq=seq,
                        observation_stamp=m.stamp(ns - 30_000_000),
                        start_time=m.stamp(ns),
                        dt=0.1,
                        groups=[
                            m(
                                "vipa_msgs/msg/ActionGroup",
                                name="arm",
                                frame_id="fr3_link0",
                                tip_frame="fr3_hand_tcp",
                                poses=[m.pose(tool_position(s), (1.0, 0.0, 0.0, 0.0)) for s in steps],
                                hand_joint_names=["fr3_finger_joint1"],
                                hand=np.array([1.0 if math.sin(s) > 0 else 0.0 for s in steps]),
                            )
                        ],
                    ),
                )
                put(
                    commander,
                    ns,
                    m(
                        "vipa_msgs/msg/CommanderStatus",
                        header=m.header(ns),
                        commander_id="expert",
                        seq=seq,
                        sent=True,
                        step_ms=4.0 + (seq % 5),
                    ),
                )
            if k >= due["status"] or k == ticks:
                due["status"] += every["status"]
                put(status, ns, _status(m, ns, t, seconds, outcome, last=k == ticks))
                put(safety, ns, m("vipa_msgs/msg/SafetyStatus", header=m.header(ns), armed=True))
            if k >= due["camera"]:
                due["camera"] += every["camera"]
                for i, (name, topics) in enumerate(cameras.items()):
                    frame = f"{name}_color_optical_frame"
                    put(topics[0], ns, m.image(ns, pictures(t, height, width, 2.0 * i), frame))
                    put(topics[1], ns, m.image(ns, depth_picture(t, height, width), frame))
                    info = m(
                        "sensor_msgs/msg/CameraInfo",
                        header=m.header(ns, frame),
                        height=height,
                        width=width,
                        k=np.array([width, 0, width / 2, 0, width, height / 2, 0, 0, 1.0]),
                    )
                    put(topics[2], ns, info)
    return Path(folder)


def _status(m, ns, t, seconds, outcome, last):
    done = [(k + 1) * seconds / 6 for k in range(5)]
    complete = outcome == "success"
    subtasks, active = [], False
    for name, when in zip(SUBTASKS, done, strict=True):
        finished = when <= t and (complete or name != SUBTASKS[-1])
        state = 2 if finished else (0 if active else 1)
        active = active or not finished
        subtasks.append(
            m(
                "vipa_msgs/msg/SubTaskStatus",
                name=name,
                status=state,
                t_done=when if finished else float("nan"),
                progress=min(1.0, t / when),
                evidence=f"progress {min(1.0, t / when):.2f}",
            )
        )
    return m(
        "vipa_msgs/msg/EpisodeStatus",
        header=m.header(ns),
        state=3 if last else 2,
        episode_id=EPISODE_ID,
        task="put_three_obj",
        instruction=INSTRUCTION,
        robot="fr3_single",
        cell="sim",
        commander="expert",
        seed=7,
        variant="linen",
        elapsed=t,
        time_limit=120.0,
        subtasks=subtasks,
        outcome=outcome if last else "",
    )
