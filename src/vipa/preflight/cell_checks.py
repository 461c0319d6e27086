"""The checks of a cell: cameras, joints, controllers, frames, clocks, motion. Each gives a finding of what was heard."""

from collections.abc import Sequence

import numpy as np

from vipa.commanders.policy.freshness import MAX_AGE_S, MAX_SKEW_S
from vipa.drivers.controllers import ACTIVE, TYPE, controller_faults, parameter_faults
from vipa.drivers.driver import OWN
from vipa.moveit.names import servo_node
from vipa.preflight.finding import ERROR, OK, WARNING, Finding, judged
from vipa.preflight.heard import CameraHeard, Heard
from vipa.recording.topic_names import JOINT_STATES
from vipa.robot.captures import MIN_BRIGHTNESS, intrinsics_fault
from vipa.robot.description import Camera, Robot
from vipa.robot.kinematics import Kinematics

MIN_RATE_SHARE = 0.8  # of a camera's rate, at least
MAX_LOST_SHARE = 0.2  # of a camera's pictures, on the way from its driver to here
LOST_FIX = "fewer or smaller pictures at a time, fewer readers, an idle machine; docs/dds.md"
EARLY_S = 0.005  # seconds that a stamp may lie in this host's future: more is another host's clock
JOINT_OFFSET_S = 0.05  # seconds that joint states may be old when they come, as motion allows
MIN_JOINT_RATE_HZ = 30.0
MIN_WRENCH_RATE_HZ = 40.0
SERVO_VERSIONS = "2."  # of moveit_servo, as Jazzy has it
PLANNER = "/planner"
USB = "3"  # what a RealSense's connection begins with


def cell_findings(robot: Robot, cameras: Sequence[str], heard: Heard, make: str) -> list[Finding]:
    """All findings of the cell. cameras: names of those that the task looks through. make: the real robot's driver, "": a simulated
    one."""
    described = {c.name: c for c in robot.cameras}
    found = [camera_finding(described[name], heard) for name in cameras]
    found.append(skew(cameras, heard))
    found += [
        joints(robot, heard),
        limits(robot, heard),
        wrenches(robot, heard),
        frames(robot, cameras, heard),
        motion(heard),
    ]
    if not heard.simulated:
        found.append(clocks(heard))
    if make:
        found.append(driver(heard))
    if make and make not in OWN:
        found.append(controllers(robot, heard))
    return found


def camera_finding(camera: Camera, heard: Heard) -> Finding:
    """Rate, stamps, size, intrinsics, brightness; serial and USB as far as the driver tells them."""
    name, seen = f"camera {camera.name}", heard.cameras.get(camera.name, CameraHeard())
    fix = f"start its driver: ros2 topic hz /camera/{camera.name}/color/image_raw; docs/install.md"
    if len(seen.stamps) < 2:
        return Finding(name, ERROR, f"{len(seen.stamps)} pictures in {heard.seconds:.0f} s", fix)
    stamps = np.array([stamp for stamp, _ in seen.stamps], float) / 1e9
    rate, lost = pace(stamps)
    taken = len(stamps) + lost
    faults = []
    if rate < MIN_RATE_SHARE * camera.rate:
        faults.append(f"{rate:.1f} Hz; allowed: {MIN_RATE_SHARE * camera.rate:g} or more of {camera.rate:g}")
    if lost > MAX_LOST_SHARE * taken:
        faults.append(
            f"{rate:.1f} Hz, of which {lost} of {taken} pictures were lost on the way; allowed: {MAX_LOST_SHARE:.0%}"
        )
        fix = LOST_FIX
    if np.any(np.diff(stamps) <= 0) or stamps[0] <= 0:
        faults.append("its stamps do not rise")
    if not seen.depth_stamps:
        faults.append("no depth, aligned to colour")
    elif not set(seen.depth_stamps) & {stamp for stamp, _ in seen.stamps}:
        faults.append("no depth has the stamp of a picture; allowed: the same, as the driver aligns them")
    if seen.size != (camera.width, camera.height):
        faults.append(f"pictures of {seen.size}; the robot file says {camera.width}x{camera.height}")
    if seen.k is None:
        faults.append("no CameraInfo")
    elif seen.size and (why := intrinsics_fault(seen.k, seen.size, seen.info_size or (0, 0))):
        faults.append(why)
    if seen.mean < MIN_BRIGHTNESS:
        faults.append(f"dark: {seen.mean:.0f} of 255; allowed: {MIN_BRIGHTNESS:g} or more")
    said = seen.facts.get("serial", "")
    if camera.serial and said and said != camera.serial:
        faults.append(f"it is {said}; the robot file says {camera.serial}")
    if faults:
        return Finding(name, ERROR, "; ".join(faults), fix)
    facts = ", ".join(f"{key} {seen.facts[key]}" for key in ("serial", "firmware", "usb") if seen.facts.get(key))
    on_the_way = f" ({lost} of {taken} lost on the way)" if lost else ""
    well = f"{rate:.1f} Hz{on_the_way}, {camera.width}x{camera.height}{f', {facts}' if facts else ''}"
    usb = seen.facts.get("usb", "")
    if usb and not usb.startswith(USB):
        return Finding(
            name, WARNING, f"{well}: on USB {usb}; frames get lost", "plug it into a USB 3 port, with a USB 3 cable"
        )
    if float(seen.facts.get("lost", 0) or 0) > 0:
        return Finding(
            name,
            WARNING,
            f"{well}: {seen.facts['lost']} frames lost",
            "fewer cameras a USB controller, a shorter cable",
        )
    return Finding(name, OK, well)


def pace(stamps: np.ndarray) -> tuple[float, int]:
    """How fast a camera takes pictures, Hz, and how many of them are missing between the stamps (T,) in seconds of those that came."""
    gaps = np.diff(stamps)
    period = max(float(np.median(gaps)), 1e-9)
    return 1.0 / period, int(np.sum(np.maximum(np.round(gaps / period) - 1, 0)))


def skew(cameras: Sequence[str], heard: Heard) -> Finding:
    """Whether every picture of one camera has one of each other near it."""
    faults = []
    stamps = {
        c: np.array([s for s, _ in heard.cameras[c].stamps])
        for c in cameras
        if c in heard.cameras and heard.cameras[c].stamps
    }
    worst = 0.0
    for a, mine in stamps.items():
        for b, theirs in stamps.items():
            inside = mine[(mine >= theirs[0]) & (mine <= theirs[-1])]
            if a < b and len(inside):
                off = float(np.max(np.min(np.abs(inside[:, None] - theirs[None]), axis=1))) / 1e9
                worst = max(worst, off)
                if off > MAX_SKEW_S:
                    faults.append(f"{a} and {b} are {off:.2f} s apart; allowed: {MAX_SKEW_S:g}")
            elif a < b:
                faults.append(f"{a} and {b} never showed the same time")
    fix = "check rates and clocks of the cameras' hosts; realsense.sync of the robot file, docs/install.md"
    return judged("camera skew", faults, f"{1e3 * worst:.0f} ms at most between {len(stamps)} cameras", fix)


def joints(robot: Robot, heard: Heard) -> Finding:
    """Names and rates of the joint states."""
    wanted = [j for g in robot.groups for j in (*g.joints, *(g.hand.joints if g.hand else ()))]
    missing = [j for j in wanted if j not in heard.joints]
    fix = "start the robot's driver and its joint_state_broadcaster; compare names and QoS (reliable): ros2 topic info -v /joint_states"
    if missing:
        others = sorted(set(heard.joints) - set(wanted))
        said = f"nothing heard of {', '.join(missing[:4])}{' …' if len(missing) > 4 else ''}"
        return Finding("joints", ERROR, f"{said}{f'; heard of {chr(44).join(others[:4])}' if others else ''}", fix)
    arms = [j for g in robot.groups for j in g.joints]
    rates = {j: (len(heard.joints[j]) - 1) / max((heard.joints[j][-1] - heard.joints[j][0]) / 1e9, 1e-9) for j in arms}
    slow = min(rates, key=rates.__getitem__)
    faults = (
        [f"{slow} comes at {rates[slow]:.0f} Hz; allowed: {MIN_JOINT_RATE_HZ:g} or more"]
        if rates[slow] < MIN_JOINT_RATE_HZ
        else []
    )
    unsound = [j for j in wanted if not np.isfinite(heard.positions.get(j, np.nan))]
    if unsound:
        faults.append(f"{unsound[0]} has no finite position")
    if not faults and rates[slow] < MIN_RATE_SHARE * robot.control_rate:
        return Finding(
            "joints",
            WARNING,
            f"{slow} comes at {rates[slow]:.0f} Hz; motion steps no faster, where the robot file wants {robot.control_rate:g}",
            "let the broadcaster publish /joint_states itself, or faster: docs/robots/",
        )
    return judged("joints", faults, f"{len(wanted)} joints, {rates[slow]:.0f} Hz or more", fix)


def limits(robot: Robot, heard: Heard) -> Finding:
    """Whether the arms stand inside their limits, and at rest."""
    kinematics, faults = Kinematics(robot), []
    for name, low, high in zip(kinematics.joint_names, kinematics.lower, kinematics.upper, strict=True):
        q = heard.positions.get(name)
        if q is not None and np.isfinite(q) and not low <= q <= high:
            faults.append(f"{name} stands at {q:.3f}; allowed: {low:.3f} to {high:.3f} rad")
        if abs(heard.velocities.get(name, 0.0) or 0.0) > 0.05:
            faults.append(f"{name} moves at {heard.velocities[name]:.2f} rad/s")
    return judged(
        "limits",
        faults,
        "all joints inside their limits, at rest",
        "guide the arm back by hand, or with its maker's tool",
    )


def wrenches(robot: Robot, heard: Heard) -> Finding:
    """Whether each arm's wrench comes as often as the gate wants."""
    faults = [f"{g.wrench_topic}: {heard.wrenches.get(g.name, 0) / heard.seconds:.0f} Hz; allowed: {MIN_WRENCH_RATE_HZ:g} or more"
              for g in robot.arms if heard.wrenches.get(g.name, 0) / heard.seconds < MIN_WRENCH_RATE_HZ and not heard.simulated]  # fmt: skip
    silent = [f"{g.wrench_topic}: silent" for g in robot.arms if heard.simulated and not heard.wrenches.get(g.name, 0)]
    fix = "publish the wrist's force and torque there, reliably (QoS): docs/safety.md, A real robot"
    return judged("wrench", faults + silent, ", ".join(g.wrench_topic for g in robot.arms), fix)


def frames(robot: Robot, cameras: Sequence[str], heard: Heard) -> Finding:
    """Whether TF ties each camera to the world or a link, to the one that the robot file has it on."""
    described = {c.name: c for c in robot.cameras}
    faults = []
    for name in cameras:
        frame, chain = f"{name}_color_optical_frame", []
        while frame in heard.frames and len(chain) < 16:
            frame = heard.frames[frame]
            chain.append(frame)
        parent = described[name].parent
        if not chain:
            faults.append(f"nothing says where {name}_color_optical_frame is")
        elif parent not in chain:
            faults.append(f"{name} is on {chain[-1]}; the robot file has it on {parent}")
    fix = "node `robot` publishes /tf_static; another publisher of it must agree: ros2 run tf2_tools view_frames"
    return judged("frames", faults, f"{len(cameras)} cameras in place", fix)


def clocks(heard: Heard) -> Finding:
    """Whether the hosts that stamp agree with this one: a stamp is a little older than its arrival, never younger."""
    faults, seen = [], []
    sources = {f"camera {n}": [(a - s) / 1e9 for s, a in c.stamps] for n, c in heard.cameras.items() if c.stamps}
    if heard.joint_offsets:
        sources[JOINT_STATES] = heard.joint_offsets
    for name, offsets in sources.items():
        offset, allowed = float(np.median(offsets)), JOINT_OFFSET_S if name == JOINT_STATES else MAX_AGE_S
        seen.append(f"{name} {1e3 * offset:.0f} ms")
        if offset < -EARLY_S:
            faults.append(f"{name}: stamped {-1e3 * offset:.0f} ms in this host's future; allowed: {1e3 * EARLY_S:g}")
        elif offset > allowed:
            faults.append(f"{name}: {1e3 * offset:.0f} ms old when it comes; allowed: {1e3 * allowed:g}")
    fix = "set the hosts' clocks by one source: sudo apt-get install -y chrony; chronyc tracking (docs/several-machines.md)"
    return judged("clocks", faults, ", ".join(seen) or "nothing stamped was heard", fix)


def motion(heard: Heard) -> Finding:
    """Whether motion is there, armed, and nobody's."""
    fix = "vipa operator: what stopped it, re-arm with `a`"
    if heard.estop is None:
        return Finding("motion", WARNING, "no motion node is running yet", "vipa cell starts one, and an episode does")
    if heard.estop:
        return Finding("motion", ERROR, f"stopped: {'; '.join(heard.stop_reasons) or 'no reason given'}", fix)
    if heard.authority:
        return Finding("motion", WARNING, f"'{heard.authority}' has the authority", "end what drives the robot")
    return Finding("motion", OK, "armed")


def driver(heard: Heard) -> Finding:
    """What the robot's driver says."""
    if heard.robot_ready is None:
        return Finding("driver", WARNING, "node `robot` is not running yet", "vipa cell starts it, and an episode does")
    return judged(
        "driver",
        [heard.robot_ready],
        "ready",
        "vipa operator: recover with `r`; what is stopped by hand is released by hand",
    )


def moveit(robot: Robot, heard: Heard) -> Finding:
    """Whether each arm's Servo node is there, answers, and moves that arm; and whether a planner is there."""
    faults = []
    for group in robot.arms:
        node, moves = servo_node(group.name), heard.servos.get(group.name, "")
        if node not in heard.nodes:
            faults.append(f"{node} is not running")
        elif not moves:
            faults.append(f"{node} does not answer")
        elif moves != group.name:
            faults.append(f"{node} moves group '{moves}'; allowed: {group.name}")
    version = heard.servo_version
    if version and not version.startswith(SERVO_VERSIONS):
        faults.append(
            f"moveit_servo {version}; allowed: {SERVO_VERSIONS}x, whose messages and parameters are spoken here"
        )
    fix = "ros2 launch vipa_ros moveit.launch.py, or vipa cell --motion-backend moveit; docs/moveit.md"
    if not faults and PLANNER not in heard.nodes:
        return Finding("moveit", WARNING, f"{PLANNER} is not running: nobody plans moves", fix)
    well = f"moveit_servo {version or 'of an unknown version'}: {', '.join(servo_node(g.name) for g in robot.arms)}; {PLANNER}"
    return judged("moveit", faults, well, fix)


def controllers(robot: Robot, heard: Heard) -> Finding:
    """Whether the arms' controllers are active, of the type, the joints and with the parameters that motion wants."""
    if heard.controllers is None:
        return Finding(
            "controllers",
            ERROR,
            "/controller_manager/list_controllers does not answer",
            "start the robot's ros2_control; docs/robots/",
        )
    wanted = {g.controller: g.joints for g in robot.groups}
    faults = controller_faults(heard.controllers, wanted)
    faults += [
        fault
        for name in wanted
        if (found := heard.controllers.get(name)) is not None and (found.state, found.type) == (ACTIVE, TYPE)
        for fault in parameter_faults(name, heard.parameters.get(name))
    ]
    fix = "ros2 control list_controllers -v; switch_controllers --activate NAME; its YAML: docs/robots/README.md"
    return judged("controllers", faults, f"{', '.join(wanted)} active", fix)
