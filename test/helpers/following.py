"""Motion with an ideal robot that follows it, and what is streamed to it in the tests."""

import numpy as np

from vipa.motion.chunk import Mode
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import IdealRobot, drive, pose_chunk

ROBOT = load_robot("fr3_single")
WALL = Fixture("wall", [0.75, 0.0, 0.4], [0.2, 1.2, 0.8])


def start(fixtures=(), robot=ROBOT):
    motion, cell = Motion(robot, fixtures), IdealRobot(robot)
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    return motion, cell


def follow(motion, pose_at, rate=30.0, horizon=1, step=None, seq=0):
    """A source for `drive`: `horizon` steps of pose_at(seconds since its first call), `rate` times a second."""
    state = {"next": None, "seq": seq, "begin": None}
    step = step or 1 / rate

    def source(time, now_ns):
        if state["next"] is None:
            state["next"] = state["begin"] = time
        chunks = []
        while state["next"] <= time + 1e-9:
            t = state["next"] - state["begin"]
            state["seq"] += 1
            poses = np.array([pose_at(t + k * step) for k in range(horizon)])
            chunks.append(pose_chunk(motion, "arm", poses, now_ns, step, state["seq"]))
            state["next"] += 1 / rate
        return chunks

    return source


def line(home, direction, speed, length=np.inf):
    return lambda t: home + np.concatenate([np.asarray(direction, float) * min(speed * max(t, 0), length), np.zeros(4)])


def assert_limits(motion, log):
    g = motion.gate
    assert np.all(np.abs(log.array("v")) <= g.velocity + 1e-5)
    assert np.all(np.abs(log.array("a")) <= g.acceleration + 1e-5)
    assert np.all(np.abs(log.jerk) <= g.jerk + 1e-2)


def tool(motion):
    return motion.commanded()["arm"].tool_pose


def moving():
    motion, cell = start()
    home = tool(motion)
    drive(motion, cell, 1.0, follow(motion, line(home, [0, 1, 0], 0.2), rate=10, horizon=10, step=0.1))
    assert motion.status(cell.now_ns, cell.time).mode == Mode.EXECUTING
    return motion, cell


def reset_cell(motion, cell, seconds):
    """The cell is reset under a stop of `seconds`: joints jump home, motion is re-armed where they are."""
    motion.estop("reset")
    drive(motion, cell, seconds)
    cell.positions |= dict(zip(ROBOT.groups[0].joints, ROBOT.groups[0].home))
    cell.followed.clear()
    motion.tick(cell.state(), cell.time)
    assert motion.rearm() == ""
