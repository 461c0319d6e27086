"""A ChArUco board to calibrate cameras with: a picture on a plate. It is seen and not felt."""

import mujoco
import numpy as np

from vipa.calibration.board import Board
from vipa_sim import shapes, tabletop, textures
from vipa_sim.robot_model import VISUAL

PLATE = 0.004  # metres of thickness
MARGIN = 0.01  # metres of white around the squares
PIXELS = 1600  # of the picture's longer side


def add_board(body: mujoco.MjsBody, spec: mujoco.MjSpec, board: Board) -> None:
    """The board on `body`, whose frame is the board's: x along the columns, y down the rows, z away from who looks at it."""
    squares = board.picture(PIXELS / max(board.size))
    margin = round(MARGIN / max(board.size) * PIXELS)
    picture = np.pad(squares, margin, constant_values=255)
    width, height = (
        edge * (side + 2 * margin) / side for edge, side in zip(board.size, squares.shape[::-1], strict=True)
    )
    textures.add_texture(spec, "charuco", np.repeat(picture[..., None], 3, axis=2))
    textures.add_material(spec, "charuco", [1, 1, 1, 1], "charuco", specular=0.05, shininess=0.1)
    x, y = width / 2, height / 2
    corners = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
    seen_from_behind_z = np.array([[0, 2, 1], [0, 3, 2]])
    shapes.add_mesh(spec, "charuco", (corners, seen_from_behind_z, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)))
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname="charuco", material="charuco", contype=0, conaffinity=0,
        group=VISUAL, mass=0,
    )  # fmt: skip
    plate = [0.0, 0.0, PLATE / 2 + 0.0005]
    tabletop.add_panel(body, "charuco_plate", plate, [width, height, PLATE], [0.55, 0.56, 0.58, 1])
