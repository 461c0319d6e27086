"""Force control against a springy board under an ideal arm, whose wrist sensor filters at 15 Hz and speaks at 50 Hz."""

import numpy as np
import pytest

from vipa.motion.admittance import MAX_SHIFT_M
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import IdealRobot, drive, pose_chunk

ROBOT = load_robot("fr3_single")
BOARD = 0.30  # metres: height of its surface


class Board:
    """A horizontal board: pushes back with `stiffness` N/m, some friction, noise."""

    def __init__(self, motion, cell, stiffness):
        self.motion, self.cell, self.stiffness = motion, cell, stiffness
        self.random, self.sensed, self.due, self.forces = np.random.default_rng(0), 0.0, 0.0, []

    def tick(self):
        q = np.array([self.cell.positions[name] for name in ROBOT.groups[0].joints])
        height = self.motion.kinematics.groups["arm"].forward(q)[2]
        force = self.stiffness * max(BOARD - height, 0.0)
        self.sensed += (1 - np.exp(-2 * np.pi * 15 * self.motion.dt)) * (force - self.sensed)
        self.forces.append(force)
        if self.cell.time >= self.due:
            self.due += 0.02
            wrench = np.array([0.3 * self.sensed, 0, -self.sensed, 0, 0, 0]) + 0.2 * self.random.normal(size=6)
            self.motion.wrench("arm", wrench, self.cell.now_ns, self.cell.time)


def wipe(stiffness, force, seconds=8.0, above=0.01):
    """The tool goes to and fro along y, `above` the board by its path, and is told to press."""
    motion, cell = Motion(ROBOT), IdealRobot(ROBOT)
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    arm = motion.kinematics.group("arm")
    pose = np.array([0.45, 0.0, BOARD + above, 1.0, 0.0, 0.0, 0.0])
    cell.positions |= dict(zip(ROBOT.groups[0].joints, arm.solve(pose, np.array(ROBOT.groups[0].home))))
    cell.followed.clear()
    motion.tick(cell.state(), cell.time)
    assert motion.rearm() == ""
    assert motion.context([], force=force) == ""
    board, begin, seq = Board(motion, cell, stiffness), cell.time, 0
    path = lambda t: pose + np.array([0, 0.05 * np.sin(1.5 * t), 0, 0, 0, 0, 0])  # noqa: E731

    def source(now, now_ns):
        nonlocal seq
        board.tick()
        if round((now - begin) / motion.dt) % 10:
            return []
        seq += 1
        return [pose_chunk(motion, "arm", np.array([path(now - begin + 0.1 * k) for k in range(10)]), now_ns, 0.1, seq)]

    log = drive(motion, cell, seconds, source)
    assert not any(log.answers) and motion.safety(cell.now_ns).armed
    return motion, cell, board, log, path, begin


@pytest.mark.parametrize("stiffness", [200.0, 800.0, 2000.0])
def test_a_wiped_board_feels_8_newtons_while_the_path_is_tracked(stiffness):
    motion, _, board, log, path, begin = wipe(stiffness, {"target": 8.0})
    forces = np.array(board.forces)[400:]  # the softest board takes 2.5 s to be pressed in
    assert np.all(np.abs(forces - 8.0) < 3.0) and abs(forces[300:].mean() - 8.0) < 0.6
    assert max(board.forces) < 16.0  # also when it touches down
    sideways = [p[1] - path(t - begin)[1] for t, p in zip(log.time, log.tool["arm"]) if t - begin > 1]
    assert np.abs(sideways).max() < 2e-3
    assert np.all(np.abs(log.jerk) <= motion.gate.jerk + 1e-2)


def test_a_hard_board_wants_more_damping():
    board = wipe(10000.0, {"target": 8.0, "damping": 3000.0}, seconds=10.0)[2]
    assert np.all(np.abs(np.array(board.forces)[700:] - 8.0) < 3.0)


def test_a_surface_that_is_not_there_is_not_looked_for_further():
    _, _, board, log, _path, _begin = wipe(800.0, {"target": 8.0}, seconds=8.0, above=0.12)
    heights = np.array(log.tool["arm"])[:, 2]
    assert heights.min() > BOARD + 0.12 - MAX_SHIFT_M - 1e-3 and max(board.forces) == 0


def test_switching_off_lets_go_smoothly():
    motion, cell, board, _, path, begin = wipe(800.0, {"target": 8.0}, seconds=4.0)
    assert motion.context([]) == ""
    seq, log = 1000, None

    def source(now, now_ns):
        nonlocal seq
        board.tick()
        seq += 1
        return [pose_chunk(motion, "arm", path(now - begin)[None], now_ns, 0.1, seq)] if seq % 5 == 0 else []

    log = drive(motion, cell, 2.5, source, log)
    assert board.forces[-1] == 0.0
    assert np.abs(np.diff(np.array(log.tool["arm"])[:, 2])).max() < 0.001
    assert motion.admittances["arm"].offset == 0.0


def test_without_a_wrench_nothing_is_pressed():
    motion, cell, _board, _, path, begin = wipe(800.0, {"target": 8.0}, seconds=3.0)
    pressed = motion.admittances["arm"].offset
    assert pressed > 0.005
    chunk = pose_chunk(motion, "arm", np.array([path(cell.time - begin)] * 20), cell.now_ns, 0.1, 10**6)
    assert motion.chunk(chunk, cell.now_ns, cell.time) == ""
    drive(motion, cell, 2.0)  # the sensor is silent
    assert abs(motion.admittances["arm"].offset) < 0.2 * pressed


def test_a_stop_forgets_the_shift_and_nothing_moves_until_a_chunk_comes():
    motion, cell, _, _, _, _ = wipe(800.0, {"target": 8.0}, seconds=3.0)
    motion.estop("")
    drive(motion, cell, 0.5)
    assert motion.rearm() == ""
    log = drive(motion, cell, 0.5)
    np.testing.assert_allclose(log.array("q"), np.tile(log.q[0], (len(log.q), 1)), atol=1e-12)


@pytest.mark.parametrize(
    "force, message",
    [
        ({"target": 30.0}, "force: target 30.0; allowed: 0 .. 24"),
        ({"target": -1}, "force: target -1"),
        ({}, "force: target None"),
        ({"target": 8, "group": "leg"}, "force: group 'leg'; allowed: arm"),
        ({"target": 8, "speed": 1}, "force: unknown speed; allowed: group, target, damping, stiffness"),
        ({"target": 8, "damping": 1.0}, "force: damping 1.0; allowed: 100 .. 20000"),
        ({"target": float("nan")}, "force: target nan"),
        ({"target": "8"}, "force: target '8'"),
    ],
)
def test_what_is_refused(force, message):
    motion = Motion(ROBOT)
    assert motion.context([], force=force).startswith(message)
    assert not motion.admittances["arm"].active


def test_a_held_tool_is_kept_clear_and_may_be_allowed_to_touch():
    motion = Motion(ROBOT, [Fixture("board", [0.5, 0, -0.02], [1, 1, 0.04])])
    assert motion.context([], "arm", "sponge 0.1 0.06 0.04 0 0 0.03") == ""
    assert any(set(n) == {"sponge", "board"} for n in motion.collisions.names)
    assert motion.context([["sponge", "board"]], "arm", "sponge 0.1 0.06 0.04 0 0 0.03") == ""
    assert "fr3_link3|board" in motion.context([["fr3_link3", "board"]], "arm", "sponge 0.1 0.06 0.04 0 0 0.03")
    assert motion.context([], "leg", "sponge 0.1 0.06 0.04") == "held_group 'leg'; allowed: arm"
    assert "allowed: name sx sy sz" in motion.context([], "arm", "sponge")
    assert "edges above 0" in motion.context([], "arm", "sponge 0.1 nan 0.04")
    assert motion.context([]) == ""
    assert not any("sponge" in n for n in motion.collisions.names)
