"""Our planner on seeded tabletop queries around a post and a shelf."""

import time

import numpy as np

from vipa.geometry import rotation
from vipa.motion.collision import CollisionModel, DistanceField
from vipa.planning.rrt_connect import NoPath, Planner
from vipa.planning.time_parameterization import TimedPath
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench.motion_costs import TABLETOP

OBSTACLES = (Fixture("post", [0.55, 0.0, 0.2], [0.1, 0.2, 0.4]), Fixture("shelf", [0.78, -0.5, 0.35], [0.2, 0.2, 0.03]))
CHECK_STEP_RAD = 0.001


class Tabletop:
    """The first arm of `robot` among fixtures, and places for its tool that it can reach."""

    def __init__(self, robot: Robot):
        self.collisions = CollisionModel(Kinematics(robot), (*TABLETOP, *OBSTACLES))
        self.kinematics, self.name = self.collisions.kinematics, robot.arms[0].name
        self.arm, self.columns = self.kinematics.groups[self.name], self.kinematics.columns[self.name]
        self.field, self.random = DistanceField(self.collisions), np.random.default_rng(4)

    def whole(self, q: np.ndarray) -> np.ndarray:
        """The robot's joints (n,) with the arm at `q` (J,), the others at home."""
        joints = self.kinematics.home.copy()
        joints[self.columns] = q
        return joints

    def free(self, q: np.ndarray) -> bool:
        """Whether the arm at `q` is 5 mm or more beyond its margins."""
        self.field.move(self.kinematics.configuration(self.whole(q)))
        return not len(self.field.below(self.collisions.margins + 0.005))

    def place(self) -> np.ndarray:
        """Joints (J,) with the tool at a random place, pointing down."""
        random = self.random
        while True:
            turn = rotation.exp(np.array([0, 0, random.uniform(-0.5, 0.5)]))
            side = (
                random.uniform(0.35, 0.6),
                random.choice([-1, 1]) * random.uniform(0.2, 0.4),
                random.uniform(0.1, 0.3),
            )
            pose = np.concatenate([side, rotation.multiply(turn, np.array([1.0, 0, 0, 0]))])
            q = self.arm.solve(pose, self.kinematics.home[self.columns], self.free)
            if q is not None:
                return q

    def above_margin(self, path: TimedPath) -> float:
        """Metres that the nearest pair keeps beyond its margin along `path`, sampled every CHECK_STEP_RAD; at most 0.01."""
        worst = 0.01
        for a, b in zip(path.positions[:-1], path.positions[1:]):
            count = max(1, int(np.ceil(np.abs(b - a).max() / CHECK_STEP_RAD)))
            for step in range(count):
                self.field.move(self.kinematics.configuration(self.whole(a + (b - a) * step / count)))
                near = self.field.below(self.collisions.margins + 0.01)
                worst = min(worst, float((self.field.lower[near] - self.collisions.margins[near]).min(initial=0.01)))
        return worst


def planner(robot: Robot, queries: int = 20) -> dict[str, float]:
    """Plans found, wall time, and what a re-check at 0.001 rad finds."""
    table = Tabletop(robot)
    walls, above, seconds = [], [], []
    for query in range(queries):
        goal = table.place()
        start = table.whole(table.place())
        clock = time.perf_counter()
        try:
            path = Planner(table.collisions, seed=query + 1).to_joints(table.name, start, goal).path
        except NoPath:
            continue
        walls.append(time.perf_counter() - clock)
        seconds.append(path.duration)
        above.append(table.above_margin(path))
    return {
        "found": float(len(walls)),
        "queries": float(queries),
        "p50_ms": 1e3 * float(np.median(walls)),
        "worst_ms": 1e3 * float(np.max(walls)),
        "least_above_margin_mm": 1e3 * min(above),
        "path_s": float(np.median(seconds)),
    }
