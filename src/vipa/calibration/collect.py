"""Views of the board from a stream of pictures and joint states, whether it is live or from a bag."""

from collections import Counter

import numpy as np

from vipa.calibration.board import MIN_CORNERS, Board, Finder, Sighting
from vipa.calibration.mounting import tool_pose
from vipa.calibration.view import View
from vipa.robot.kinematics import Kinematics

STILL_RAD_S = 0.01  # rad/s of every joint, below which the arm stands
SETTLES_NS = 400_000_000  # nanoseconds that it must have stood before a picture counts
PICTURES = 5  # of a pose, at most
APART = 0.06  # of the picture's width, that the board must have moved in it for another view of a camera alone
MOST = 40  # views of a camera alone


class PoseViews:
    """A view a pose in which the arm stood. One thread; joint states and pictures in order of their stamps.

    views: of the poses that are over, and of the one that lasts if it has a picture. refused: why pictures were of no use, with how often.
    joints: (n,) in the newest pose with a view.
    """

    def __init__(self, board: Board, kinematics: Kinematics, arm: str):
        self.finder, self.kinematics, self.arm = Finder(board), kinematics, arm
        self.refused: Counter[str] = Counter()
        self.joints: np.ndarray | None = None
        self.newest_refusal = ""
        self._done: list[View] = []
        self._since_ns: int | None = None  # since then it stands
        self._standing: list[np.ndarray] = []
        self._sightings: list[Sighting] = []

    @property
    def views(self) -> list[View]:
        return self._done + ([self._view()] if self._sightings else [])

    @property
    def pictures(self) -> int:
        """Of the present pose, that count."""
        return len(self._sightings)

    def joint_state(self, stamp_ns: int, q: np.ndarray, v: np.ndarray) -> None:
        """Positions and velocities (n,) of all joints, in the order of the kinematics."""
        if np.max(np.abs(v)) > STILL_RAD_S:
            self._end()
            return
        if self._since_ns is None:
            self._since_ns = stamp_ns
        self._standing = [*self._standing[-50:], q]

    def picture(self, stamp_ns: int, picture: np.ndarray) -> None:
        """RGB (H, W, 3) uint8, exposed at `stamp_ns`."""
        if self._since_ns is None or stamp_ns < self._since_ns + SETTLES_NS or len(self._sightings) >= PICTURES:
            return
        found = self.finder.find(picture)
        if isinstance(found, str):
            self.refused[found] += 1
            self.newest_refusal = found
        else:
            self._sightings.append(found)

    def _end(self) -> None:
        if self._sightings:
            self._done.append(self._view())
        self._since_ns, self._standing, self._sightings = None, [], []

    def _view(self) -> View:
        q = np.mean(self._standing, axis=0)
        self.joints = q
        return View(f"pose {len(self._done) + 1}", merged(self._sightings), tool_pose(self.kinematics, self.arm, q))


class PictureViews:
    """Views of a camera alone: sharp pictures of the board in places that differ. One thread."""

    def __init__(self, board: Board):
        self.finder, self.refused, self.views = Finder(board), Counter(), []
        self.newest_refusal = ""

    def picture(self, stamp_ns: int, picture: np.ndarray) -> None:
        """RGB (H, W, 3) uint8."""
        if len(self.views) >= MOST:
            return
        found = self.finder.find(picture)
        if isinstance(found, str):
            self.refused[found] += 1
            self.newest_refusal = found
        elif all(_apart(found, view.sighting) > APART for view in self.views):
            self.views.append(View(f"picture {len(self.views) + 1}", found))


def merged(sightings: list[Sighting]) -> Sighting:
    """The mean of pictures of one pose, over the corners that all of them show."""
    common = set.intersection(*(set(map(int, s.ids)) for s in sightings))
    if len(common) < MIN_CORNERS:
        return max(sightings, key=lambda s: len(s.ids))
    ids = np.array(sorted(common))
    corners = [s.corners[[list(s.ids).index(i) for i in ids]] for s in sightings]
    return Sighting(ids, np.mean(corners, axis=0), sightings[0].size)


def _apart(a: Sighting, b: Sighting) -> float:
    """Mean way of the common corners, of the picture's width."""
    at = {int(i): c for i, c in zip(b.ids, b.corners, strict=True)}
    ways = [np.linalg.norm(c - at[int(i)]) for i, c in zip(a.ids, a.corners, strict=True) if int(i) in at]
    return float(np.mean(ways)) / a.size[0] if ways else 1.0
