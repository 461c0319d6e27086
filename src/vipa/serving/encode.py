"""From an observation to what a policy's server wants to see."""

from collections import deque

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from vipa.robot.state import CameraFrame, GroupState, Observation
from vipa.serving.mapping import CameraKeys, Mapping, StatePart


class RequestBuilder:
    """Builds requests for one episode after another. base: (4, 4), the base frame of the first group that is moved,
    from the world frame.

    It remembers images for Mapping.history. One thread.
    """

    def __init__(self, mapping: Mapping, base: np.ndarray):
        self.mapping, self.base = mapping, base
        self.reset()

    def reset(self) -> None:
        """A new episode: what was seen before is forgotten."""
        longest = max(self.mapping.history, default=0.0)
        self._seen: deque[tuple[int, dict]] = deque(maxlen=2 + round(longest / self.mapping.period))

    def build(self, observation: Observation, prefix: dict | None = None) -> dict:
        """The request's keys and values; for groot nested as its server has them: video, state, language."""
        mapping = self.mapping
        images = {name: resized(observation.cameras[name].color, keys) for name, keys in mapping.cameras.items()}
        state = {
            key: np.concatenate([state_vector(p, observation.groups[p.group]) for p in parts]).astype(mapping.dtype)
            for key, parts in mapping.state.items()
        }
        if mapping.protocol == "groot":
            self._seen.append((observation.stamp_ns, images))
            return {
                "video": {keys.color: self._history(name)[None] for name, keys in mapping.cameras.items()},
                "state": {key: value.astype(np.float32)[None, None] for key, value in state.items()},
                "language": {mapping.prompt: [[observation.instruction]]},
            }
        request = {keys.color: images[name] for name, keys in mapping.cameras.items()}
        for name, keys in mapping.cameras.items():
            request |= self._geometry(observation.cameras[name], keys)
        request |= state | {mapping.prompt: observation.instruction}
        for group, parts in (prefix or {}).items():
            request |= {f"{mapping.prefix}/{group}/{part}": value for part, value in parts.items()}
        return request

    def _geometry(self, frame: CameraFrame, keys: CameraKeys) -> dict:
        found = {
            keys.depth: frame.depth,
            keys.intrinsics: frame.intrinsics,
            keys.extrinsics: self.base @ frame.extrinsics,
        }
        return {key: value for key, value in found.items() if key}

    def _history(self, camera) -> np.ndarray:
        """(T, H, W, 3): the images nearest to each of the wanted times, and the newest; the first one stands for times
        before the episode."""
        now = self._seen[-1][0]
        wanted = [now - round(s * 1e9) for s in self.mapping.history] + [now]
        return np.stack([min(self._seen, key=lambda seen, t=t: abs(seen[0] - t))[1][camera] for t in wanted])


def resized(image: np.ndarray, keys: CameraKeys) -> np.ndarray:
    """(H, W, 3) uint8 as `keys` want it; padding and interpolation are openpi's (bilinear, black bars)."""
    if keys.mirror:
        image = np.ascontiguousarray(image[:, ::-1])
    if keys.size is None or image.shape[1::-1] == tuple(keys.size):
        return np.ascontiguousarray(image)
    width, height = keys.size
    picture = Image.fromarray(image)
    if keys.fit == "stretch":
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    ratio = max(picture.width / width, picture.height / height)
    small = picture.resize((int(picture.width / ratio), int(picture.height / ratio)), Image.Resampling.BILINEAR)
    whole = Image.new("RGB", (width, height))
    whole.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return np.asarray(whole)


def state_vector(part: StatePart, state: GroupState) -> np.ndarray:
    """(n,) float64, the quantity as the server has it."""
    whole = _quantity(part, state)
    return whole if part.columns is None else whole[part.columns]


def _quantity(part: StatePart, state: GroupState) -> np.ndarray:
    match part.quantity:
        case "positions":
            return state.positions
        case "velocities":
            return state.velocities
        case "hand":
            return part.closed + state.hand * (part.open - part.closed)
        case "tool_velocity":
            return state.tool_velocity
        case "wrench":
            return np.zeros(6) if state.wrench is None else state.wrench
        case "tool_position":
            return state.tool_pose[:3]
    if part.quantity == "tool_pose":
        if part.turn is None:
            return state.tool_pose
        return np.concatenate([state.tool_pose[:3], encode_rotation(_turned(state, part.turn), "quaternion_xyzw")])
    return encode_rotation(_turned(state, part.turn), part.quantity)


def _turned(state, turn) -> Rotation:
    rotation = Rotation.from_quat(state.tool_pose[3:])
    return rotation if turn is None else rotation * Rotation.from_euler("xyz", turn)


def encode_rotation(rotation: Rotation, form: str) -> np.ndarray:
    """A rotation in one of mapping.ROTATIONS."""
    match form:
        case "quaternion_xyzw":
            return rotation.as_quat()
        case "quaternion_wxyz":
            return np.roll(rotation.as_quat(), 1)
        case "rotation_vector":
            return rotation.as_rotvec()
        case "axis_angle":
            return axis_angle(rotation.as_quat())
        case "rpy":
            return rotation.as_euler("xyz")
        case "six_columns":
            return rotation.as_matrix()[:, :2].T.reshape(6)
    return rotation.as_matrix()[:2].reshape(6)


def axis_angle(quaternion: np.ndarray) -> np.ndarray:
    """(3,) axis times angle of a unit quaternion xyzw; the angle is 2 arccos w, from 0 to 2π: robosuite's quat2axisangle, on which policies for
    LIBERO are trained."""
    sine = np.sqrt(max(1.0 - quaternion[3] ** 2, 0.0))
    if sine < 1e-8:
        return np.zeros(3)
    return quaternion[:3] * 2.0 * np.arccos(np.clip(quaternion[3], -1.0, 1.0)) / sine
