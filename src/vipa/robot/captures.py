"""Is what a camera delivers fit to act on, and to learn from? One judgement for the live cameras and for bags."""

from dataclasses import dataclass

import numpy as np

from vipa.robot.state import CameraFrame

FROZEN_S = 2.0  # seconds of identical pixels: a camera's noise never repeats, and a moving robot's view changes
MIN_BRIGHTNESS = 8.0  # mean of the colours, of 255: a lens cap gives 0 to 4, a room by night with one lamp 15
MIN_DEPTH_SHARE = 0.01  # share of the pixels that have a depth at least
MAX_CENTRE_SHARE = 0.2  # share of the picture's size that the principal point may lie off its centre
FOCAL_RANGE = (0.2, 10.0)  # focal length over the picture's width: 136 to 6 degrees across
MAX_ROW_ERROR = 1e-5  # that K's last row may be off (0, 0, 1)
MAX_FOCAL_SKEW = 0.2  # share by which the two focal lengths may differ


def capture_fault(frame: CameraFrame, info_size: tuple[int, int]) -> str:
    """'' or why nothing can be concluded from the one capture `frame`, in one line that names the camera.

    info_size: (width, height) pixels that its CameraInfo speaks of.
    """
    what = (
        _stamp(frame)
        or _pictures(frame)
        or intrinsics_fault(frame.intrinsics, frame.color.shape[1::-1], info_size)
        or _depth(frame.depth)
        or ("" if np.all(np.isfinite(frame.extrinsics)) else "its pose is not finite")
    )
    return f"camera {frame.name}: {what}" if what else ""


def dark_fault(color: np.ndarray) -> str:
    """'' or that nothing is to be seen in the picture `color` (H, W, 3) uint8. Every eighth pixel of every eighth row is looked at."""
    mean = float(np.mean(color[::8, ::8]))
    return f"dark: {mean:.1f} of 255 on average; allowed: {MIN_BRIGHTNESS:g} or more" if mean < MIN_BRIGHTNESS else ""


def frozen_fault(seconds: float) -> str:
    """'' or that a camera has shown the same pixels for `seconds`, too long for one that has noise."""
    return f"the same pixels for {seconds:.1f} s; allowed: {FROZEN_S:g} s" if seconds > FROZEN_S else ""


def _stamp(frame: CameraFrame) -> str:
    return "" if frame.stamp_ns > 0 else "its stamp is zero"


def _pictures(frame: CameraFrame) -> str:
    color, depth = frame.color, frame.depth
    if color.ndim != 3 or color.shape[2] != 3 or color.dtype != np.uint8 or not color.size:
        return f"colour is {color.dtype} {color.shape}; allowed: uint8 (H, W, 3)"
    if depth.dtype != np.uint16 or depth.shape != color.shape[:2]:
        return f"depth is {depth.dtype} {depth.shape}; allowed: uint16 millimetres {color.shape[:2]}, aligned to the colour"
    return ""


def intrinsics_fault(k: np.ndarray, size: tuple[int, int], info_size: tuple[int, int]) -> str:
    """'' or why K (3, 3) of a CameraInfo of `info_size` is not that of pictures of `size`, both (width, height) pixels."""
    if tuple(info_size) != tuple(size):
        return f"camera_info is of {info_size[0]}x{info_size[1]} pixels; allowed: {size[0]}x{size[1]}, as its pictures"
    if k.shape != (3, 3) or not np.all(np.isfinite(k)):
        return "camera_info: K is not finite"
    fx, fy, cx, cy = k[0, 0], k[1, 1], k[0, 2], k[1, 2]
    if not (FOCAL_RANGE[0] * size[0] <= fx <= FOCAL_RANGE[1] * size[0] and abs(fx - fy) <= MAX_FOCAL_SKEW * fx):
        return f"camera_info: focal lengths {fx:.1f}, {fy:.1f} pixels; allowed: {FOCAL_RANGE[0] * size[0]:g} .. {FOCAL_RANGE[1] * size[0]:g}, alike"
    if abs(cx - size[0] / 2) > MAX_CENTRE_SHARE * size[0] or abs(cy - size[1] / 2) > MAX_CENTRE_SHARE * size[1]:
        return f"camera_info: principal point {cx:.1f}, {cy:.1f} is not that of a picture of {size[0]}x{size[1]} pixels"
    if np.abs(k[2] - (0, 0, 1)).max() > MAX_ROW_ERROR or k[1, 0] != 0 or abs(k[0, 1]) > MAX_FOCAL_SKEW * fx:
        return "camera_info: K is no pinhole camera's"
    return ""


def _depth(depth: np.ndarray) -> str:
    share = np.count_nonzero(depth) / depth.size
    return (
        ""
        if share >= MIN_DEPTH_SHARE
        else f"depth is empty: {100 * share:.1f} % of its pixels have one; allowed: {100 * MIN_DEPTH_SHARE:g} %"
    )


@dataclass
class _Still:
    """What one camera has shown last. stamp_ns: of that capture. color_ns, depth_ns: since when it has shown it. changing_ns: how
    long its colours have changed from capture to capture since depth changed last."""

    stamp_ns: int
    color: int
    depth: int
    color_ns: int
    depth_ns: int
    changing_ns: int = 0


class StillCheck:
    """Do the cameras' pictures change? One thread; captures of each camera in order of time.

    still_ok: identical pictures are no fault (a simulated camera that looks at a scene at rest has no noise). That depth stands
    while the colours go on changing always is one, until depth changes. Colours that change for a moment say nothing: things that
    come to rest move by less than the millimetre that depth counts in.
    """

    def __init__(self, still_ok: bool = False):
        self.still_ok = still_ok
        self._seen: dict[str, _Still] = {}

    def fault(self, frame: CameraFrame) -> str:
        """'' or what of the camera of `frame` has stood still for too long."""
        color, depth, now = hash(frame.color[::4, ::4].tobytes()), hash(frame.depth.tobytes()), frame.stamp_ns
        seen = self._seen.get(frame.name)
        if seen is None or now < seen.stamp_ns:  # the first, or the clock has jumped
            seen = self._seen[frame.name] = _Still(now, color, depth, now, now)
        if color != seen.color:
            seen.color, seen.color_ns, seen.changing_ns = color, now, seen.changing_ns + now - seen.stamp_ns
        if depth != seen.depth:
            seen.depth, seen.depth_ns, seen.changing_ns = depth, now, 0
        seen.stamp_ns = now
        if not self.still_ok and (why := frozen_fault((now - seen.color_ns) / 1e9)):
            return f"camera {frame.name}: {why}"
        stands = now - seen.depth_ns
        if (seen.changing_ns if self.still_ok else stands) / 1e9 > FROZEN_S:
            return f"camera {frame.name}: the same depth for {stands / 1e9:.1f} s"
        return ""
