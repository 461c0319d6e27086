"""Wipe-Board's scenes and words: the cloth in the hand, the mark that is nearest to it, and goals that the expert has, too."""

import numpy as np
import pytest

from helpers.arrangements import arrangements
from vipa.geometry import poses
from vipa_sim.alignment import questions
from vipa_sim.alignment.questions import Still
from vipa_sim.objects.cloth import HEIGHT, LENGTH


@pytest.fixture(scope="module")
def drawn():
    """(vocabulary, [(arrangement, where the ink is (N, 2) m)])."""
    with arrangements(
        "wipe_board", 5, 6, lambda scene, cell: (scene, cell.scene.ink.places + scene.bodies["board"][:2])
    ) as found:
        yield found


def test_the_mark_is_the_ink_that_is_nearest_to_where_the_cloth_is_now(drawn):
    _, found = drawn
    assert any(scene.held for scene, _ in found) and any(not scene.held for scene, _ in found)
    for scene, ink in found:
        cloth, mark = scene.bodies["cloth"][:2], scene.bodies["mark"][:2]
        least = np.linalg.norm(ink - cloth, axis=1).min()
        assert abs(np.linalg.norm(mark - cloth) - least) < 0.006


def test_the_cloth_lies_in_the_hand_across_the_fingers_and_its_end_points_away_from_the_robot(drawn):
    _, found = drawn
    for scene, _ in found:
        cloth, end = scene.bodies["cloth"], scene.bodies["cloth_end"]
        assert np.allclose(poses.transform(poses.inverse(cloth), end[:3]), [LENGTH / 2, 0, HEIGHT / 2], atol=1e-6)
        assert end[0] > cloth[0] - 0.02
        if scene.held:
            fingers = poses.directions(scene.tool, [0.0, 1.0, 0.0])
            assert abs(fingers @ poses.directions(cloth, [0.0, 1.0, 0.0])) > 0.95
            assert np.linalg.norm(scene.tool[:2] - cloth[:2]) < 0.02


def test_a_motion_is_about_the_cloth_until_it_is_held_and_then_about_the_mark(drawn):
    words, found = drawn
    seen = set()
    for scene, _ in found:
        points = np.stack([t.point(scene.bodies) for t in words.things])
        still = Still(scene.tool, points, scene.bodies, scene.held, np.zeros((2, 4, 4)))
        for record in questions.action(words, still, np.random.default_rng(0)):
            body = "mark" if scene.held else "cloth"
            assert np.allclose(record["target"], scene.bodies[body][:3], atol=1e-4)
            assert np.allclose(record["tip"], scene.bodies["cloth_end"][:3], atol=1e-4)
            seen.add(body)
        for motion in (m for m in words.motions if m.held == scene.held):
            position, turn = words.goal(motion, scene.tool, scene.bodies)
            body = scene.bodies["mark" if scene.held else "cloth"]
            assert np.allclose(position, body[:3] + [0, 0, 0.02], atol=2e-3) and abs(turn) <= np.pi / 2
    assert seen == {"mark", "cloth"}
