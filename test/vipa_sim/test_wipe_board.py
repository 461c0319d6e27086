"""Wipe-Board's scene: the cloth wipes where it presses, cameras see it, and every seed is a fair start."""

import dataclasses

import numpy as np
import pytest

from helpers.cell_driver import Driver
from vipa.errors import VipaError
from vipa.geometry import poses as geometry
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.objects.cloth import HEIGHT, LENGTH, WIDTH
from vipa_sim.placement_ik import gripping
from vipa_sim.render import Renderer

GRASP = 0.020  # metres of the tool above the sole


@pytest.fixture(scope="module")
def board():
    return SimCell(load_robot("fr3_single"), load_task("wipe_board"), cameras=())


def pick_up(cell, seed):
    """Takes the cloth and holds it over the board's middle, along it; returns the driver, the rotation (3, 3) of the tool there and the
    height of the tool at which the sole touches the board."""
    cell.reset(seed)
    drive, cloth = Driver(cell), cell.truth().poses["cloth"]
    across = 2 * np.arctan2(cloth[5], cloth[6]) + np.pi / 2
    for height in (0.20, GRASP):
        drive.move([*cloth[:2], height], gripping(across))
    drive.grip(WIDTH / 2 - 0.004)
    drive.move([*cloth[:2], 0.12], gripping(across))
    truth = cell.truth()
    assert truth.poses["cloth"][2] > 0.08 and {"fr3_leftfinger", "fr3_rightfinger"} <= {
        n for pair in truth.contacts for n in pair
    }
    middle = truth.poses["board"][:2]
    along = gripping(np.pi / 2)
    drive.move([*middle, 0.12], along)
    up = cell.link_poses()[drive.group.tool_frame][2] - cell.truth().poses["cloth"][2]
    return drive, along, truth.poses["board"][2] + truth.scalars["board_z"] + up


def dotted(ink):
    """An inked texel every 4 mm."""
    image = np.zeros(ink.shape)
    image[::4, ::4] = 1.0
    return image


def press_on(drive, cell, along, place, height, newtons):
    """The tool goes down at `place` (2,) from where the sole touches until it presses with `newtons`; returns its height then."""
    drive.move([*place, height + 0.01], along)
    while cell.truth().scalars["press"] < newtons:
        height -= 0.0002
        drive.move([*place, height], along, seconds=0.1, points=2)
    return height


def slide(drive, cell, along, start, end, height, newtons):
    """The cloth presses with `newtons` at `start` (2,), slides to `end` and goes up again; newtons between cloth and board on the way."""
    height = press_on(drive, cell, along, start, height, newtons)
    press = []
    for place in np.linspace(start, end, 21)[1:]:
        drive.move([*place, height], along, seconds=0.2, points=1)
        press.append(cell.truth().scalars["press"])
    drive.move([*end, height + 0.02], along)
    return np.array(press)


def test_ink_comes_off_where_the_cloth_presses_and_slides_and_nowhere_else(board):
    drive, along, touch = pick_up(board, 0)
    ink, middle = board.scene.ink, board.truth().poses["board"][:2]
    ink.set(dotted(ink))
    start, end = middle + [-0.06, 0.0], middle + [0.06, 0.0]
    # a light touch slides over it
    press = slide(drive, board, along, start, end, touch, 1.0)
    assert np.median(press) > 0.5 and press.max() < 4.0, press
    assert ink.amounts.min() > 0.999
    # as much as a person presses takes it off
    press = slide(drive, board, along, start, end, touch, 8.0)
    assert press.min() > 5.0 and press.max() < 14.0, press
    x, y = ink.places.T
    path = (np.abs(x) < 0.055) & (np.abs(y) < WIDTH / 2 - 0.004)
    beside = (np.abs(x) > 0.06 + LENGTH / 2 + 0.006) | (np.abs(y) > WIDTH / 2 + 0.006)
    assert (ink.amounts[path] == 0.0).all() and (ink.amounts[beside] == 1.0).all()
    assert board.truth().scalars["press"] < 0.1  # it hangs in the air again


def test_pressing_without_sliding_leaves_the_ink(board):
    drive, along, touch = pick_up(board, 1)
    ink, middle = board.scene.ink, board.truth().poses["board"][:2]
    drive.move([*middle, touch + 0.02], along)
    ink.set(dotted(ink))
    press_on(drive, board, along, middle, touch, 9.0)
    drive.run(1.0)
    assert board.truth().scalars["press"] > 6.0
    assert ink.amounts.min() > 0.7  # it gives a little as it is pressed down


def test_two_hundred_seeds_are_fair_starts(board):
    ranges, variants, marks = board.task.randomisation, set(), []
    for seed in range(200):
        variants.add(board.reset(seed).variant)
        truth, ink = board.truth(), board.scene.ink
        cloth, plate = truth.poses["cloth"], truth.poses["board"]
        assert truth.contacts == {("cloth", "table")}, seed
        assert (cloth[:2] > np.array(ranges["cloth_min"]) - 0.003).all(), seed
        assert (cloth[:2] < np.array(ranges["cloth_max"]) + 0.003).all(), seed
        assert abs(cloth[2]) < 2e-3 and np.abs(cloth[3:5]).max() < 5e-3, seed
        assert abs(2 * np.arctan2(cloth[5], cloth[6])) < ranges["cloth_yaw"] + 0.02, seed
        gap = np.abs(cloth[:2] - plate[:2]) - np.array(board.task.fixtures[1].size[:2]) / 2
        assert gap.max() > LENGTH / 2 + 0.015, seed
        assert 5.0 < truth.scalars["ink"] < 80.0, seed
        half = np.array([truth.scalars["board_x"], truth.scalars["board_y"]])
        assert (np.abs(ink.places) < half - 0.02).all(), seed
        near = plate[:2] + ink.places[np.argmin(np.linalg.norm(plate[:2] + ink.places - cloth[:2], axis=1))]
        assert np.linalg.norm(truth.poses["mark"][:2] - near) < 0.005, seed
        marks.append(truth.scalars["ink"])
    assert variants == set(board.task.seen) and np.std(marks) > 3.0


def test_variants_are_looks_and_a_reset_brings_the_ink_back(board):
    first = board.reset(3, "lemon")
    seen = board.snapshot()
    assert board.snapshot().appearance is seen.appearance
    other = board.reset(3, "red")
    assert other.poses == first.poses and other.scalars == first.scalars
    red = board.snapshot().appearance
    inked = red.textures["board_surface"].min(axis=2) < 100
    black = seen.appearance.textures["board_surface"].min(axis=2) < 100
    assert (inked != black).mean() < 0.001  # but for the strokes' soft edges
    assert inked.sum() > 1000 and (red.textures["board_surface"][inked][:, 0] > 150).mean() > 0.9
    before = red.textures["board_surface"].copy()
    ink = board.scene.ink
    ink.wipe(np.zeros(2), 0.0, np.array([1.0, 1.0]), np.full((6, 12), 1e4), np.array([0.1, 0.0, 0.0]))
    clean = board.snapshot().appearance
    assert clean is not red and ink.area == 0.0
    assert (clean.textures["board_surface"] > 200).all()
    np.testing.assert_array_equal(red.textures["board_surface"], before)  # frames under way are of their own moment
    assert board.reset(3, "red").scalars == first.scalars
    np.testing.assert_array_equal(board.snapshot().appearance.textures["board_surface"], before)
    with pytest.raises(VipaError, match="unknown key.*pen; allowed: marker, cloth, board"):
        board.scene.appearance({"pen": [0, 0, 0]}, np.random.default_rng(0))


def test_cameras_see_the_ink_where_it_is():
    cell = SimCell(load_robot("fr3_single"), load_task("wipe_board"), image_size=(640, 480))
    renderer = Renderer(cell)
    try:
        cell.reset(0, "lemon")
        ink = cell.scene.ink
        board = cell.truth().poses["board"] + np.array([0, 0, cell.truth().scalars["board_z"], 0, 0, 0, 0])
        spots = np.array([[0.15, 0.10], [-0.15, 0.10], [0.13, -0.09], [-0.02, 0.03]])
        for spot in spots:
            image = np.zeros(ink.shape)
            column, row = ((spot + ink.size / 2) / 0.001).astype(int)
            image[row - 5 : row + 6, column - 5 : column + 6] = 1.0
            ink.set(image)
            frame = renderer.frame(cell.snapshot(), "scene")
            values = []
            for place in spots:
                point = np.linalg.inv(frame.extrinsics) @ [*geometry.transform(board, [*place, 0.0]), 1.0]
                u, v = np.rint((frame.intrinsics @ point[:3])[:2] / point[2]).astype(int)
                values.append(int(frame.color[v, u].max()))
            assert np.argmin(values) == np.flatnonzero((spots == spot).all(axis=1))[0], (spot, values)
            assert min(values) < 90 < 150 < sorted(values)[1], (spot, values)
    finally:
        renderer.close()


def test_what_does_not_fit_the_scene_is_refused():
    task, robot = load_task("wipe_board"), load_robot("fr3_single")
    table, plate = task.fixtures
    for fixtures, message in (
        ([table], "wants one called board that lies flat"),
        ([table, dataclasses.replace(plate, rpy=[0.1, 0.0, 0.0])], "wants one called board that lies flat"),
        ([table, dataclasses.replace(plate, size=[0.1, 0.1, 0.02])], "board: size .* allowed: edges of 0.15 m"),
    ):
        with pytest.raises(VipaError, match=message):
            SimCell(robot, dataclasses.replace(task, fixtures=fixtures), cameras=())
    with pytest.raises(VipaError, match="marks"):
        SimCell(robot, dataclasses.replace(task, randomisation={"marks": [5, 3]}), cameras=())
    assert HEIGHT > GRASP
