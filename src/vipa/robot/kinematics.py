"""The robot's kinematics from its URDF: forward kinematics, Jacobians, position limits and inverse kinematics.

Pinocchio does the work. Nothing here is shared between threads: every thread makes its own Kinematics.
"""

from collections.abc import Callable
from math import hypot
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin

from vipa.errors import VipaError
from vipa.geometry import rotation
from vipa.robot import urdf
from vipa.robot.description import Group, Robot
from vipa.robot.end_speeds import EndSpeeds


class Kinematics:
    """All groups of a robot over one Pinocchio model. Not for several threads.

    joint_names: the groups' joints in the robot file's order, n of them; every (n,) array here has this order. lower, upper: (n,)
    float64, radians: the URDF's limits less the group's position_margin. ends: speeds near them.

    Args:
        robot: its URDF is read here.

    Raises:
        VipaError: the URDF cannot be read or does not fit the robot file.
    """

    def __init__(self, robot: Robot):
        self.robot = robot
        path, text = robot.urdf_path, urdf.read(robot)
        try:
            self.model = pin.buildModelFromXML(text)
        except (ValueError, RuntimeError) as error:
            raise VipaError(f"{path}: not a readable URDF: {error}") from None
        self._neutral = pin.neutral(self.model)
        self.joint_names = tuple(name for group in robot.groups for name in group.joints)
        joints = [self._joint(name, f"{robot.name}: groups.joints") for name in self.joint_names]
        self.q_index = np.array([joint.idx_q for joint in joints])
        self.v_index = np.array([joint.idx_v for joint in joints])
        self.columns: dict[str, slice] = {}
        self.groups: dict[str, GroupKinematics] = {}
        start = 0
        for group in robot.groups:
            columns = slice(start, start + len(group.joints))
            self.columns[group.name] = columns
            self.groups[group.name] = GroupKinematics(self, group, self.q_index[columns], self.v_index[columns])
            start = columns.stop
        self.lower = np.concatenate([g.lower for g in self.groups.values()])
        self.upper = np.concatenate([g.upper for g in self.groups.values()])
        self.ends = EndSpeeds(
            robot.groups, *(np.concatenate([g.ends_at[i] for g in self.groups.values()]) for i in (0, 1))
        )
        self._hands = self._hand_map(text)
        self.home = np.concatenate([np.asarray(g.home, float) for g in robot.groups])

    def adopt(self, robot: Robot) -> None:
        """`robot`, the same one with other limits (positions stay), is in force from now on."""
        self.robot = robot
        for spec in robot.groups:
            self.groups[spec.name].spec = spec

    def group(self, name: str) -> "GroupKinematics":
        """The kinematics of the group `name`. Raises VipaError if the robot has none."""
        if name not in self.groups:
            raise VipaError(f"{self.robot.name}: no group '{name}'; allowed: {', '.join(self.groups)}")
        return self.groups[name]

    def configuration(self, q: np.ndarray, hands: dict[str, np.ndarray] | None = None) -> np.ndarray:
        """The model's configuration (nq,): `q` (n,) of the groups' joints and openings (H,) of the `hands` by group name
        (closed where not named). Mimic joints follow."""
        full = self.with_joints(self._neutral, q)
        for name, (index, closed, span, scale, offset) in self._hands.items():
            opening = np.zeros(len(closed)) if hands is None or name not in hands else hands[name]
            full[index] = scale @ (closed + opening * span) + offset
        return full

    def with_joints(self, configuration: np.ndarray, q: np.ndarray) -> np.ndarray:
        """`configuration` (nq,) with `q` (n,) of the groups' joints, the hands as they are."""
        full = configuration.copy()
        full[self.q_index] = q
        return full

    def _joint(self, name: str, where: str):
        if not self.model.existJointName(name):
            raise VipaError(
                f"{where}: no joint '{name}' in {self.robot.urdf}; allowed: {', '.join(self.model.names[1:])}"
            )
        joint = self.model.joints[self.model.getJointId(name)]
        if joint.nq != 1 or joint.nv != 1:
            raise VipaError(f"{where}: joint '{name}' of {self.robot.urdf} must be revolute (with limits) or prismatic")
        return joint

    def _frame(self, name: str, where: str) -> int:
        if not self.model.existFrame(name, pin.FrameType.BODY):
            links = [f.name for f in self.model.frames if f.type == pin.FrameType.BODY]
            raise VipaError(f"{where}: no link '{name}' in {self.robot.urdf}; allowed: {', '.join(links)}")
        return self.model.getFrameId(name, pin.FrameType.BODY)

    def _hand_map(self, text: str) -> dict:
        """For each group with a hand: where its joints and those that mimic them stand in the configuration, and how they
        follow: q[index] = scale @ (closed + opening * (open - closed)) + offset."""
        mimics: dict[str, list[tuple[str, float, float]]] = {}
        for joint in ElementTree.fromstring(text).iter("joint"):
            mimic = joint.find("mimic")
            if mimic is not None:
                mimics.setdefault(mimic.get("joint", ""), []).append(
                    (joint.get("name", ""), float(mimic.get("multiplier", 1)), float(mimic.get("offset", 0)))
                )
        hands = {}
        for group in self.robot.groups:
            if group.hand is None:
                continue
            rows, index, offset = [], [], []
            for column, name in enumerate(group.hand.joints):
                for follower, multiplier, shift in [(name, 1.0, 0.0), *mimics.get(name, [])]:
                    row = np.zeros(len(group.hand.joints))
                    row[column] = multiplier
                    rows.append(row)
                    offset.append(shift)
                    index.append(self._joint(follower, f"{self.robot.name}: groups.{group.name}.hand.joints").idx_q)
            closed = np.asarray(group.hand.closed, float)
            hands[group.name] = (
                np.array(index),
                closed,
                np.asarray(group.hand.open, float) - closed,
                np.array(rows),
                np.array(offset),
            )
        return hands


class GroupKinematics:
    """One group's chain from its base frame to its tool frame. Made by Kinematics, which it shares the model with.

    lower, upper: (J,) float64, radians, the URDF's limits less position_margin. reach: (J,) float64, metres that the tool frame's
    origin moves at most a radian of each joint, in any configuration.

    Args:
        kinematics: of the whole robot.
        group: whose chain it is.
        q_index, v_index: (J,) int, places of the group's joints in the model's configuration and velocity.

    Raises:
        VipaError: its frames or joints do not make a chain.
    """

    def __init__(self, kinematics: Kinematics, group: Group, q_index: np.ndarray, v_index: np.ndarray):
        self.spec = group
        self.model = kinematics.model
        self.q_index, self.v_index = q_index, v_index
        self._data = self.model.createData()
        self._q, self._v = pin.neutral(self.model), np.zeros(self.model.nv)
        where = f"{kinematics.robot.name}: group {group.name}"
        self.tool = kinematics._frame(group.tool_frame, f"{where}: tool_frame")
        base = kinematics._frame(group.base_frame, f"{where}: base_frame")
        frame = self.model.frames[base]
        if frame.parentJoint != 0:
            raise VipaError(
                f"{where}: base_frame '{group.base_frame}' moves with joint "
                f"'{self.model.names[frame.parentJoint]}'; allowed: a link fixed to the root"
            )
        self.base = frame.placement.copy()  # of the base frame in the world (the URDF's root)
        self._to_base = self.base.inverse()
        self._rotation = np.ascontiguousarray(self._to_base.rotation)
        self.ends_at = self.model.lowerPositionLimit[q_index], self.model.upperPositionLimit[q_index]
        self.lower, self.upper = self.ends_at[0] + group.position_margin, self.ends_at[1] - group.position_margin
        if not np.all(self.lower < self.upper) or not np.all(np.isfinite(self.lower) & np.isfinite(self.upper)):
            bad = [n for n, a, b in zip(group.joints, self.lower, self.upper) if not a < b or not np.isfinite(b - a)]
            raise VipaError(
                f"{where}: joints {', '.join(bad)} want finite URDF limits wider than twice the position_margin"
            )
        home = np.asarray(group.home, float)
        if np.any(home < self.lower) or np.any(home > self.upper):
            raise VipaError(
                f"{where}: home {group.home} leaves the position limits {self.lower.round(4).tolist()} .. "
                f"{self.upper.round(4).tolist()}"
            )
        self.ends = EndSpeeds([group], *self.ends_at)
        self.reach = self._reach(kinematics)

    def _reach(self, kinematics: Kinematics) -> np.ndarray:
        model, frame = self.model, self.model.frames[self.tool]
        length, joint, reach = float(np.linalg.norm(frame.placement.translation)), frame.parentJoint, {}
        while joint:
            reach[int(model.joints[joint].idx_v)] = length
            length += float(np.linalg.norm(model.jointPlacements[joint].translation))
            joint = model.parents[joint]
        foreign = set(reach) - set(map(int, self.v_index))
        if foreign or len(reach) < len(self.v_index):
            names = ", ".join(model.names[i] for i in range(1, model.njoints) if int(model.joints[i].idx_v) in foreign)
            raise VipaError(
                f"{kinematics.robot.name}: group {self.spec.name}: tool_frame '{self.spec.tool_frame}' must move with "
                f"the group's joints and no others{f'; it also moves with {names}' if names else ''}"
            )
        return np.array([reach[int(i)] for i in self.v_index])

    def placement(self, q: np.ndarray) -> pin.SE3:
        """The tool frame in the base frame at the joints `q` (J,), radians."""
        self._q[self.q_index] = q
        pin.forwardKinematics(self.model, self._data, self._q)
        return self._to_base * pin.updateFramePlacement(self.model, self._data, self.tool)

    def forward(self, q: np.ndarray) -> np.ndarray:
        """Tool pose (7,) float64 xyz + xyzw in the base frame, metres, at the joints `q` (J,), radians."""
        return pose_of(self.placement(q))

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """(6, J) float64: linear (m/s) over angular (rad/s) velocity of the tool in the base frame's axes a rad/s."""
        self._q[self.q_index] = q
        pin.computeJointJacobians(self.model, self._data, self._q)
        pin.updateFramePlacement(self.model, self._data, self.tool)
        return self._base_jacobian()

    def forward_velocity(self, q: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`forward(q)`, and the tool's velocity (3,) m/s in the base frame's axes when the joints move at `v` (J,) rad/s."""
        placement, jacobian = self.forward_jacobian(q)
        return pose_of(placement), jacobian[:3] @ v

    def tool_motion(self, q: np.ndarray, v: np.ndarray) -> tuple[list[float], float, float]:
        """Where the tool is in the base frame, metres, how fast it goes, m/s, and turns, rad/s, when the joints are at `q` (J,) and
        move at `v` (J,) rad/s. A third of what the Jacobian costs."""
        self._q[self.q_index], self._v[self.v_index] = q, v
        pin.forwardKinematics(self.model, self._data, self._q, self._v)
        place = self._to_base * pin.updateFramePlacement(self.model, self._data, self.tool)
        speed = pin.getFrameVelocity(self.model, self._data, self.tool, pin.ReferenceFrame.LOCAL)
        return place.translation.tolist(), hypot(*speed.linear.tolist()), hypot(*speed.angular.tolist())

    def forward_jacobian(self, q: np.ndarray) -> tuple[pin.SE3, np.ndarray]:
        """`placement(q)` and `jacobian(q)` at the cost of one."""
        jacobian = self.jacobian(q)
        return self._to_base * self._data.oMf[self.tool], jacobian

    def _base_jacobian(self) -> np.ndarray:
        full = pin.getFrameJacobian(self.model, self._data, self.tool, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED)
        columns = full[:, self.v_index]
        turned = np.empty_like(columns)
        turned[:3], turned[3:] = self._rotation @ columns[:3], self._rotation @ columns[3:]
        return turned

    def solve(
        self,
        target: np.ndarray,
        seed: np.ndarray,
        accept: Callable[[np.ndarray], bool] | None = None,
        restarts: int = 40,
        position_tolerance: float = 1e-4,
        rotation_tolerance: float = 1e-3,
    ) -> np.ndarray | None:
        """Joints (J,) within the limits that put the tool at `target` (7,) xyz + xyzw in the base frame, or None.

        Levenberg-Marquardt from `seed` (J,), then from `restarts` random configurations (the same ones every time). Of the
        first three solutions for which `accept` is true (no collision, say) the one nearest to `seed` is returned; the
        seed's own solution at once. Tolerances: metres and radians. None also for what is not finite.
        """
        target = np.asarray(target, float)
        if not (np.all(np.isfinite(target)) and np.all(np.isfinite(np.asarray(seed, float)))):
            return None
        goal = pin.SE3(rotation.to_matrix(rotation.normalised(target[3:])), target[:3])
        random = np.random.default_rng(0)
        seed = np.clip(np.asarray(seed, float), self.lower, self.upper)
        found = []
        for attempt in range(restarts + 1):
            start = seed if attempt == 0 else random.uniform(self.lower, self.upper)
            q = self._descend(goal, start, position_tolerance, rotation_tolerance)
            if q is None or (accept is not None and not accept(q)):
                continue
            if attempt == 0:
                return q
            found.append(q)
            if len(found) == 3:
                break
        return min(found, key=lambda q: np.linalg.norm(q - seed)) if found else None

    def _descend(self, goal: pin.SE3, q: np.ndarray, position_tolerance: float, rotation_tolerance: float):
        damping, last = 1e-3, np.inf
        best = q
        for _ in range(60):
            placement, jacobian = self.forward_jacobian(q)
            error = np.concatenate(
                [goal.translation - placement.translation, pin.log3(goal.rotation @ placement.rotation.T)]
            )
            if np.linalg.norm(error[:3]) < position_tolerance and np.linalg.norm(error[3:]) < rotation_tolerance:
                return q
            cost = float(error @ error)
            if cost < last:
                damping, last, best = max(damping / 4, 1e-7), cost, q
                normal, gradient = jacobian.T @ jacobian, jacobian.T @ error
            else:
                damping *= 6
                if damping > 1e3:
                    return None
            step = np.linalg.solve(normal + damping * np.eye(len(best)), gradient)
            # A joint on its limit that is pushed outwards only clips: the others take over in the next steps
            q = np.clip(best + step * min(1.0, 0.5 / max(np.abs(step).max(), 1e-9)), self.lower, self.upper)
        return None


def pose_of(placement: pin.SE3) -> np.ndarray:
    """(7,) float64 xyz + xyzw of a placement."""
    return np.concatenate([placement.translation, rotation.from_matrix(placement.rotation)])
