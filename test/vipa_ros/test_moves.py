"""Planned moves: said again while they last, of the newest epoch, and nobody else's."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from vipa_msgs.msg import MotionStatus

from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa_ros.common import convert
from vipa_ros.robot import moves as module
from vipa_ros.robot.moves import Moves

ROBOT = load_robot("fr3_single")
HOME = np.array(ROBOT.groups[0].home)


class Played(Moves):
    """Moves whose motion follows a path for `seconds` of wall time; epoch and authority are the test's."""

    def __init__(self, monkeypatch, seconds=2.5):
        self.robot, self.commander, self.what, self.seconds = ROBOT, "calibrate", "calibration", seconds
        self.epoch = self.seq = 0
        self.sent, self.now, self.began = [], 0.0, None
        self.motion = MotionStatus(epoch=1, authority="calibrate", mode=MotionStatus.HOLDING)
        self.motion.header.stamp = convert.time_msg(10**9)
        self.services, self.chunks = SimpleNamespace(pause=self.pause), SimpleNamespace(publish=self.publish)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def publish(self, msg):
        self.sent.append(copy.deepcopy(msg))

    async def pause(self, seconds):
        self.now += seconds
        self.began = self.now if self.began is None else self.began
        newest = self.sent[-1]
        if newest.epoch == self.motion.epoch:
            self.motion.executing_seq = newest.seq
        over = self.now - self.began > self.seconds
        self.motion.mode = MotionStatus.HOLDING if over else MotionStatus.EXECUTING

    def distance(self, group, goal):
        return 0.0

    def go(self):
        self.began = None
        path = self.play(convert.joint_steps_msg("arm", ROBOT.groups[0].joints, np.tile(HOME, (5, 1))), 0.1)
        with pytest.raises(StopIteration):
            path.send(None)


def test_a_path_that_lasts_is_said_again(monkeypatch):
    """Motion holds for a commander that has long been silent, and a busy simulation makes any path long."""
    moves = Played(monkeypatch)
    moves.go()
    assert [msg.seq for msg in moves.sent] == [1, 2, 3] and len({str(msg.start_time) for msg in moves.sent}) == 1
    assert len({str(msg.groups) for msg in moves.sent}) == 1


def test_after_a_hold_the_next_path_is_of_the_new_epoch(monkeypatch):
    moves = Played(monkeypatch, seconds=0.5)
    moves.go()
    moves.motion.epoch = 2
    moves.go()
    assert [msg.epoch for msg in moves.sent] == [1, 2] and moves.sent[1].seq == 2


def test_who_has_lost_the_authority_sends_nothing(monkeypatch):
    moves = Played(monkeypatch)
    moves.motion.authority = "operator"
    with pytest.raises(VipaError, match="'operator' has the authority now"):
        moves.go()
    assert not moves.sent
