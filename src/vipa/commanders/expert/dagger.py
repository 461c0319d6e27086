"""Demonstrations in which a policy drives (DAgger): by stretches, the expert takes over again and says all along what it
would do from here, so that the labels cover the places a policy gets to."""

import dataclasses

import numpy as np

from vipa.commanders.commander import Commander, CommanderInput, EpisodeStart
from vipa.commanders.expert.commander import Expert
from vipa.motion.chunk import ActionChunk

STRETCH_S = {"expert": (0.5, 2.5), "policy": (0.8, 3.2)}  # seconds that each of them drives, at least and at most


class DaggerCommander:
    """The commander whose chunks are `policy`'s in one stretch of time and `expert`'s in the next, drawn by the seed."""

    commander_id = "expert"
    wants_cameras = True

    def __init__(self, expert: Expert, policy: Commander):
        self.expert, self.policy, self.period = expert, policy, expert.period
        expert.tireless = True  # the policy may have undone it all

    def reset(self, start: EpisodeStart) -> None:
        self.random = np.random.default_rng((start.seed, 7))
        self.expert.reset(start)
        self.policy.reset(start)
        self.seq = 0
        self.sent: ActionChunk | None = None
        self.driver, self.until = "policy", 0.0

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk of who drives; None when the robot is stopped, or when the policy's last chunk goes on."""
        now = seen.now_ns / 1e9
        if now >= self.until:
            self.driver = "expert" if self.driver == "policy" else "policy"
            self.until = now + self.random.uniform(*STRETCH_S[self.driver])
            self.asked = -np.inf
        self.expert.labelling = self.driver == "policy"
        self.expert.told = self._openings(seen.now_ns)
        chunk = self.expert.step(seen)
        if self.driver == "policy":
            chunk = None
            if now - self.asked > self.policy.period - 0.5 * self.period:
                chunk, self.asked = self.policy.step(seen), now
        if chunk is None:
            return None
        self.seq += 1
        self.sent = dataclasses.replace(chunk, commander_id=self.commander_id, seq=self.seq)
        return self.sent

    def _openings(self, now_ns: int) -> dict[str, float]:
        """What each hand has been told for now, by group."""
        if self.sent is None:
            return {}
        step = round((now_ns - self.sent.start_ns) / 1e9 / self.sent.dt)
        hands = {g.name: g.hand[np.clip(step, 0, len(g.hand) - 1)] for g in self.sent.groups if g.hand is not None}
        return {name: self.expert.robot.group(name).hand.opening_of(hand) for name, hand in hands.items()}
