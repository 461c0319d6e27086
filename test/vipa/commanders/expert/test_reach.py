"""Of the two equal grasps of a two-fingered hand the one that leaves the arm room."""

from types import SimpleNamespace

import numpy as np
import pytest

from vipa.commanders.expert.skills.reach import NEAR_LIMIT_RAD, best_turn, top_down
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

ARM = Kinematics(load_robot("fr3_single")).group("arm")
AT = (0.5, 0.0, 0.2)
WRIST = 6


def seen(q):
    """The arm's view of itself with the joints `q`."""
    return SimpleNamespace(kinematics=ARM, state=SimpleNamespace(positions=q))


def turned(q, start, end):
    """The joints after a turn from the yaw `start` to `end` by the shorter way, as a servo without posture goes it."""
    way = (end - start + np.pi) % (2 * np.pi) - np.pi
    for part in np.linspace(0.0, way, 2 + round(abs(way) / 0.1))[1:]:
        q = ARM.solve(top_down(AT, start + part), q, restarts=0)
        assert q is not None, "the wrist is at its limit"
    return q


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_wrist_is_not_wound_up_to_its_limit(side):
    """A banana every time turned a little further the same way: the nearer of both grasps ends at the limit in the end."""
    q, yaw = np.array(ARM.spec.home), 0.0
    for _ in range(8):
        ahead = yaw + side * 1.4
        chosen = ahead + best_turn(seen(q), lambda turn, a=ahead: [top_down(AT, a + turn)])
        q, yaw = turned(q, yaw, chosen), chosen
        assert np.minimum(q - ARM.lower, ARM.upper - q)[WRIST] > NEAR_LIMIT_RAD


def test_less_motion_is_better_where_both_leave_room():
    view = seen(turned(np.array(ARM.spec.home), 0.0, 0.3))
    assert best_turn(view, lambda turn: [top_down(AT, 0.5 + turn)]) == 0.0
    assert best_turn(view, lambda turn: [top_down(AT, 0.5 + np.pi + turn)]) == np.pi


def test_what_is_reached_near_a_limit_only_is_taken():
    q = np.array(ARM.spec.home)
    q[WRIST] = ARM.lower[WRIST] + 0.5 * NEAR_LIMIT_RAD
    at_limit = ARM.forward(q)

    def path(turn):
        return [at_limit if turn == 0.0 else top_down((5.0, 0.0, 0.0), 0.0)]

    assert best_turn(seen(q), path) == 0.0
