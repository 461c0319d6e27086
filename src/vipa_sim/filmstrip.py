"""A film strip of an episode: what its first camera saw at equal steps, side by side, for reports."""

from vipa.errors import VipaError
from vipa.rates import Every
from vipa.reporting import strip
from vipa_sim.loop import Loop, Tick
from vipa_sim.snapshot import Snapshot

RATE_HZ = 4.0  # Hz of the snapshots it chooses from


class Filmstrip:
    """`on_tick` of the in-process loop, which must have cameras; `jpeg` after the episode."""

    def __init__(self, loop: Loop):
        self.loop = loop
        self.due = Every(RATE_HZ)
        self.seen: list[Snapshot] = []

    def on_tick(self, tick: Tick) -> None:
        if self.due(tick.stamp_ns) or self.loop.scorer.outcome is not None:
            self.seen.append(self.loop.cell.snapshot())

    def jpeg(self) -> bytes:
        """The strip: the first and the last snapshot and others between them. Raises VipaError if there is none."""
        if not self.seen:
            raise VipaError("an episode without a tick has no pictures")
        camera, renderer = self.loop.cameras[0], self.loop.renderer
        shown = [self.seen[number] for number in strip.chosen(len(self.seen))]
        return strip.jpeg([renderer.frame(snapshot, camera).color for snapshot in shown])
