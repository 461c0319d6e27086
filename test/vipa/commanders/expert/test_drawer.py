"""Skill: drawer. Where its goals lead a tool that was pushed aside."""

from types import SimpleNamespace

import numpy as np
import pytest

from vipa.commanders.expert.goal import Ended
from vipa.commanders.expert.skills.drawer import ABOVE_M, CLEARANCE_M, Bar, push_shut
from vipa.commanders.expert.skills.reach import CLEAR_M, top_down

BAR = np.array([0.45, 0.02, 0.155, 0.0, 0.0, 0.0, 1.0])  # it opens towards -y
FREE = BAR[:3] - [0.0, CLEARANCE_M, 0.0]  # in front of it, where closed fingers come down


def goals(tool):
    view = SimpleNamespace(tool=tool, body=lambda name: BAR, scalar=lambda name: 0.2, touched=lambda name: False)
    return view, push_shut(view, "handle", "drawer", 0.008, Bar(turn=0.0))


def coming_down(tool):
    view, skill = goals(top_down([*FREE[:2], CLEAR_M], 0.0))
    skill.send(None)  # over the place
    goal = skill.send(Ended.REACHED)
    view.tool = tool
    return skill, goal, goal.pose(view)[:3]


@pytest.mark.parametrize("beside", [(0.0, 0.03), (0.0, 0.045), (0.02, 0.0)])
def test_fingers_that_are_beside_the_place_stay_over_the_bar(beside):
    _, goal, target = coming_down(top_down([*(FREE[:2] + beside), BAR[2] + 0.03], 0.0))
    assert target[:2] == pytest.approx(FREE[:2]) and target[2] > BAR[2] + ABOVE_M - 1e-9
    assert goal.noise == 0.0


def test_fingers_that_are_in_front_of_the_bar_go_down():
    _, _, target = coming_down(top_down([*FREE[:2], BAR[2] + 0.03], 0.0))
    assert target == pytest.approx(FREE + [0.0, 0.0, Bar().height])


def test_fingers_that_do_not_come_down_in_time_go_up_again():
    skill, _, _ = coming_down(top_down([*FREE[:2], BAR[2] + 0.03], 0.0))
    assert skill.send(Ended.TIMEOUT).pose(None)[2] == CLEAR_M
    with pytest.raises(StopIteration) as ended:
        skill.send(Ended.REACHED)
    assert ended.value.value is False
