"""Looks at this machine and says what would keep an episode from running, each with the line that mends it."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from vipa import resources
from vipa.errors import VipaError
from vipa.preflight.finding import ERROR, OK, WARNING, Finding
from vipa_ros.bringup import dds
from vipa_ros.bringup.environment import DDS_PROFILES, Domain, child_environment
from vipa_ros.bringup.supervisor import dead_shared_memory
from vipa_ros.preflight import host

PYTHONS = ((3, 11), (3, 13))  # first and last that are supported
MIN_DISK_BYTES = 2e9  # bytes; an episode's run folder takes some tens of megabytes
# bytes; Fast DDS keeps its queues there: a segment of the profile's size for each of some nine processes
MIN_SHM_BYTES = 700e6
SHM_FIX = "delete old files in /dev/shm; in a container: docker run --shm-size=1g"

RENDERING_PROBE = """
import json, time
from vipa_sim import gl
import mujoco, numpy
name, context = gl.platform(), gl.context(320, 240)
from OpenGL import GL  # not before the context: it would choose a platform
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom type="plane" size="1 1 .1" rgba="1 0 0 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
scene, view = mujoco.MjvScene(model, 10), mujoco.MjrRect(0, 0, 320, 240)
camera, option = mujoco.MjvCamera(), mujoco.MjvOption()
drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, drawer)
mujoco.mjv_updateScene(model, data, option, None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
image = numpy.zeros((240, 320, 3), numpy.uint8)
times = []
for _ in range(6):
    start = time.perf_counter()
    mujoco.mjr_render(view, scene, drawer)
    mujoco.mjr_readPixels(image, None, view, drawer)
    times.append(time.perf_counter() - start)
renderer = GL.glGetString(GL.GL_RENDERER).decode()
print(json.dumps({"platform": name, "renderer": renderer, "ms": min(times) * 1e3, "light": float(image.mean())}))
"""

ROS_PROBE = """
import json, rclpy
from vipa_ros.bringup import dds
rclpy.init()
node = rclpy.create_node("vipa_doctor")
print(json.dumps({"rmw": rclpy.get_rmw_implementation_identifier(), "rclpy": rclpy.__file__, "segments": dds.segments()}))
node.destroy_node()
rclpy.shutdown()
"""

MESSAGES_PROBE = """
import rclpy.type_support as types
from control_msgs.action import FollowJointTrajectory, GripperCommand
from moveit_msgs.msg import ServoStatus
from tf2_msgs.msg import TFMessage
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import ActionChunk
for message in (ServoStatus, TFMessage, ActionChunk):
    types.check_for_type_support(message)
print("{}")
"""


def check() -> list[Finding]:
    """All findings of this machine, good ones too. Starts four short Python processes: a library that crashes is a finding."""
    wheels = importlib.util.find_spec("ros_wheels_bootstrapper") is not None
    findings = [python_version(wheels)]
    if wheels:
        findings.append(packages())
    findings += [
        host.versions(),
        middleware(wheels),
        dds_profile(),
        message_types(wheels),
        rendering(),
        host.gpu(),
        domain(),
        disk(),
        shared_memory(),
    ]
    return [*findings, host.real_time()]


def python_version(wheels: bool) -> Finding:
    """Whether this Python is one that the packages are built for. wheels: ROS comes from them, not from a system."""
    first, last = PYTHONS
    version = sys.version_info[:2]
    world = "ROS from wheels" if wheels else f"ROS {os.environ.get('ROS_DISTRO', 'not sourced')}"
    return Finding(
        "python",
        OK if first <= version <= last else ERROR,
        f"{sys.version.split()[0]} in {sys.prefix}; {world}",
        f"rm -rf .venv && VIPA_PYTHON=python{first[0]}.{first[1]} make setup",
    )


def packages() -> Finding:
    """Whether what is installed is what the lock file pins."""
    lock = resources.root() / "requirements.lock"
    if not lock.is_file():
        return Finding("packages", OK, "no lock file here")
    wrong, count = [], 0
    for line in lock.read_text(encoding="utf-8").splitlines():
        if not line[:1].isalnum():
            continue
        pin = Requirement(line.rstrip(" \\"))
        if pin.marker and not pin.marker.evaluate():
            continue
        count += 1
        try:
            installed = importlib.metadata.version(pin.name)
        except importlib.metadata.PackageNotFoundError:
            installed = None
        if installed is None or not pin.specifier.contains(installed, prereleases=True):
            wrong.append(f"{pin.name} {installed or 'missing'} (pinned {pin.specifier})")
    # The stamp says that the lock file is in place; without it set-up makes it so again.
    return Finding(
        "packages",
        ERROR if wrong else OK,
        f"{count} as pinned" if not wrong else ", ".join(wrong[:5]) + (" ..." if len(wrong) > 5 else ""),
        "rm .venv/.setup/packages && make setup",
    )


def middleware(wheels: bool) -> Finding:
    """Whether rclpy starts a node, and whose it is."""
    fix = "make setup" if wheels else "source /opt/ros/jazzy/setup.bash"
    found, error = probe(ROS_PROBE)
    if error:
        return Finding("ros", ERROR, error, fix)
    here = Path(found["rclpy"]).is_relative_to(sys.prefix)
    if wheels and not here:
        return Finding("ros", ERROR, f"rclpy comes from {found['rclpy']}: another ROS is mixed in", "unset PYTHONPATH")
    return Finding("ros", OK, f"rclpy with {found['rmw']} from {Path(found['rclpy']).parent}")


def dds_profile() -> Finding:
    """Whether our profile of Fast DDS, or another with as much room, is in force in the graph's processes."""
    named = next((os.environ[name] for name in DDS_PROFILES if os.environ.get(name)), "")
    wanted = dds.segment_size(resources.dds_profile())
    try:
        domain = Domain()  # alone in it: what others share would be taken for ours
    except VipaError as error:
        return Finding("dds", ERROR, str(error), "end an episode that runs")
    found, error = probe(ROS_PROBE, **child_environment(domain.id))
    domain.release()
    if error:
        return Finding("dds", ERROR, error, "see ros above")
    if found["rmw"] not in dds.FAST_DDS:
        return Finding(
            "dds",
            WARNING,
            f"{found['rmw']}, not Fast DDS: our profile does not apply, docs/dds.md has the lines for others",
        )
    largest = max(found["segments"], default=0)
    if largest < wanted:
        what = f"segments of {largest / 1e6:.1f} MB, {wanted / 1e6:.0f} wanted: {named or resources.dds_profile()} is not in force"
        return Finding("dds", ERROR, what, f"unset {' '.join(DDS_PROFILES)}" if named else SHM_FIX)
    return Finding("dds", OK, f"{found['rmw']} with {named or 'our profile'}: segments of {largest / 1e6:.0f} MB")


def message_types(wheels: bool) -> Finding:
    """Whether the types of `vipa_msgs` can be sent."""
    fix = "rm .venv/.setup/interfaces; make setup" if wheels else "colcon build && source install/setup.bash"
    _, error = probe(MESSAGES_PROBE)
    return Finding("messages", ERROR if error else OK, error or "vipa_msgs, control_msgs, moveit_msgs, tf2_msgs", fix)


def rendering() -> Finding:
    """Whether MuJoCo draws here, and how fast."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    fix = f"{sudo}apt-get update && {sudo}apt-get install -y libegl1 libgl1-mesa-dri libopengl0"
    found, error = probe(RENDERING_PROBE)
    if error:
        return Finding("rendering", ERROR, error, fix)
    what = f"{found['platform']} on {found['renderer']}"
    if not found["light"] > 1:
        return Finding("rendering", ERROR, f"{what} draws a black picture", fix)
    return Finding("rendering", OK, f"{what}, {found['ms']:.1f} ms for 320x240")


def domain() -> Finding:
    """Whether the ROS domain asked for, or any other, is free."""
    wanted = os.environ.get("ROS_DOMAIN_ID")
    try:
        domain = Domain(wanted)
    except VipaError as error:
        return Finding("domain", ERROR, str(error), "unset ROS_DOMAIN_ID" if wanted else "end an episode that runs")
    domain.release()
    return Finding("domain", OK, f"ROS domain {domain.id} " + ("as ROS_DOMAIN_ID says" if wanted else "is free"))


def disk() -> Finding:
    """Whether run folders have room here."""
    free = shutil.disk_usage(Path.cwd()).free
    return Finding(
        "disk",
        OK if free > MIN_DISK_BYTES else ERROR,
        f"{free / 1e9:.1f} GB free in {Path.cwd()}",
        f"free {MIN_DISK_BYTES / 1e9:.0f} GB there",
    )


def shared_memory() -> Finding:
    """Fast DDS falls back to UDP without it, which images make slow."""
    folder = "/dev/shm"  # noqa: S108
    if not os.access(folder, os.W_OK):
        return Finding("shared memory", ERROR, f"{folder} is not writable", f"mount -t tmpfs tmpfs {folder}")
    dead = dead_shared_memory(0.0)
    if dead:
        size = sum(path.stat().st_size for path in dead if path.exists())
        what = f"{len(dead)} files of killed processes take {size / 1e6:.0f} MB of {folder}"
        level = WARNING if shutil.disk_usage(folder).free >= 0.9 * MIN_SHM_BYTES else ERROR
        first = ", ".join(path.name for path in dead[:2])
        fix = f"no process holds their locks ({first}, …); with no ROS graph running: rm -f {folder}/fastrtps_* {folder}/sem.fastrtps_*"
        return Finding("shared memory", level, what, fix)
    free = shutil.disk_usage(folder).free
    return Finding(
        "shared memory",
        OK if free >= 0.9 * MIN_SHM_BYTES else ERROR,
        f"{free / 1e6:.0f} MB free in {folder}",
        SHM_FIX,
    )


def probe(code: str, **environ: str) -> tuple[dict, str]:
    """What `code`, run by this Python, prints as JSON, and its error in one line ('' if none)."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired:
        return {}, "no answer within 60 s"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1]), ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    what = lines[-1].strip() if lines else "no message"
    return {}, what if done.returncode > 0 else f"crashed with signal {-done.returncode}: {what}"
