"""Where contact is expected the tool is slow: while a force is wanted, and near what the task lets it touch."""

import numpy as np

from helpers.following import ROBOT, assert_limits, follow, line, start, tool
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import drive

SLOW, FAST = ROBOT.groups[0].contact_speed, ROBOT.groups[0].tool_speed


def speeds(motion, log):
    places = np.array(log.tool["arm"])[:, :3]
    return np.linalg.norm(np.diff(places, axis=0), axis=1) / motion.dt


def test_while_a_force_is_wanted():
    motion, cell = start()
    home = tool(motion)
    source = follow(motion, line(home, [0, 1, 0], 0.4, length=0.5), rate=10, horizon=10, step=0.1)
    assert speeds(motion, drive(motion, cell, 0.5, source)).max() > 2 * SLOW
    assert motion.context([], force={"target": 0.5, "damping": 20000.0}) == ""
    log = drive(motion, cell, 1.0, source)
    assert_limits(motion, log)
    assert speeds(motion, log)[40:].max() <= SLOW + 1e-3 and not motion.stop_reasons
    assert motion.safety(0).limits["arm.tool_speed"] == SLOW
    assert motion.context([]) == ""
    drive(motion, cell, 1.5, source)
    assert motion.safety(0).limits["arm.tool_speed"] == FAST


def test_near_what_may_be_touched():
    table = Fixture("table", [0.45, 0.0, 0.18], [0.6, 0.8, 0.04])  # its top is at 0.2
    motion, cell = start([table])
    assert motion.context([["fingers", "table"]]) == ""
    height = tool(motion)[2]
    source = follow(motion, line(tool(motion), [0, 0, -1], 0.3, length=height - 0.21), rate=10, horizon=10, step=0.1)
    log = drive(motion, cell, 5.0, source)
    assert_limits(motion, log)
    z, speed = np.array(log.tool["arm"])[1:, 2], speeds(motion, log)
    assert speed[z > 0.35].max() > 2 * SLOW and speed[z < 0.22].max() <= SLOW + 1e-3 and z[-1] < 0.215
