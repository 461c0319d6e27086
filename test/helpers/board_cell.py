"""A simulated cell with a calibration board: pictures as a camera of 640 x 480 delivers them, and joints as an arm measures them."""

from dataclasses import replace

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from vipa import resources
from vipa.calibration.board import Board, Finder
from vipa.calibration.collect import merged
from vipa.calibration.mounting import Mounting, mounting, nominal, tool_pose
from vipa.calibration.view import Intrinsics, View, board_pose
from vipa.calibration.viewpoints import HAND_EYE, Spread, tool_poses, viewpoints
from vipa.geometry import rotation
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.task import load_task
from vipa_sim import geometry
from vipa_sim.camera_noise import CameraNoise
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer

SIZE = (640, 480)
JOINT_NOISE = 2e-4  # radians, of an arm's absolute measurement: 0.2 mm at its reach
FOCAL_ERROR = 1.001  # of the focal length that the camera says of itself
LOOKING = {"wrist": [0.0, -0.35, 0.0, -2.35, 0.0, 2.0, 0.785], "scene": [-0.45, 0.05, 0.0, -1.9, 0.0, 1.95, 0.35]}


class BoardCell:
    """camera: "wrist" (the board lies on the table) or "scene" (the hand holds it). Draws of `seed` where the camera truly is: 10 mm and 2
    degrees off on the hand, 10 cm and some degrees beside it."""

    def __init__(self, camera: str, seed: int = 0):
        self.rng, self.seed, self.name = np.random.default_rng(seed), seed, camera
        self.robot = load_robot("fr3_single")
        task = load_task(
            str(resources.root() / f"examples/tasks/board_{'on_table' if camera == 'wrist' else 'in_hand'}.yaml")
        )
        true = [self._moved(c) if c.name == camera == "wrist" else c for c in self.robot.cameras]
        self.cell = SimCell(replace(self.robot, cameras=true), task, [camera], (2 * SIZE[0], 2 * SIZE[1]))
        self.cell.reset(seed)
        self.renderer = Renderer(self.cell)
        self.board = Board() if camera == "wrist" else Board(6, 4, 0.045, 0.034)
        self.how: Mounting = mounting(self.robot, camera)
        self.kinematics = Kinematics(self.robot)
        self.arm = self.kinematics.group("arm")
        fov = next(c.vertical_fov for c in self.robot.cameras if c.name == camera)
        self.k = geometry.intrinsics(*SIZE, fov)
        said = self.k.copy()
        said[[0, 1], [0, 1]] *= FOCAL_ERROR
        self.camera = Intrinsics(said, np.zeros(5), SIZE)

    def _moved(self, camera):
        turn = Rotation.from_euler("xyz", camera.rpy) * Rotation.from_rotvec(self.rng.normal(0, np.radians(1.2), 3))
        return replace(
            camera, position=list(np.add(camera.position, self.rng.normal(0, 0.006, 3))), rpy=list(turn.as_euler("xyz"))
        )

    @property
    def truth(self) -> np.ndarray:
        """(4, 4) of the camera in the tool frame, or in the base."""
        q = np.array(self.robot.groups[0].home)
        self.cell.arrange(dict(zip(self.robot.groups[0].joints, q, strict=True)), {})
        world = self.renderer.frame(self.cell.snapshot(), self.name).extrinsics
        base = self.arm.base.homogeneous
        return np.linalg.inv(base @ tool_pose(self.kinematics, "arm", q) if self.how.on_hand else base) @ world

    def picture(self, q: np.ndarray, number: int = 0, blur: float = 0.5) -> np.ndarray:
        """RGB (480, 640, 3) uint8 with the arm at `q` (7,). blur: pixels."""
        self.cell.arrange(dict(zip(self.robot.groups[0].joints, q, strict=True)), {})
        sharp = cv2.resize(
            self.renderer.frame(self.cell.snapshot(), self.name).color, SIZE, interpolation=cv2.INTER_AREA
        )
        if blur:
            sharp = cv2.GaussianBlur(sharp, (0, 0), blur)
        return CameraNoise(self.seed).color(self.name, 1_000_000 * (number + 1), sharp)

    def measured(self, q: np.ndarray) -> np.ndarray:
        """`q` as the arm's sensors have it."""
        return q + self.rng.normal(0, JOINT_NOISE, len(q))

    def poses(self, count: int, seed: int = 0, spread: Spread = HAND_EYE) -> list[np.ndarray]:
        """Joints (7,) of guided poses: those that the arm reaches of `count`."""
        start = np.array(LOOKING[self.name])
        sighting = Finder(self.board).find(self.picture(start))
        assert not isinstance(sighting, str), sighting
        first = board_pose(sighting, self.board.points, self.camera)
        mount = nominal(self.robot, self.how, start)
        wanted = tool_poses(
            viewpoints(first, count, seed, spread), mount, tool_pose(self.kinematics, "arm", start), self.how.on_hand
        )
        found = []
        for pose in wanted:
            target = np.concatenate([pose[:3, 3], rotation.from_matrix(pose[:3, :3])])
            q = self.arm.solve(target, start, restarts=4)
            if q is not None:
                found.append(q)
        return found

    def views(
        self, poses, pictures: int = 2, blur: float = 0.5, board: Board | None = None
    ) -> tuple[list[View], list[str]]:
        """Views at the joints `poses`, and why pictures were of no use."""
        finder, views, refused = Finder(board or self.board), [], []
        for number, q in enumerate(poses):
            seen = [finder.find(self.picture(q, 10 * number + k, blur)) for k in range(pictures)]
            refused += [s for s in seen if isinstance(s, str)]
            if good := [s for s in seen if not isinstance(s, str)]:
                views.append(
                    View(f"pose {number + 1}", merged(good), tool_pose(self.kinematics, "arm", self.measured(q)))
                )
        return views, refused

    def close(self):
        self.renderer.close()
