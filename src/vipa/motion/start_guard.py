"""StartGuard: a chunk begins near where the arm is, or is refused.

While a group rests (at the start, after a reset, a takeover, a re-arm, a reconnection) only where it is *measured* counts,
whoever commands; while it follows a chunk, the reference that it follows counts, too.
"""

import numpy as np

from vipa.geometry import rotation
from vipa.motion.chunk import ActionChunk
from vipa.motion.references import References
from vipa.robot.description import Group
from vipa.robot.kinematics import Kinematics

MAX_LATE_S = 0.5  # seconds since the last step of a chunk was due
# metres, radians that the first step may lie from the tool, beside what the speed allows until it is due
MAX_START_JUMP_M_RAD = (0.25, 0.6)
MAX_START_JUMP_RAD = 0.35  # radians, likewise of every joint
# share of the speed limits that counts as such while a group rests: further is no start, but a leap
FROM_REST_SHARE = 0.25


class StartGuard:
    """Judges chunks that `validation.check_chunk` has passed. references: what the groups follow."""

    def __init__(self, kinematics: Kinematics, references: References):
        self.kinematics, self.references = kinematics, references

    def refusal(self, chunk: ActionChunk, now_ns: int, measured: np.ndarray, resting: bool) -> str:
        """'' if every group can begin with `chunk` at `now_ns`, else why not, by group and joint.

        measured: joints (n,) rad. resting: the arms stand, and nothing is executed.
        """
        for action in chunk.groups:
            values = next((v for v in (action.poses, action.joints, action.hand) if v is not None), None)
            if values is None:
                continue
            due = (chunk.start_ns - now_ns) / 1e9 + chunk.dt * np.arange(len(values))
            if due[-1] < -MAX_LATE_S:
                return f"{action.name}: its last step was due {-due[-1]:.3f} s ago; allowed: {MAX_LATE_S}"
            if action.poses is None and action.joints is None:
                continue
            step = min(int(np.searchsorted(due, 0.0)), len(values) - 1)
            first, ahead = np.asarray(values[step], float), max(float(due[step]), 0.0)
            group, q = self.kinematics.robot.group(action.name), measured[self.kinematics.columns[action.name]]
            judge = self._pose if action.poses is not None else self._joints
            why = judge(group, first, ahead * (FROM_REST_SHARE if resting else 1.0), q, resting)
            if why:
                return why
        return ""

    def _pose(self, group: Group, first: np.ndarray, ahead: float, q: np.ndarray, resting: bool) -> str:
        anchors = self._anchors(
            self.references.poses, group.name, self.kinematics.groups[group.name].forward(q), resting
        )
        far = min(float(np.linalg.norm(first[:3] - a[:3])) for a in anchors)
        turn = min(float(np.linalg.norm(rotation.difference(first[3:], a[3:]))) for a in anchors)
        if far > (allowed := MAX_START_JUMP_M_RAD[0] + group.tool_speed * ahead):
            return f"{group.name}: its first step lies {far:.3f} m from the tool; allowed: {allowed:.3f}"
        if turn > (allowed := MAX_START_JUMP_M_RAD[1] + group.tool_angular_speed * ahead):
            return f"{group.name}: its first step lies {turn:.3f} rad from the tool; allowed: {allowed:.3f}"
        return ""

    def _joints(self, group: Group, first: np.ndarray, ahead: float, q: np.ndarray, resting: bool) -> str:
        far = np.min([np.abs(first - a) for a in self._anchors(self.references.joints, group.name, q, resting)], axis=0)
        allowed = MAX_START_JUMP_RAD + ahead * np.asarray(group.max_velocity, float)
        over = [
            f"{group.joints[j]} {far[j]:.3f} rad (allowed: {allowed[j]:.3f})" for j in np.flatnonzero(far > allowed)
        ]
        return f"{group.name}: its first step lies far from the joints: {', '.join(over)}" if over else ""

    @staticmethod
    def _anchors(buffers: dict, name: str, measured: np.ndarray, resting: bool) -> list[np.ndarray]:
        """Where the group's next chunk may start from: where it is, and its reference while it follows one."""
        return [measured] if resting or not buffers[name].active else [measured, buffers[name].value]
