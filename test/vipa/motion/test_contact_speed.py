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


def test_a_commander_need_not_know_that_the_arm_is_slow_now():
    """Steps that are fast enough to be refused at the contact speed are executed, slowly; what no limit of the file allows is refused."""
    motion, cell = start()
    assert motion.context([], force={"target": 0.5, "damping": 20000.0}) == ""
    home = tool(motion)
    for speed, refused in ((8 * SLOW, False), (8 * FAST, True)):
        source = follow(motion, line(home, [0, 1, 0], speed, length=0.2), rate=10, horizon=10, step=0.1)
        log = drive(motion, cell, 0.5, source)
        assert_limits(motion, log)
        assert any(log.answers) == refused
        assert speeds(motion, log).max() <= SLOW + 1e-3


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


def test_a_force_is_wanted_only_near_what_may_be_touched():
    """The tool goes down to a table, is told to press on what is not there (the ideal arm feels nothing), and goes up again."""
    table = Fixture("table", [0.45, 0.0, 0.18], [0.6, 0.8, 0.04])
    motion, cell = start([table])
    quiet = lambda: motion.wrench("arm", np.zeros(6), cell.now_ns, cell.time)  # noqa: E731
    assert motion.context([["fingers", "table"]], force={"target": 8.0}) == ""
    home, admittance, seen = tool(motion), motion.admittances["arm"], []
    down = home[2] - 0.24  # the fingertips end 31 mm over the table, less the shift

    def path(t):
        return home - np.array([0, 0, np.interp(t, [0, 1, 4, 9, 10], [0, 0, down, down, 0]), 0, 0, 0, 0])

    moves = follow(motion, path, rate=10, horizon=10, step=0.1)

    def source(time, now_ns):
        quiet()
        seen.append((motion.clearance.opened(), admittance.wanted, admittance.offset))
        return moves(time, now_ns)

    drive(motion, cell, 0.3, source)
    assert not admittance.active and motion.safety(0).limits["arm.force_wanted"] == 0.0
    drive(motion, cell, 3.7, source)
    assert not any(wanted for distance, wanted, _ in seen if distance > 0.021)
    down += 0.015  # near enough
    drive(motion, cell, 3.0, source)
    assert admittance.wanted and admittance.offset > 0.01 and motion.safety(0).limits["arm.force_wanted"] == 8.0
    drive(motion, cell, 6.0, source)
    assert seen[-1][0] > 0.1 and not admittance.active and admittance.offset == 0.0
    assert not motion.stop_reasons
