"""VIPA's own observations and actions in the flat keys of the openpi protocol: what `vipa serve` takes and gives.

observation/<camera>/color (H, W, 3) uint8 RGB; depth (H, W) uint16 mm, intrinsics (3, 3) pixels and extrinsics (4, 4) base
from optical: all three, needed if the model looks at depth, else all or none; observation/<group>/<state> as VipaProcessor names it; prompt: text. Optional committed
prefix: prefix/<group>/poses (d, 7), prefix/<group>/hand (d, H). Answer: actions (horizon, columns) float64, absolute tool
poses in the base frame; step k is due (k + 1) / rate_hz after the observation.
"""

import numpy as np

from vipa import __version__
from vipa_model.runtime.policy import Policy

PROTOCOL = "vipa/1"
CAMERA = {"color": "images", "depth": "depths", "intrinsics": "intrinsics", "extrinsics": "extrinsics"}
GEOMETRY = {"intrinsics": (3, 3), "extrinsics": (4, 4)}
QUATERNION_TOLERANCE = 1e-3  # of a norm from 1
UNITS = {
    "tool_pose": "m and unit quaternion xyzw, base frame",
    "tool_velocity": "m/s, base frame",
    "hand": "opening, 0 closed to 1 open",
    "positions": "rad",
    "actions": "m and unit quaternion xyzw, base frame, then opening, a group after the other; step k is due (k + 1) / rate_hz after",
}
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")


def state_shapes(group) -> dict[str, tuple[int, ...]]:
    """State of a group of the configuration: name → shape."""
    return {"tool_pose": (7,), "tool_velocity": (3,), "hand": (group.hand,), "positions": (group.joints,)}


class ServedPolicy:
    """A policy that answers messages of VIPA's protocol. Not thread-safe, as the policy.

    Args:
        policy: a checkpoint that is open.
        name, sha256: what the server says it serves.
    """

    def __init__(self, policy: Policy, name: str, sha256: str | None):
        self.policy = policy
        config = policy.config
        self.needed = [f"observation/{c}/color" for c in config.cameras]
        geometry = [f"observation/{c}/{part}" for c in config.cameras for part in list(CAMERA)[1:]]
        self.needed += geometry if config.uses_depth else []
        self.needed += [f"observation/{g.name}/{part}" for g in config.groups for part in state_shapes(g)] + ["prompt"]
        self.optional = [] if config.uses_depth else geometry
        self.optional += [f"prefix/{g.name}/{part}" for g in config.groups for part in ("poses", "hand")]
        self.metadata = {
            "protocol": PROTOCOL,
            "server": f"vipa {__version__}",
            "policy": name,
            "checkpoint_sha256": sha256,
            "cameras": list(config.cameras),
            "groups": [{"name": g.name, "hand": g.hand, "joints": g.joints} for g in config.groups],
            "rate_hz": config.rate_hz,
            "horizon": policy.horizon,
            "needed": self.needed,
            "optional": self.optional,
            "actions": [f"{g.name}/{c}" for g in config.groups for c in (*POSE, *(f"hand{i}" for i in range(g.hand)))],
            "values": self._values(),
        }

    def _values(self) -> dict[str, dict]:
        """Shape, type and unit of every key of a question, and of the answer's actions."""
        config = self.policy.config

        def value(shape, dtype, unit):
            return {"shape": list(shape), "dtype": dtype, "unit": unit}

        found = {
            "prompt": value((), "text", f"instruction, up to {config.text.max_tokens} tokens of this checkpoint"),
            "actions": value((self.policy.horizon, "columns"), "float64", UNITS["actions"]),
        }
        for camera in config.cameras:
            found[f"observation/{camera}/color"] = value(("height", "width", 3), "uint8", "RGB, 0 to 255")
            found[f"observation/{camera}/depth"] = value(
                ("height", "width"), "uint16", "mm along the optical axis, 0: none; aligned to color"
            )
            found[f"observation/{camera}/intrinsics"] = value((3, 3), "float", "pixels of color, row by row")
            found[f"observation/{camera}/extrinsics"] = value(
                (4, 4), "float", "m, pose of the optical frame in the base frame"
            )
        for group in config.groups:
            for part, shape in state_shapes(group).items():
                found[f"observation/{group.name}/{part}"] = value(shape, "float", UNITS[part])
            found[f"prefix/{group.name}/poses"] = value(("steps", 7), "float", UNITS["tool_pose"])
            found[f"prefix/{group.name}/hand"] = value(("steps", group.hand), "float", UNITS["hand"])
        return found

    def infer(self, message: dict) -> dict:
        """The answer to an observation. Raises ValueError naming the key that is missing, unknown or of another shape."""
        observation, prefix = self._read(message)
        self.policy.reset()  # the same noise every time: an answer depends on what was asked, not on who asked before
        out = self.policy.act(observation, prefix)
        columns = [part[g.name] for g in self.policy.config.groups for part in (out.poses, out.hand)]
        return {"actions": np.concatenate(columns, -1), "policy_timing": out.timing, "auxiliary": out.auxiliary}

    def _read(self, message) -> tuple[dict, dict | None]:
        if not isinstance(message, dict):
            raise ValueError(f"message is {type(message).__name__}; allowed: a map of observation keys")
        missing = [k for k in self.needed if k not in message]
        unknown = [k for k in message if k not in self.needed and k not in self.optional]
        if missing or unknown:
            raise ValueError(
                f"missing key(s): {', '.join(missing) or 'none'}; unknown: {str(unknown)[:200] if unknown else 'none'}; "
                f"needed: {', '.join(self.needed)}; optional: {', '.join(self.optional)}"
            )
        config = self.policy.config
        observation: dict = {plural: {} for plural in CAMERA.values()}
        for camera in config.cameras:
            for part, value in _camera(message, camera).items():
                observation[CAMERA[part]][camera] = value
        observation["state"] = {
            g.name: {
                part: _vector(message, f"observation/{g.name}/{part}", shape) for part, shape in state_shapes(g).items()
            }
            for g in config.groups
        }
        for group in observation["state"]:
            _poses(observation["state"][group]["tool_pose"], f"observation/{group}/tool_pose")
        if not isinstance(message["prompt"], str):
            raise ValueError(f"prompt is {type(message['prompt']).__name__}; allowed: text")
        observation["instruction"] = message["prompt"]
        return observation, self._prefix(message)

    def _prefix(self, message) -> dict | None:
        if not any(k.startswith("prefix/") for k in message):
            return None
        prefix = {}
        for group in self.policy.config.groups:
            for part, width in (("poses", 7), ("hand", group.hand)):
                key = f"prefix/{group.name}/{part}"
                if key not in message:
                    raise ValueError(f"a prefix without {key}; allowed: all groups' poses and hand, or none")
                prefix.setdefault(group.name, {})[part] = _vector(message, key, (len(_array(message, key)), width))
            _poses(prefix[group.name]["poses"], f"prefix/{group.name}/poses")
        return prefix


def _camera(message, camera) -> dict[str, np.ndarray]:
    """A camera's parts, by the keys of CAMERA. Raises ValueError for a part of the geometry without the others, pictures of
    another type or size, numbers that are not finite, a matrix that is none of a camera."""
    keys = {part: f"observation/{camera}/{part}" for part in CAMERA}
    color = _picture(message, keys["color"], np.uint8, (3,))
    given = [part for part in list(CAMERA)[1:] if keys[part] in message]
    if not given:
        return {"color": color}
    if len(given) < len(CAMERA) - 1:
        missing = [keys[part] for part in list(CAMERA)[1:] if part not in given]
        raise ValueError(
            f"{', '.join(keys[p] for p in given)} without {', '.join(missing)}; allowed: all three, or none"
        )
    depth = _picture(message, keys["depth"], np.uint16, ())
    if depth.shape != color.shape[:2]:
        raise ValueError(f"{keys['depth']} has shape {depth.shape}; allowed: {color.shape[:2]}, aligned to color")
    k, pose = (_vector(message, keys[part], GEOMETRY[part]) for part in GEOMETRY)
    if min(k[0, 0], k[1, 1]) <= 0 or not np.allclose(k[2], (0, 0, 1)):
        raise ValueError(f"{keys['intrinsics']} is {k.tolist()}; allowed: focal lengths above 0, last row 0 0 1")
    turn = pose[:3, :3]
    if (
        not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3)
        or np.linalg.det(turn) < 0
        or not np.allclose(pose[3], (0, 0, 0, 1))
    ):
        raise ValueError(
            f"{keys['extrinsics']} is {pose.round(3).tolist()}; allowed: a rotation and a position, last row 0 0 0 1"
        )
    return {"color": color, "depth": depth, "intrinsics": k, "extrinsics": pose}


def _picture(message, key, dtype, channels) -> np.ndarray:
    value = _array(message, key)
    if value.dtype != dtype or value.ndim != 2 + len(channels) or value.shape[2:] != channels or 0 in value.shape:
        wanted = ("height", "width", *channels)
        raise ValueError(
            f"{key} is {value.dtype} {value.shape}; allowed: {np.dtype(dtype)} ({', '.join(map(str, wanted))})"
        )
    return value


def _poses(values, key) -> None:
    """Raises ValueError unless the quaternions of poses (..., 7) have norm 1."""
    norms = np.linalg.norm(values[..., 3:], axis=-1)
    if norms.size and np.abs(norms - 1).max() > QUATERNION_TOLERANCE:
        worst = norms.flat[int(np.abs(norms - 1).argmax())]
        raise ValueError(f"{key} has a quaternion of norm {worst:.4g}; allowed: 1 within {QUATERNION_TOLERANCE:g}")


def _array(message, key) -> np.ndarray:
    value = message[key]
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        raise ValueError(f"{key} is {type(value).__name__}; allowed: an array")
    return value


def _vector(message, key, shape) -> np.ndarray:
    value = _array(message, key)
    if value.shape != shape:
        raise ValueError(f"{key} has shape {value.shape}; allowed: {shape}")
    value = np.asarray(value, np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{key} holds NaN or infinity; allowed: finite numbers")
    return value
