"""Ink on a board: strokes of a marker as a texture, and a cloth that wipes it off where it presses and slides."""

import numpy as np

TEXEL = 0.001  # metres: edge of a texel
VISIBLE = 0.05  # share of full ink below which nobody sees it: what is left of a texel then comes off whole
MIN_PRESSURE = 1000.0  # Pa below which a dry cloth slides over the ink
# Metres of sliding at twice MIN_PRESSURE after which a share of 1/e is left; less pressure beyond the least wants more sliding
WIPE_LENGTH = 0.006
CLOSE = 0.005  # metres
SOFTNESS = 0.7e6  # Pa/m of a folded cloth: a millimetre more of compression is 0.7 kPa more, of all of it 3 N


class Ink:
    """The ink on a board of `size` (2,) metres, its centre at (0, 0).

    places: (N, 2) metres, of the texels that have been drawn on; amounts: (N,) 0..1 of ink on them. version: counts changes.
    """

    def __init__(self, size):
        self.size = np.asarray(size, float)
        self.shape = (round(self.size[1] / TEXEL), round(self.size[0] / TEXEL))  # rows along y, columns along x
        self.version = 0
        self.set(np.zeros(self.shape))

    def set(self, image: np.ndarray) -> None:
        """Ink (H, W) 0..1 in place of what is there; row 0 at the least y, column 0 at the least x."""
        self.rows, self.columns = np.nonzero(image > VISIBLE)
        self.amounts = image[self.rows, self.columns].astype(float)
        self.places = TEXEL * (np.stack([self.columns, self.rows], axis=1) + 0.5) - self.size / 2
        self.version += 1

    @property
    def area(self) -> float:
        """Square centimetres of full ink that are left."""
        return float(self.amounts.sum()) * TEXEL**2 * 1e4

    def wipe(self, at: np.ndarray, yaw: float, half: np.ndarray, pressures: np.ndarray, slid: np.ndarray) -> None:
        """A cloth with half edges `half` (2,) lies at `at` (2,), turned by `yaw`, and has slid there.

        pressures: (R, C) pascals over the cloth, rows along its y. slid: (3,) metres in x and y and radians, since the last call.
        """
        off = self.places - at
        c, s = np.cos(yaw), np.sin(yaw)
        local = off @ np.array([[c, -s], [s, c]])
        under = np.flatnonzero((np.abs(local) <= half).all(axis=1) & (self.amounts > 0))
        if not len(under):
            return
        share = (local[under] / half + 1) / 2  # 0..1 over the cloth
        shape = np.array(pressures.shape[::-1])
        column, row = np.minimum((share * shape).astype(int), shape - 1).T
        pressure = pressures[row, column]
        way = slid[:2] + slid[2] * off[under] @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        rubbed = np.maximum(pressure / MIN_PRESSURE - 1.0, 0.0) * np.linalg.norm(way, axis=1) / WIPE_LENGTH
        if not rubbed.any():
            return
        left = self.amounts[under] * np.exp(-rubbed)
        self.amounts[under] = np.where(left < VISIBLE, 0.0, left)
        self.version += 1

    def nearest(self, to: np.ndarray) -> np.ndarray | None:
        """(2,) metres: the ink that is nearest to `to` (2,), the middle of what lies within CLOSE of it; None: clean."""
        left = np.flatnonzero(self.amounts > 0)
        if not len(left):
            return None
        places = self.places[left]
        first = places[np.argmin(np.square(places - to).sum(axis=1))]
        return places[np.square(places - first).sum(axis=1) <= CLOSE**2].mean(axis=0)

    def paint(self, blank: np.ndarray, rgb: np.ndarray) -> np.ndarray:
        """The board's texture (H, W, 3) uint8: ink of colour `rgb` (3,) 0..255 on `blank`."""
        image = blank.copy()
        under = blank[self.rows, self.columns].astype(float)
        share = self.amounts[:, None]
        image[self.rows, self.columns] = np.rint(under + share * (rgb - under)).astype(np.uint8)
        return image


def pressures(force: float, slope: np.ndarray, half: np.ndarray, cells: tuple[int, int] = (6, 12)) -> np.ndarray:
    """Pressure (R, C) pascals under a soft cloth that a `force` (newtons) presses on a plane.

    An elastic foundation (Winkler): pressure is SOFTNESS times how far the cloth is compressed there. slope: (2,) by how much
    its sole rises a metre along its x and y: a cloth that lies askew presses, and wipes, on one edge. half: (2,) metres.
    """
    rows, columns = cells
    x = (np.arange(columns) + 0.5) / columns * 2 * half[0] - half[0]
    y = (np.arange(rows) + 0.5) / rows * 2 * half[1] - half[1]
    rise = (slope[0] * x[None] + slope[1] * y[:, None]).ravel()
    if force <= 0:
        return np.zeros(cells)
    # compressed by depth - rise where that is positive; the depth at which all of it bears the force
    cell = 4 * half[0] * half[1] / len(rise)
    ordered = np.sort(rise)
    touching = np.arange(1, len(rise) + 1)
    depths = (force / (SOFTNESS * cell) + np.cumsum(ordered)) / touching
    nxt = np.append(ordered[1:], np.inf)
    depth = depths[np.argmax(depths <= nxt)]
    return (SOFTNESS * np.maximum(depth - rise, 0.0)).reshape(cells)
