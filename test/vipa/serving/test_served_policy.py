"""What `vipa serve` says that it takes, and what it refuses, by name."""

from types import SimpleNamespace

import numpy as np
import pytest

from vipa.serving.protocols import openpi_wire
from vipa.serving.protocols.vipa import ServedPolicy
from vipa_model.runtime.policy import PolicyOutput


class Still:
    """A policy of the runtime's shape that stays where the tool is, and keeps what it was asked."""

    horizon = 4

    def __init__(self, uses_depth):
        groups = [SimpleNamespace(name="arm", hand=1, joints=7)]
        self.config = SimpleNamespace(
            groups=groups, cameras=["scene"], rate_hz=10.0, uses_depth=uses_depth, text=SimpleNamespace(max_tokens=24)
        )

    def reset(self):
        pass

    def act(self, observation, prefix=None):
        self.asked = observation
        poses = np.tile(observation["state"]["arm"]["tool_pose"], (self.horizon, 1))
        return PolicyOutput({"arm": poses}, {"arm": np.ones((self.horizon, 1))}, 0.1, {})


def served(uses_depth=True):
    return ServedPolicy(Still(uses_depth), "still", None)


def question(**changes):
    """A whole question; changes: by the last two parts of a key, with _ between them. None: left out."""
    message = {
        "observation/scene/color": np.zeros((4, 6, 3), np.uint8),
        "observation/scene/depth": np.full((4, 6), 500, np.uint16),
        "observation/scene/intrinsics": np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 1]]),
        "observation/scene/extrinsics": np.eye(4),
        "observation/arm/tool_pose": np.array([0.4, 0, 0.3, 1, 0, 0, 0]),
        "observation/arm/tool_velocity": np.zeros(3),
        "observation/arm/hand": np.ones(1),
        "observation/arm/positions": np.zeros(7),
        "prompt": "go",
    }
    for name, value in changes.items():
        owner, _, part = name.partition("_")
        message[f"observation/{owner}/{part}"] = value
    return {k: v for k, v in message.items() if v is not None}


def test_a_whole_question_is_answered():
    server = served()
    assert server.infer(question())["actions"].shape == (4, 8)
    assert set(server.policy.asked["depths"]) == set(server.policy.asked["extrinsics"]) == {"scene"}


def test_depth_is_needed_by_a_policy_that_looks_at_it():
    server = served()
    for part in ("depth", "intrinsics", "extrinsics"):
        assert f"observation/scene/{part}" in server.needed and f"observation/scene/{part}" not in server.optional
        with pytest.raises(ValueError, match=rf"missing key\(s\): observation/scene/{part}"):
            server.infer(question(**{f"scene_{part}": None}))


def test_without_a_use_for_depth_it_comes_whole_or_not_at_all():
    server = served(uses_depth=False)
    assert server.infer(question(scene_depth=None, scene_intrinsics=None, scene_extrinsics=None))["actions"].shape == (
        4,
        8,
    )
    with pytest.raises(
        ValueError, match="depth, observation/scene/extrinsics without observation/scene/intrinsics; allowed: all"
    ):
        server.infer(question(scene_intrinsics=None))


BAD = [
    ({"arm_tool_pose": np.array([0.4, 0, 0.3, 2, 0, 0, 0])}, "arm/tool_pose has a quaternion of norm 2; allowed: 1"),
    ({"arm_tool_pose": np.zeros(7)}, "arm/tool_pose has a quaternion of norm 0"),
    ({"arm_positions": np.full(7, np.nan)}, "arm/positions holds NaN"),
    ({"arm_positions": np.zeros(6)}, r"arm/positions has shape \(6,\)"),
    ({"scene_color": np.zeros((4, 6, 3), np.float32)}, r"scene/color is float32 .*allowed: uint8 \(height, width, 3\)"),
    ({"scene_color": np.zeros((4, 6), np.uint8)}, "scene/color is uint8"),
    ({"scene_depth": np.zeros((4, 6), np.float32)}, r"scene/depth is float32.*allowed: uint16 \(height, width\)"),
    ({"scene_depth": np.zeros((2, 6), np.uint16)}, r"scene/depth has shape \(2, 6\); allowed: \(4, 6\)"),
    ({"scene_intrinsics": np.zeros((3, 3))}, "scene/intrinsics is"),
    ({"scene_intrinsics": np.full((3, 3), np.inf)}, "scene/intrinsics holds NaN"),
    ({"scene_extrinsics": np.full((4, 4), np.nan)}, "scene/extrinsics holds NaN"),
    ({"scene_extrinsics": 2 * np.eye(4)}, "scene/extrinsics is .*allowed: a rotation"),
]


@pytest.mark.parametrize("changes, said", BAD)
def test_nonsense_is_refused_by_its_key(changes, said):
    with pytest.raises(ValueError, match=said):
        served().infer(question(**changes))


def test_a_prefix_is_of_unit_quaternions():
    prefix = {"prefix/arm/poses": np.array([[0.4, 0, 0.3, 1, 1, 0, 0]]), "prefix/arm/hand": np.ones((1, 1))}
    with pytest.raises(ValueError, match="prefix/arm/poses has a quaternion of norm 1.414"):
        served().infer(question() | prefix)


def test_the_metadata_says_shape_type_and_unit_of_every_key():
    server = served()
    metadata = openpi_wire.unpack(openpi_wire.pack(server.metadata))
    values = metadata["values"]
    assert set(values) == {*server.needed, *server.optional, "actions"}
    assert values["observation/scene/depth"] == {
        "shape": ["height", "width"], "dtype": "uint16", "unit": "mm along the optical axis, 0: none; aligned to color",
    }  # fmt: skip
    assert (
        values["observation/arm/tool_pose"]["shape"] == [7]
        and "quaternion xyzw" in values["observation/arm/tool_pose"]["unit"]
    )
    for key, value in question().items():  # what is said is what is taken
        shape = values[key]["shape"]
        assert len(shape) == np.ndim(value) and all(
            isinstance(n, str) or n == m for n, m in zip(shape, np.shape(value), strict=True)
        )
