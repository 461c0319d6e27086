"""Pictures of tasks' scenes, for people: every camera of each, side by side."""

from collections.abc import Iterable

import cv2
import numpy as np

from vipa.robot.description import Robot
from vipa.tasks.task import Task
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer
from vipa_sim.snapshot import Snapshot

TITLE = 26  # pixels of a picture's top that its title takes
SIZE = 640, 480  # pixels of a camera's picture
NEAR_COLOUR = cv2.COLORMAP_TURBO  # of depth: red is near, black has none


def row(
    task: Task, robot: Robot, seed: int = 0, variant: str = "", depth: bool = False, fixed_cameras: bool = False, camera_noise: bool = False
) -> np.ndarray:  # fmt: skip
    """(H, W, 3) uint8: the scene as the task's cameras see it at the start, with shadows and smooth edges, or as policies see it where
    `camera_noise` is asked for; `depth`: its depth beneath. Raises VipaError."""
    cell = SimCell(robot, task, image_size=SIZE, fixed_cameras=fixed_cameras, camera_noise=camera_noise)
    card = cell.reset(seed, variant)
    renderer = Renderer(cell, pictures=not camera_noise)
    try:
        columns = [
            _column(renderer, cell.snapshot(), camera, f"{task.name}, {card.variant}: {camera}", depth)
            for camera in cell.cameras
        ]
    finally:
        renderer.close()
    return np.hstack(columns)


def _column(renderer: Renderer, snapshot: Snapshot, camera: str, title: str, depth: bool) -> np.ndarray:
    frame = renderer.frame(snapshot, camera)
    color = frame.color.copy()
    color[:TITLE] //= 3
    cv2.putText(color, title, (8, TITLE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([color, _coloured(frame.depth, snapshot.cameras[camera].depth_range)]) if depth else color


def _coloured(depth: np.ndarray, limits) -> np.ndarray:
    """(H, W, 3) uint8 of depth (H, W) mm."""
    near, far = limits
    share = (far - depth / 1000.0) / (far - near)
    colours = cv2.applyColorMap((255 * np.clip(share, 0, 1)).astype(np.uint8), NEAR_COLOUR)[..., ::-1]
    return np.where(depth[..., None] > 0, colours, 0).astype(np.uint8)


def stacked(rows: Iterable[np.ndarray]) -> np.ndarray:
    """`rows` under each other, narrower ones filled up with white."""
    rows = list(rows)
    width = max(r.shape[1] for r in rows)
    return np.vstack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows])
