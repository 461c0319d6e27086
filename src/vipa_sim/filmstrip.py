"""A film strip of an episode: what its first camera saw at equal steps, side by side, for reports."""

import cv2
import numpy as np

from vipa.errors import VipaError
from vipa.rates import Every
from vipa_sim.loop import Loop, Tick
from vipa_sim.snapshot import Snapshot

PICTURES = 6
WIDTH = 160  # pixels of a picture
RATE = 4.0  # Hz of the snapshots it chooses from
QUALITY = 75


class Filmstrip:
    """`on_tick` of the in-process loop, which must have cameras; `jpeg` after the episode."""

    def __init__(self, loop: Loop):
        self.loop = loop
        self.due = Every(RATE)
        self.seen: list[Snapshot] = []

    def on_tick(self, tick: Tick) -> None:
        if self.due(tick.stamp_ns) or self.loop.scorer.outcome is not None:
            self.seen.append(self.loop.cell.snapshot())

    def jpeg(self) -> bytes:
        """The strip: the first and the last snapshot and others between them. Raises VipaError if there is none."""
        if not self.seen:
            raise VipaError("an episode without a tick has no pictures")
        camera, renderer = self.loop.cameras[0], self.loop.renderer
        chosen = np.unique(np.linspace(0, len(self.seen) - 1, PICTURES).round().astype(int))
        pictures = []
        for number in chosen:
            color = renderer.frame(self.seen[number], camera).color
            height = round(WIDTH * color.shape[0] / color.shape[1])
            pictures.append(cv2.resize(color, (WIDTH, height), interpolation=cv2.INTER_AREA))
        image = cv2.cvtColor(np.hstack(pictures), cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
