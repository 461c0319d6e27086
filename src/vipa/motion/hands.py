"""All hands of a robot, tick by tick: what they are commanded, and how wide they are."""

import numpy as np

from vipa.motion.gate import SafetyGate
from vipa.motion.hand import HandBuffer
from vipa.motion.measured import Measured
from vipa.robot.state import JointTrajectory


class Hands:
    """The hands of `buffers`, by group, beside what is `measured` of them; `gate` keeps them clear."""

    def __init__(self, buffers: dict[str, HandBuffer], measured: Measured, gate: SafetyGate):
        self.buffers, self.measured, self.gate = buffers, measured, gate

    def restart(self) -> None:
        """Where the hands are measured is where they are commanded."""
        for name, hand in self.buffers.items():
            hand.restart(self.measured.hands[name])

    def widest(self) -> dict[str, np.ndarray]:
        """The wider of the commanded and the measured openings (H,): a hand that holds something does not close."""
        return self._widest({name: hand.opening for name, hand in self.buffers.items()})

    def _widest(self, openings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        measured = self.measured.hands
        return {
            name: np.maximum(opening, self.buffers[name].opening_at(measured[name]))
            for name, opening in openings.items()
        }

    def advance(self, time: float, dt: float) -> str:
        """Moves the hands to where they shall be at `time`, `dt` seconds from now. Returns "" or why they stay as they are."""
        before = {name: hand.opening for name, hand in self.buffers.items()}
        for hand in self.buffers.values():
            hand.advance(time, dt)
        if all((hand.opening == before[name]).all() for name, hand in self.buffers.items()):
            return ""
        if self.gate.hands_pass(self._widest(before), self.widest()):
            return ""
        for name, hand in self.buffers.items():
            hand.opening = before[name]
        return "distance: a hand's opening"

    def commands(self, dt: float) -> dict[str, JointTrajectory]:
        """A command for every hand's controller, by its name: to be there in `dt` seconds."""
        return {hand.hand.controller: hand.command(dt) for hand in self.buffers.values()}
