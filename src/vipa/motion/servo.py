"""Servo: differential inverse kinematics as one quadratic programme over the joint velocities of all groups.

    minimise    sum over groups |W (J v - twist)|^2 + damping |v|^2 + posture |v - v_posture|^2
    subject to  lower <= v <= upper       position limits as velocity dampers, velocity and acceleration limits
                rows v >= bounds          velocity dampers: what nears a pair's margin or the workspace's wall, nears it slowly

It follows references and comes to limits gently; it guarantees nothing: the SafetyGate behind it does.
"""

from dataclasses import dataclass
from math import hypot, sqrt

import daqp
import numpy as np
import pinocchio as pin

from vipa.geometry import rotation
from vipa.motion.buffer import Reference
from vipa.motion.chunk import ActionChunk
from vipa.motion.collision import CollisionModel, DistanceField
from vipa.motion.gate import planned_limits
from vipa.robot.kinematics import GroupKinematics, Kinematics

GAIN_1_S = 12.0  # 1/s, pose and joint errors to velocity
ROTATION_WEIGHT_M = 0.3  # metres: a radian of tool rotation costs as much as this much translation
DAMPING = 1e-4  # (m/rad)^2, regular
SINGULAR_M_RAD = 0.06  # m/rad, weighted singular value below which damping grows
SINGULAR_DAMPING = 2e-2  # (m/rad)^2, at a singular value of zero
POSTURE_WEIGHT = 2e-3  # (m/rad)^2, of the nullspace posture
POSTURE_GAIN_1_S = 0.5  # 1/s towards home
LIMIT_GAIN_1_S = 4.0  # 1/s: a joint may close this share of its distance to a position limit a second
DAMPER_GAIN_1_S = 5.0  # 1/s: a pair may close this share of its distance to its margin a second; walls likewise
ACTIVATION_M = 0.12  # metres: pairs and walls nearer than this get a row
SPARE_M = 0.002  # metres that the servo keeps more than the gate wants
HEADROOM_SHARE = 0.95  # share of the gate's joint limits that the servo uses, so that the gate need not step in
END_HEADROOM_SHARE = 0.9  # likewise of what a joint may do near an end: it gets less within the tick
TOOL_HEADROOM_SHARE = 0.9  # likewise of the tool's: a joint that brakes from full acceleration still gains 0.1 rad/s
DAQP_SOFT = 8  # daqp: a constraint that gives way, at a high price, rather than leave no solution


@dataclass(frozen=True)
class Target:
    """What a group should do in this tick: follow a pose or joints, from the ChunkBuffer."""

    pose: Reference | None = None
    joints: Reference | None = None


class Servo:
    """Joint velocities that follow the groups' targets. Not for several threads.

    lag_s: seconds that the tool is behind the poses it is given; references run ahead by as much.
    """

    lag_s = 0.0

    def __init__(self, kinematics: Kinematics, dt: float):
        self.kinematics, self.dt = kinematics, dt
        groups = kinematics.robot.groups
        self.limit()
        self.acceleration = HEADROOM_SHARE * planned_limits(groups, dt)[0]
        self._identity = np.eye(len(self.velocity))
        self._field: DistanceField | None = None
        self._margins = np.zeros(0)
        self.failures = 0

    def limit(self) -> None:
        """Re-reads the robot's velocity limits."""
        self.velocity = HEADROOM_SHARE * np.concatenate([g.max_velocity for g in self.kinematics.robot.groups])

    def begin(self, q: np.ndarray, stamp_ns: int, monotonic: float, stopped: bool) -> tuple[str, str]:
        """Begins a tick, before anything else of it.

        Args:
            q: (n,) radians, where the joints are commanded to be.
            stamp_ns: ROS time.
            monotonic: seconds of the local clock.
            stopped: nothing may move.

        Returns:
            (hold_reason, note); each is empty if there is none. This backend never has one.
        """
        return "", ""

    def refusal(self, chunk: ActionChunk) -> str:
        """'' or why `chunk` could not be followed now."""
        return ""

    def avoid(self, collisions: CollisionModel, margins: np.ndarray) -> None:
        """Keep the pairs of `collisions` apart by `margins` (K,), metres; -inf: may touch."""
        if self._field is None or self._field.collisions.base is not collisions.base:
            self._field = DistanceField(collisions)
        self._field.hold(collisions)
        self._margins = margins + SPARE_M
        self._reach = collisions.reach[:, self.kinematics.v_index] / DAMPER_GAIN_1_S

    def step(
        self, q: np.ndarray, v: np.ndarray, targets: dict[str, Target], hands: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Joint velocities (n,) rad/s for the end of the tick.

        q, v: (n,) where the joints are expected at the end of the tick and how fast they are now. targets: of groups that
        move; the others come to rest. hands: openings (H,) by group.
        """
        hessian, linear = DAMPING * self._identity, np.zeros(len(q))
        rows, bounds = self._collision_rows(q, v, hands)
        for name, columns in self.kinematics.columns.items():
            target = targets.get(name)
            if target is not None and target.pose is not None:
                h, wanted = self._pose_cost(name, q[columns], target.pose, rows, bounds)
            else:
                h, wanted = self._identity[columns, columns], np.zeros(columns.stop - columns.start)
                if target is not None and target.joints is not None:
                    wanted = self._joint_velocities(name, q[columns], target.joints, rows, bounds)
            hessian[columns, columns] += h
            linear[columns] -= h @ self._reachable(wanted, v[columns], columns)
        lower, upper = self._bounds(q, v)
        return self._solve(hessian, linear, lower, upper, rows, bounds)

    def _collision_rows(self, q: np.ndarray, v: np.ndarray, hands) -> tuple[list[np.ndarray], list[np.ndarray]]:
        if self._field is None:
            return [], []
        self._field.move(self.kinematics.configuration(q, hands))
        # a damper can act only on pairs that this tick's velocities could bring together faster than it allows
        fastest = np.minimum(np.abs(v) + self.acceleration * self.dt, self.velocity)
        near = self._field.below(np.minimum(self._margins + self._reach @ fastest, ACTIVATION_M))
        if not len(near):
            return [], []
        gradients = self._field.gradients(near)[:, self.kinematics.v_index]
        # a pair beyond its margin is asked to part, slowly
        return [gradients], [np.minimum(-DAMPER_GAIN_1_S * (self._field.lower[near] - self._margins[near]), 0.05)]

    def _joint_velocities(self, name: str, q: np.ndarray, reference: Reference, rows: list, bounds: list) -> np.ndarray:
        """Velocities (J,) that follow a joint reference, no faster than the tool may go."""
        group = self.kinematics.groups[name]
        wanted = reference.rate + GAIN_1_S * (reference.value - q)
        if group.spec.kind != "arm":
            return wanted
        placement, jacobian = group.forward_jacobian(q)
        self._wall_rows(name, placement.translation, jacobian, rows, bounds)
        return wanted / max(1.0, self._haste(group, jacobian @ wanted))

    @staticmethod
    def _haste(group: GroupKinematics, twist: np.ndarray) -> float:
        """How many times faster than the servo lets the tool go the `twist` (6,) is."""
        spec = group.spec
        return max(
            hypot(*twist[:3].tolist()) / (TOOL_HEADROOM_SHARE * spec.tool_speed),
            hypot(*twist[3:].tolist()) / (TOOL_HEADROOM_SHARE * spec.tool_angular_speed),
        )

    def _reachable(self, wanted: np.ndarray, v: np.ndarray, columns: slice) -> np.ndarray:
        """The velocities nearest to `wanted` (J,) on the straight way from `v` that velocity and acceleration limits allow.

        All joints change in proportion: a start, a stop or a turn that is too fast is slowed, and keeps its direction.
        """
        wanted = wanted / max(1.0, float((np.abs(wanted) / self.velocity[columns]).max()))
        change = wanted - v
        share = float((np.abs(change) / (self.acceleration[columns] * self.dt)).max())
        return wanted if share <= 1 else v + change / share

    def _pose_cost(self, name: str, q: np.ndarray, reference: Reference, rows: list, bounds: list):
        """Hessian (J, J) of the group's cost and the velocities (J,) of its minimum."""
        group, columns = self.kinematics.groups[name], self.kinematics.columns[name]
        placement, jacobian = group.forward_jacobian(q)
        self._wall_rows(name, placement.translation, jacobian, rows, bounds)
        error = np.concatenate(
            [
                reference.value[:3] - placement.translation,
                pin.log3(rotation.to_matrix(reference.value[3:]) @ placement.rotation.T),
            ]
        )
        twist = reference.rate + GAIN_1_S * error
        # one factor for both parts: the tool keeps to its path when it must be slower than asked
        twist /= max(1.0, self._haste(group, twist))
        spec = group.spec
        weighted = jacobian.copy()
        weighted[3:] *= ROTATION_WEIGHT_M
        twist[3:] *= ROTATION_WEIGHT_M
        gram = weighted @ weighted.T
        smallest = sqrt(max(float(np.linalg.eigvalsh(gram)[0]), 0.0))
        damping = SINGULAR_DAMPING * (1 - min(smallest / SINGULAR_M_RAD, 1.0)) ** 2
        # the posture acts in the nullspace only, so that it does not pull the tool off its pose
        posture = POSTURE_GAIN_1_S * (np.asarray(spec.home) - q)
        posture -= weighted.T @ np.linalg.solve(gram + (damping + 1e-6) * np.eye(6), weighted @ posture)
        hessian = weighted.T @ weighted + (damping + POSTURE_WEIGHT) * self._identity[columns, columns]
        return hessian, np.linalg.solve(hessian, weighted.T @ twist + POSTURE_WEIGHT * posture)

    def _wall_rows(self, name: str, position: np.ndarray, jacobian: np.ndarray, rows: list, bounds: list) -> None:
        workspace = self.kinematics.groups[name].spec.workspace
        if workspace is None:
            return
        place = position.tolist()
        for sign, wall in ((1, workspace.min), (-1, workspace.max)):
            for axis in range(3):
                gap = sign * (place[axis] - wall[axis]) - SPARE_M
                if gap < ACTIVATION_M:
                    row = np.zeros((1, len(self.velocity)))
                    row[0, self.kinematics.columns[name]] = sign * jacobian[axis]
                    rows.append(row)
                    bounds.append([min(-DAMPER_GAIN_1_S * gap, 0.05)])

    def _bounds(self, q: np.ndarray, v: np.ndarray):
        k = self.kinematics
        upper = np.minimum(self.velocity, LIMIT_GAIN_1_S * (k.upper - q))
        lower = np.maximum(-self.velocity, LIMIT_GAIN_1_S * (k.lower - q))
        if k.ends.any:
            slowest, fastest = k.ends.at(q)
            upper, lower = (
                np.minimum(upper, END_HEADROOM_SHARE * fastest),
                np.maximum(lower, END_HEADROOM_SHARE * slowest),
            )
        # beyond a limit: no faster back than this, and never further out
        upper, lower = np.maximum(upper, -0.2), np.minimum(lower, 0.2)
        reach = self.acceleration * self.dt
        return np.minimum(np.maximum(lower, v - reach), upper), np.maximum(np.minimum(upper, v + reach), lower)

    def _solve(self, hessian, linear, lower, upper, rows: list, bounds: list) -> np.ndarray:
        n = len(linear)
        a = np.vstack(rows) if rows else np.zeros((0, n))
        low = np.concatenate([lower, *bounds])
        high = np.concatenate([upper, np.full(len(a), 1e30)])
        sense = np.zeros(len(low), dtype=np.int32)
        sense[n:] = DAQP_SOFT
        x, _, flag, _ = daqp.solve(hessian, linear, a, high, low, sense)
        if flag < 1 or not np.isfinite(x).all():
            self.failures += 1
            return np.zeros(n)
        return x.clip(lower, upper)
