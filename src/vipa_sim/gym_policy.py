"""A VIPA-VLA checkpoint in a gymnasium environment of `vipa_sim.envs`: from its observations to its absolute actions."""

from collections import deque

import numpy as np

from vipa.errors import VipaError
from vipa_model.runtime.policy import Policy
from vipa_sim.env_groups import ACTION_PERIOD_S

STEPS = 8  # of a chunk that are played before the policy is asked anew, as outside environments


class EnvPolicy:
    """Acts in one environment with actions "absolute". Call `reset` when the environment is.

    instruction: what is to be done, as the environment's info says it. Raises VipaError if the checkpoint has another rate or more
    than one group.
    """

    def __init__(self, policy: Policy, instruction: str, steps: int = STEPS):
        if abs(policy.dt - ACTION_PERIOD_S) > 1e-6 or len(policy.config.groups) != 1:
            raise VipaError(
                f"a checkpoint of {len(policy.config.groups)} groups at {1 / policy.dt:g} Hz; allowed: 1 at {1 / ACTION_PERIOD_S:g}"
            )
        self.policy, self.instruction, self.steps = policy, instruction, steps
        self.group = policy.config.groups[0].name
        self._actions: deque[np.ndarray] = deque()

    def reset(self) -> None:
        self.policy.reset()
        self._actions.clear()

    def __call__(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        """The action (8,) float32 that answers the observation. Raises VipaError if that lacks what the checkpoint takes."""
        if not self._actions:
            self.policy.reset()  # the same noise every time: successive chunks differ by what was seen, not by chance
            try:
                out = self.policy.act(self.as_arrays(observation))
            except (KeyError, ValueError) as error:
                raise VipaError(f"policy: the environment's observation: {error}") from None
            chunk = np.column_stack([out.poses[self.group], np.clip(out.hand[self.group][:, :1], 0.0, 1.0)])
            self._actions.extend(chunk[: self.steps].astype(np.float32))
        return self._actions.popleft()

    def as_arrays(self, observation: dict[str, np.ndarray]) -> dict:
        """The observation as vipa_model.processing.processing_vipa.VipaProcessor takes it."""
        cameras = self.policy.config.cameras
        state = {
            "tool_pose": observation["tool_pose"].astype(float),
            "tool_velocity": observation["tool_velocity"].astype(float),
            "hand": observation["opening"].astype(float),
            "positions": observation["positions"].astype(float),
        }
        return {
            "images": {c: observation[f"rgb_{c}"] for c in cameras},
            "depths": {c: observation[f"depth_{c}"] for c in cameras},
            "intrinsics": {c: observation[f"intrinsics_{c}"].astype(float) for c in cameras},
            "extrinsics": {c: observation[f"extrinsics_{c}"].astype(float) for c in cameras},
            "state": {self.group: state},
            "instruction": self.instruction,
        }
