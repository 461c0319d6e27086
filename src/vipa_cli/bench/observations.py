"""Observations of noise for the benchmarks of policies."""

import numpy as np

from vipa_model.runtime.policy import Policy

WIDTH, HEIGHT = 640, 480  # of the cameras' images


def observation(policy: Policy) -> dict:
    """An observation of noise in the shapes that `policy` takes from its cameras."""
    random = np.random.default_rng(0)
    cameras = policy.config.cameras
    pose = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])
    intrinsics = np.array([[WIDTH, 0, WIDTH / 2], [0, WIDTH, HEIGHT / 2], [0, 0, 1.0]])
    return {
        "images": {c: random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for c in cameras},
        "depths": {c: random.integers(300, 1500, (HEIGHT, WIDTH), dtype=np.uint16) for c in cameras},
        "intrinsics": dict.fromkeys(cameras, intrinsics),
        "extrinsics": {c: np.eye(4) for c in cameras},
        "state": {
            g.name: {
                "tool_pose": pose,
                "tool_velocity": np.zeros(3),
                "hand": np.ones(g.hand),
                "positions": np.zeros(g.joints),
            }
            for g in policy.config.groups
        },
        "instruction": "water the plant",
    }
