"""Somebody who types at a terminal what leads where the expert would go: eyes on the scene, hands on the keys alone."""

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.expert.commander import Expert
from vipa.commanders.teleop.hand import STEP as HAND_STEP
from vipa.geometry import rotation

AHEAD = 5  # steps of the expert's chunk: where the tool should be half a second later
ACTS_NS = 250_000_000  # ns until a chunk has moved the arm
LOST_NS = 3_000_000_000  # ns without a chunk after which a key was not taken
RESTS = 0.02  # rad/s of any joint
MOST = 2  # keys of one axis at a time
FORWARD, BACK = ("w", "a", "e", "o", "i", "j"), ("s", "d", "q", "u", "k", "l")


class Typist:
    """step, turn_step: metres and radians of a key."""

    def __init__(self, robot, task, seed, step=0.01, turn_step=0.05):
        self.sizes = np.repeat([step, turn_step], 3)
        self.arm = robot.arms[0].name
        self.expert = Expert(robot, task, seed)
        self.expert.labelling = True
        self.acts_ns = 0  # when what the last keys said will surely have begun to act
        self.lost_ns = self.heard = 0  # until when a chunk is waited for, 0: for none; how many she has seen
        self.expert.reset(EpisodeStart("", task.name, task.instruction, seed, ""))

    def keys(self, now_ns, groups, status, truth, chunks) -> str:
        """What to press now; nothing while the last keys still move the arm. chunks: what they have made so far: on a busy machine
        the first comes late, and whoever presses again meanwhile goes too far; what a hand was told is read there, for a key may be
        lost."""
        if len(chunks) != self.heard:
            self._hear(chunks[self.heard :])
            self.heard, self.lost_ns, self.acts_ns = len(chunks), 0, max(self.acts_ns, now_ns + ACTS_NS)
        if now_ns < self.lost_ns:
            return ""
        if now_ns < self.acts_ns or np.abs(groups[self.arm].velocities).max() > RESTS:
            return ""
        chunk = self.expert.step(CommanderInput(now_ns, groups, status, None, truth))
        if chunk is None:
            return ""
        action = next(g for g in chunk.groups if g.name == self.arm)
        wanted, tool = action.poses[AHEAD], groups[self.arm].tool_pose
        off = np.concatenate([wanted[:3] - tool[:3], rotation.difference(wanted[3:], tool[3:])])
        counts = np.clip(np.round(off / self.sizes), -MOST, MOST).astype(int)
        pressed = "".join(abs(n) * (FORWARD if n > 0 else BACK)[axis] for axis, n in enumerate(counts) if n)
        pressed += self._hand(float(action.hand[AHEAD, 0]), float(groups[self.arm].hand[0]))
        self.acts_ns, self.lost_ns = now_ns + ACTS_NS // 2, now_ns + LOST_NS if pressed else 0
        return pressed

    def _hear(self, chunks):
        for group in (g for chunk in chunks for g in chunk.groups):
            if group.name == self.arm and group.hand is not None and len(group.hand):
                self.expert.told[self.arm] = float(group.hand[-1, 0])

    def _hand(self, wanted, measured) -> str:
        told = self.expert.told.get(self.arm, measured)
        if wanted > 0.98 and told < 0.98:
            return "v"
        steps = int(np.clip(round((wanted - told) / HAND_STEP), -3, 3))
        return abs(steps) * ("]" if steps > 0 else "[")
