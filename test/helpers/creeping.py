"""A policy for a server under test."""

from types import SimpleNamespace

import numpy as np

from vipa_model.runtime.policy import PolicyOutput


class Creeping:
    """A policy of the runtime's shape that creeps forward from where the tool is, and keeps what it was asked."""

    def __init__(self, horizon=4):
        groups = [SimpleNamespace(name="arm", hand=1, joints=7)]
        text = SimpleNamespace(max_tokens=24)
        self.config = SimpleNamespace(
            groups=groups, cameras=["scene", "wrist"], rate_hz=10.0, uses_depth=True, text=text
        )
        self.horizon, self.dt, self.asked, self.bad = horizon, 0.1, [], False

    def reset(self):
        pass

    def act(self, observation, prefix=None):
        self.asked.append((observation, prefix))
        if self.bad:
            raise ValueError("the model gave NaN")
        poses = np.tile(observation["state"]["arm"]["tool_pose"], (self.horizon, 1))
        poses[:, 0] += 0.001 * np.arange(1, self.horizon + 1)
        return PolicyOutput({"arm": poses}, {"arm": np.full((self.horizon, 1), 0.7)}, 0.1, {"total": 1.0})
