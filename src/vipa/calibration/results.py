"""What a calibration leaves: calibration.yaml for the robot file, camera YAML and TF for others, and the figures in words."""

from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from vipa import files
from vipa.calibration.delay import Delay
from vipa.calibration.hand_eye import MountResult
from vipa.calibration.intrinsics import CameraResult
from vipa.calibration.latency import LatencyResult
from vipa.calibration.view import Intrinsics
from vipa.errors import VipaError
from vipa.robot import calibrated
from vipa.robot.calibrated import Calibration, Mount

FILE = "calibration.yaml"


def kept(folder: Path, robot: str) -> Calibration:
    """What `folder` holds of `robot`; nothing where there is no file. Raises VipaError for a file of another robot or none that can be read."""
    path = folder / FILE
    if not path.is_file():
        return Calibration(robot)
    found = calibrated.load(path)
    if found.robot != robot:
        raise VipaError(f"{path}: is of robot '{found.robot}'; allowed: {robot}, or another --out")
    return found


def write(folder: Path, calibration: Calibration) -> Path:
    """`calibration` as calibration.yaml in `folder`. Raises VipaError."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {key: value for key, value in asdict(calibration).items() if value}
    files.write_yaml(folder / FILE, given)
    return folder / FILE


def mounted(mount: Mount, result: MountResult) -> Mount:
    """`mount` with how well it is known."""
    return replace(
        mount, rms_px=round(result.rms_px, 3), sigma_mm=round(result.sigma_mm, 3), sigma_deg=round(result.sigma_deg, 4),
        poses=len(result.views) - len(result.dropped), date=date.today().isoformat(),
    )  # fmt: skip


def with_latency(calibration: Calibration, found: LatencyResult) -> Calibration:
    """`calibration` with what could be told of `found`."""

    def good(part: dict[str, Delay]) -> dict[str, float]:
        return {name: round(d.seconds, 4) for name, d in part.items() if not d.fault}

    return replace(
        calibration,
        camera_latency=calibration.camera_latency | good(found.camera),
        command_latency=calibration.command_latency | good(found.command),
        hand_latency=calibration.hand_latency | good(found.hand),
    )


def camera_info(camera: str, found: Intrinsics) -> dict:
    """As camera_calibration and camera_info_manager of ROS have it in a file."""
    k = [float(v) for v in found.k.ravel()]
    projection = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    return {
        "image_width": found.size[0],
        "image_height": found.size[1],
        "camera_name": camera,
        "camera_matrix": {"rows": 3, "cols": 3, "data": k},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [float(v) for v in found.distortion]},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]},
        "projection_matrix": {"rows": 3, "cols": 4, "data": projection},
    }


def tf_command(camera: str, mount: Mount) -> str:
    """The line with which ROS publishes where the camera is."""
    x, y, z = mount.position
    qx, qy, qz, qw = Rotation.from_euler("xyz", mount.rpy).as_quat()
    return (
        f"ros2 run tf2_ros static_transform_publisher --x {x:.6f} --y {y:.6f} --z {z:.6f} --qx {qx:.6f} --qy {qy:.6f} --qz {qz:.6f} "
        f"--qw {qw:.6f} --frame-id {mount.parent} --child-frame-id {camera}_color_optical_frame"
    )


def camera_words(camera: str, r: CameraResult) -> list[str]:
    """The result in lines, the verdict last."""
    k = r.intrinsics.k
    lines = [
        f"camera {camera}: {len(r.view_rms)} pictures of {r.intrinsics.size[0]}x{r.intrinsics.size[1]}, board seen in {r.covered:.0%} of the picture",
        f"  focal lengths {k[0, 0]:.2f}, {k[1, 1]:.2f} +- {r.focal_sigma:.2f}; principal point {k[0, 2]:.2f}, {k[1, 2]:.2f} pixels",
        f"  distortion {' '.join(f'{v:.4f}' for v in r.intrinsics.distortion)}",
        f"  {r.rms:.2f} pixels RMS",
    ]
    if r.differs is not None:
        lines.append(f"  the camera's own intrinsics differ by {r.differs:.2f} pixels RMS")
    return [*lines, *_judged(r.faults, r.warnings), f"  verdict: {r.verdict}"]


def mount_words(camera: str, r: MountResult, mount: Mount) -> list[str]:
    """The result in lines, the verdict last."""
    position, rpy = ", ".join(f"{v:.5f}" for v in mount.position), ", ".join(f"{v:.5f}" for v in mount.rpy)
    far = max(r.left_out.values(), default=(0.0, 0.0))
    lines = [
        f"camera {camera}: {len(r.views) - len(r.dropped)} poses, {'on the hand' if r.on_hand else 'beside the arm'}",
        f"  parent {mount.parent}, position [{position}], rpy [{rpy}]",
        f"  {r.rms_px:.2f} pixels RMS, {r.rms_mm:.2f} mm on the board; known to {r.sigma_mm:.2f} mm, {r.sigma_deg:.3f} degrees",
        f"  worst: {', '.join(r.worst)}; without one pose it moves by {far[0]:.2f} mm, {far[1]:.3f} degrees at most",
    ]
    return [*lines, *_judged(r.faults, r.warnings), f"  verdict: {r.verdict}"]


def latency_words(found: LatencyResult) -> list[str]:
    """The result in lines."""
    lines = []
    for what, part in (
        ("command to motion", found.command),
        ("command to hand", found.hand),
        ("exposure to stamp", found.camera),
    ):
        for name, d in part.items():
            said = (
                f"{1e3 * d.seconds:.1f} +- {1e3 * d.sigma:.1f} ms (agrees by {d.agreement:.3f})"
                if np.isfinite(d.sigma)
                else "not told"
            )
            lines.append(f"{what}, {name}: {said}{f': {d.fault}' if d.fault else ''}")
    return lines


def _judged(faults: list[str], warnings: list[str]) -> list[str]:
    return [*(f"  bad: {f}" for f in faults), *(f"  note: {w}" for w in warnings)]
