"""What a camera delivers agrees with geometry, and with itself."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers.cell_driver import Driver
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim import geometry
from vipa_sim.camera_mounts import mounted_anew
from vipa_sim.cell import SimCell
from vipa_sim.placement_ik import gripping
from vipa_sim.render import Renderer
from vipa_sim.robot_model import VISUAL


def rays(frame):
    """Directions (H, W, 3) in the optical frame with z = 1, through the centres of the pixels."""
    height, width = frame.depth.shape
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    k = frame.intrinsics
    return np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u)], axis=2)


def plum_pixels(color):
    r, g, b = (color[..., i].astype(float) for i in range(3))
    return (g < 0.62 * np.minimum(r, b)) & (r + b > 30)


def over_the_plum(cell):
    """Bring the wrist camera above the plum."""
    spot = cell.truth().poses["plum"][:3]
    Driver(cell).move(spot + [-0.02, 0, 0.22], gripping(np.pi / 2), 1.5)


@pytest.mark.parametrize("camera", ["scene", "wrist"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_known_point_reprojects_within_a_pixel(seeing, camera, seed):
    cell, renderer = seeing
    cell.reset(seed)
    if camera == "wrist":
        over_the_plum(cell)
    frame = renderer.frame(cell.snapshot(), camera)
    plum = cell.truth().poses["plum"][:3]
    local = np.linalg.inv(frame.extrinsics) @ [*plum, 1.0]
    u, v, _ = frame.intrinsics @ (local[:3] / local[2])
    rows, columns = np.nonzero(plum_pixels(frame.color))
    assert len(rows) > 30
    # a ball's outline is an ellipse: its middle, not its mean, is next to the centre's image
    middle = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    assert abs(middle[0] - u) < 1.0 and abs(middle[1] - v) < 1.0, (middle, u, v)


@pytest.mark.parametrize("camera", ["scene", "wrist"])
def test_depth_is_the_distance_along_z_within_a_millimetre(seeing, camera):
    cell, renderer = seeing
    cell.reset(4)
    frame = renderer.frame(cell.snapshot(), camera)
    assert frame.depth.dtype == np.uint16 and frame.depth.shape == frame.color.shape[:2]
    model = cell.drawn_model()
    data = mujoco.MjData(model)
    data.qpos[:] = cell.snapshot().qpos
    mujoco.mj_forward(model, data)
    groups = np.zeros(6, np.uint8)
    groups[VISUAL] = 1
    origin = np.ascontiguousarray(frame.extrinsics[:3, 3])
    directions = rays(frame) @ frame.extrinsics[:3, :3].T
    flat = (mujoco.mjtGeom.mjGEOM_BOX.value, mujoco.mjtGeom.mjGEOM_MESH.value)  # round primitives are drawn faceted
    rng = np.random.default_rng(0)
    checked, (near, far) = 0, cell.cameras[camera].depth_range
    for _ in range(3000):
        v, u = rng.integers(1, frame.depth.shape[0] - 1), rng.integers(1, frame.depth.shape[1] - 1)

        def cast(row, column):
            geom = np.array([-1], np.int32)
            length = mujoco.mj_ray(model, data, origin, directions[row, column], groups, 1, -1, geom, None)
            return int(geom[0]), length

        hit, z = cast(v, u)
        # at an outline the pixel may show either side
        same = all(cast(v + dv, u + du)[0] == hit for dv, du in ((1, 0), (-1, 0), (0, 1), (0, -1)))
        if hit < 0 or not same or model.geom_type[hit] not in flat:
            continue
        if not near + 1e-3 < z < far - 1e-3:
            assert near - 1e-3 < z < far + 1e-3 or frame.depth[v, u] == 0
            continue
        checked += 1
        assert abs(frame.depth[v, u] - z * 1000) <= 1.0, (model.geom(hit).name, frame.depth[v, u], z)
    assert checked > 1000


def test_the_frame_says_where_the_camera_is(seeing):
    cell, renderer = seeing
    for seed in (0, 1):
        cell.reset(seed)
        frame = renderer.frame(cell.snapshot(), "scene")
        mounted = cell.cameras["scene"]
        np.testing.assert_allclose(frame.extrinsics[:3, 3], mounted.position, atol=1e-9)
        turn = Rotation.from_euler("xyz", mounted.rpy).as_matrix()
        np.testing.assert_allclose(frame.extrinsics[:3, :3], turn, atol=1e-9)
        k, width, height = cell.camera_info("scene")
        assert (width, height) == (320, 240)
        np.testing.assert_array_equal(k, frame.intrinsics)


def test_a_fixed_camera_stands_elsewhere_by_the_seed(cell):
    described = cell.robot.cameras[0]
    cards = {seed: cell.reset(seed) for seed in (7, 8)}
    assert cards[7].cameras != cards[8].cameras and list(cards[7].cameras) == ["scene"]
    again = cell.reset(7)
    assert again.cameras == cards[7].cameras and again.poses == cards[7].poses
    assert cell.mounted["wrist"] == cell.robot.cameras[1]  # it stands on the arm
    built = SimCell(cell.robot, cell.task, cameras=("scene",), image_size=(64, 48))
    assert built.reset(7).cameras == cards[7].cameras and built.cameras["scene"].width == 64
    fixed = SimCell(cell.robot, cell.task, cameras=(), fixed_cameras=True)
    card = fixed.reset(7)
    assert card.cameras == {"scene": {"position": described.position, "rpy": described.rpy}}
    assert card.poses == cards[7].poses  # the objects do not follow


def draws(camera, count):
    return [mounted_anew(camera, np.random.default_rng(seed)) for seed in range(count)]


def test_a_camera_mounted_anew_is_some_10_cm_and_4_degrees_off(cell):
    described = cell.robot.cameras[0]
    drawn = draws(described, 300)
    shifts = np.array([np.subtract(c.position, described.position) for c in drawn])
    assert np.abs(shifts).max() <= 0.1 and np.abs(shifts).max(axis=0).min() > 0.095
    back = Rotation.from_euler("xyz", described.rpy).inv()
    turns = np.degrees([(back * Rotation.from_euler("xyz", c.rpy)).magnitude() for c in drawn])
    assert 3.5 < turns.mean() < 5.0 and turns.max() < 9.0
    assert mounted_anew(cell.robot.cameras[1], np.random.default_rng(0)) == cell.robot.cameras[1]


def test_same_seed_same_pixels_and_another_seed_others(seeing):
    cell, renderer = seeing

    def pictures(seed):
        cell.reset(seed)
        return [renderer.frame(cell.snapshot(), name) for name in cell.cameras]

    first, other, again = pictures(7), pictures(8), pictures(7)
    for a, b, c in zip(first, other, again):
        np.testing.assert_array_equal(a.color, c.color)
        np.testing.assert_array_equal(a.depth, c.depth)
        assert (a.color != b.color).any()


def test_variants_change_the_cloth_and_nothing_else(seeing):
    cell, renderer = seeing
    cell.reset(7, "linen")
    linen = renderer.frame(cell.snapshot(), "scene")
    cell.reset(7, "crimson")
    crimson = renderer.frame(cell.snapshot(), "scene")
    np.testing.assert_array_equal(linen.depth, crimson.depth)
    changed = (linen.color != crimson.color).any(axis=2).mean()
    assert 0.1 < changed < 0.6


def test_scene_camera_sees_what_matters_wherever_it_stands(cell):
    """Corners of the fruits' area, the drawer's handle closed and open, and the tool at home are in the picture."""
    cell.reset(0)
    low, high = cell.task.randomisation["fruit_min"], cell.task.randomisation["fruit_max"]
    handle = cell.truth().poses["drawer_handle"][:3]
    points = [[x, y, 0.0] for x in (low[0], high[0]) for y in (low[1], high[1])]
    points += [handle, handle - [0, 0.22, 0], cell.link_poses()["fr3_hand_tcp"][:3]]
    described = cell.robot.cameras[0]
    k = geometry.intrinsics(described.width, described.height, described.vertical_fov)
    for camera in [described, *draws(described, 200)]:
        local = Rotation.from_euler("xyz", camera.rpy).inv().apply(np.subtract(points, camera.position))
        u, v, _ = k @ (local / local[:, 2:]).T
        assert u.min() > 5 and u.max() < 315 and v.min() > 5 and v.max() < 240, camera


def test_wrist_camera_sees_the_fingertips(seeing):
    cell, renderer = seeing
    cell.reset(0)
    frame = renderer.frame(cell.snapshot(), "wrist")
    poses = cell.link_poses()
    for link in ("fr3_leftfinger", "fr3_rightfinger"):
        tip = poses[link][:3] + [0, 0, -0.05]  # the tool points down at home
        local = np.linalg.inv(frame.extrinsics) @ [*tip, 1.0]
        u, v, _ = frame.intrinsics @ (local[:3] / local[2])
        assert 0 < u < 320 and 0 < v < 240
        assert abs(frame.depth[round(v), round(u)] - local[2] * 1000) < 25


def test_image_size_and_camera_choice():
    robot, task = load_robot("fr3_single"), load_task("put_three_obj")
    small = SimCell(robot, task, cameras=("wrist",), image_size=(64, 48))
    assert list(small.cameras) == ["wrist"] and small.camera_info("wrist")[1:] == (64, 48)
    assert SimCell(robot, task, cameras=()).cameras == {}
    with pytest.raises(VipaError, match="unknown camera of robot fr3_single 'head'; allowed: scene, wrist"):
        SimCell(robot, task, cameras=("head",))
    with pytest.raises(VipaError, match="unknown camera 'scene'; allowed: wrist"):
        small.camera_info("scene")


@pytest.mark.parametrize("task", ["put_three_obj", "insert_flower"])
def test_what_is_out_of_view_is_not_drawn_and_is_not_missed(task, monkeypatch):
    """The same pictures to the last bit, of fewer things."""
    task = load_task(task)
    cell = SimCell(load_robot(task.robot), task, image_size=(128, 96))
    renderer = Renderer(cell)
    in_view, hidden = renderer._in_view, []

    def frames():
        return [renderer.frame(cell.snapshot(), camera) for camera in cell.cameras]

    def note(*args):
        seen = in_view(*args)
        hidden.append(int((renderer._seen & ~seen).sum()))
        return seen

    for seed in (0, 1):
        cell.reset(seed)
        monkeypatch.setattr(renderer, "_in_view", note)
        found = frames()
        monkeypatch.setattr(renderer, "_in_view", lambda *_: True)
        for one, whole in zip(found, frames(), strict=True):
            np.testing.assert_array_equal(one.color, whole.color)
            np.testing.assert_array_equal(one.depth, whole.depth)
    renderer.close()
    assert max(hidden) > 20
