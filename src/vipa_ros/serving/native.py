"""VIPA's own observations and actions in the flat keys of the openpi protocol: what `vipa serve` takes and gives.

observation/<camera>/color (H, W, 3) uint8 RGB; depth (H, W) uint16 mm, intrinsics (3, 3) pixels and extrinsics (4, 4) base
from optical, all three or none; observation/<group>/<state> as VipaProcessor names it; prompt: text. Optional committed
prefix: prefix/<group>/poses (d, 7), prefix/<group>/hand (d, H). Answer: actions (horizon, columns) float64, absolute tool
poses in the base frame; step k is due (k + 1) / rate_hz after the observation.
"""

import numpy as np

from vipa_model.policy import Policy
from vipa_ros import __version__

PROTOCOL = "vipa/1"
CAMERA = {"color": "images", "depth": "depths", "intrinsics": "intrinsics", "extrinsics": "extrinsics"}
GEOMETRY = {"intrinsics": (3, 3), "extrinsics": (4, 4)}
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")


def state_shapes(group) -> dict[str, tuple[int, ...]]:
    """State of a group of the configuration: name → shape."""
    return {"tool_pose": (7,), "tool_velocity": (3,), "hand": (group.hand,), "positions": (group.joints,)}


class NativePolicy:
    """A Policy between messages. Not thread-safe, as the policy.

    name, sha256: what the server says it serves.
    """

    def __init__(self, policy: Policy, name: str, sha256: str | None):
        self.policy = policy
        config = policy.config
        self.needed = [f"observation/{c}/color" for c in config.cameras]
        self.needed += [f"observation/{g.name}/{part}" for g in config.groups for part in state_shapes(g)] + ["prompt"]
        self.optional = [f"observation/{c}/{part}" for c in config.cameras for part in list(CAMERA)[1:]]
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
        }

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
            for part, plural in CAMERA.items():
                if (key := f"observation/{camera}/{part}") in message:
                    wanted = GEOMETRY.get(part)
                    observation[plural][camera] = _vector(message, key, wanted) if wanted else _array(message, key)
        observation["state"] = {
            g.name: {part: _vector(message, f"observation/{g.name}/{part}", shape) for part, shape in state_shapes(g).items()}
            for g in config.groups
        }
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
        return prefix


def _array(message, key) -> np.ndarray:
    value = message[key]
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        raise ValueError(f"{key} is {type(value).__name__}; allowed: an array")
    return value


def _vector(message, key, shape) -> np.ndarray:
    value = _array(message, key)
    if value.shape != shape:
        raise ValueError(f"{key} has shape {value.shape}; allowed: {shape}")
    return np.asarray(value, np.float64)
