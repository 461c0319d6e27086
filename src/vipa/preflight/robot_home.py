"""A first home for an arm: bent, unwound, away from its limits, the hand ahead of its base, over the table, pointing down."""

from collections.abc import Callable, Sequence

import numpy as np
import pinocchio as pin

from vipa.preflight.conditioning import conditioning

STEPS = 2000  # of the search from the best sample
FAR, NEAR = 0.5, 0.05  # radians of a step at first and at last
CLEAR_OF_LIMITS = 0.2  # share of half a joint's range beyond which its limit is no matter
LEAST = 0.02  # of each wish that is not fulfilled at all: the others still tell


class _Arm:
    """What is wished of one arm's home."""

    def __init__(self, model: pin.Model, group: dict):
        self._model = model
        self._joints = [model.getJointId(name) for name in group["joints"]]
        self._v = [model.joints[j].idx_v for j in self._joints]
        q = [model.joints[j].idx_q for j in self._joints]
        self._q, low, high = q, model.lowerPositionLimit[q], model.upperPositionLimit[q]
        self._middle, self._half, self._rest = (low + high) / 2, (high - low) / 2, np.clip(np.zeros(len(q)), low, high)
        self._base = model.getFrameId(group["base_frame"], pin.FrameType.BODY)
        self._tool = model.getFrameId(group["tool_frame"], pin.FrameType.BODY)
        links = [model.jointPlacements[j].translation for j in self._joints[1:]]
        self._length = sum(map(np.linalg.norm, [*links, model.frames[self._tool].placement.translation]))

    def score(self, data: pin.Data, q: np.ndarray) -> float:
        """0 to 1, of the whole model's configuration (nq,) whose kinematics `data` holds."""
        jacobian = pin.getFrameJacobian(self._model, data, self._tool, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED)[
            :, self._v
        ]
        tool, base = data.oMf[self._tool], data.oMf[self._base].translation
        out = tool.translation - base
        lowest = min(data.oMi[j].translation[2] for j in self._joints) - base[2]
        limits = float(np.min(1 - np.abs(q[self._q] - self._middle) / self._half)) / CLEAR_OF_LIMITS
        far = max(float(np.hypot(out[0], out[1])), 1e-9)
        ahead = out[0] / far
        unwound = float(np.exp(-np.mean(np.abs(q[self._q] - self._rest))))
        wishes = [
            unwound,
            limits,
            (1 - tool.rotation[2, 2]) / 2,
            (1 + ahead) / 2,
            5 * out[2] / self._length,
            3 * far / self._length,
            1 + 20 * lowest,
        ]
        return conditioning(jacobian, self._length) * float(np.prod(np.clip(wishes, LEAST, 1.0)))


def best(
    model: pin.Model, groups: Sequence[dict], samples: Sequence[np.ndarray], clear: Callable[[np.ndarray], bool]
) -> np.ndarray:
    """The home (n,) of the joints of `groups` (plain values of a robot file) that scores best: the best of `samples`, improved by small steps.

    samples: (n,) each, within limits, touching nothing. clear: whether a configuration (n,) touches nothing.
    """
    arms, data = [_Arm(model, group) for group in groups], model.createData()
    joints = [model.getJointId(name) for group in groups for name in group["joints"]]
    index = [model.joints[j].idx_q for j in joints]
    # what samples keep from the limits the home keeps, too
    low = np.max([model.lowerPositionLimit[index], np.min(samples, axis=0)], axis=0)
    high = np.min([model.upperPositionLimit[index], np.max(samples, axis=0)], axis=0)

    def score(here: np.ndarray) -> float:
        q = pin.neutral(model)
        q[index] = here
        pin.computeJointJacobians(model, data, q)
        pin.updateFramePlacements(model, data)
        return min(arm.score(data, q) for arm in arms)

    home = max(samples, key=score)
    reached, rng = score(home), np.random.default_rng(0)
    for size in np.geomspace(FAR, NEAR, STEPS):
        tried = np.clip(home + size * rng.standard_normal(len(home)), low, high)
        if (found := score(tried)) > reached and clear(tried):
            home, reached = tried, found
    return home
