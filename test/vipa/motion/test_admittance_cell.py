"""Force control in the simulated cell: MuJoCo's contacts, its wrist sensor, and an arm that follows its commands with a lag."""

import dataclasses

import numpy as np
import pytest

from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa.tasks.task import load_task
from vipa_cli.bench.ideal_robot import pose_chunk
from vipa_sim.cell import SimCell

BOARD = Fixture("board", [0.45, 0.0, 0.20], [0.2, 0.3, 0.04])  # its surface: z = 0.22


@pytest.mark.parametrize("damping", [3000.0, 6000.0])
def test_a_tool_pressed_on_a_board_holds_8_newtons_while_its_path_is_tracked(damping):
    robot, task = load_robot("fr3_single"), load_task("put_three_obj")
    cell = SimCell(robot, dataclasses.replace(task, fixtures=[*task.fixtures, BOARD]), cameras=())
    motion = Motion(robot, [*task.fixtures, BOARD])
    forces, ys, wanted, seq = [], [], [], 0

    def run(seconds, path, dt=0.1):
        nonlocal seq
        begin = cell.stamp_ns
        for k in range(round(seconds / motion.dt)):
            now, monotonic = cell.stamp_ns, cell.stamp_ns / 1e9
            wrench = cell.wrench("arm")
            if k % 2 == 0:
                motion.wrench("arm", wrench, now, monotonic)
            if motion.started and k % 10 == 0:
                seq += 1
                t = (now - begin) / 1e9
                poses = np.array([path(t + dt * i) for i in range(10)])
                assert motion.chunk(pose_chunk(motion, "arm", poses, now, dt, seq), now, monotonic) == ""
            for controller, command in motion.tick(cell.joint_state(), monotonic).items():
                assert cell.command(controller, command) == ""
            cell.step()
            forces.append(-wrench[2])
            ys.append(motion.groups()["arm"].tool_pose[1])
            wanted.append(path((cell.stamp_ns - begin) / 1e9)[1])

    motion.set_authority("commander")
    motion.tick(cell.joint_state(), cell.stamp_ns / 1e9)
    home = motion.commanded()["arm"].tool_pose
    above = np.array([0.45, 0.0, 0.23, 1.0, 0.0, 0.0, 0.0])
    run(4.0, lambda t: above + max(1 - t / 3, 0) * (np.append(home[:3], above[3:]) - above))
    assert motion.context([["fingers", "board"]], force={"target": 8.0, "damping": damping}) == ""
    run(14.0, lambda t: above + [0, 0.04 * np.sin(max(t - 4, 0)), 0, 0, 0, 0, 0])
    pressed = np.array(forces)[-600:]
    assert motion.safety(cell.stamp_ns).armed
    assert np.all(np.abs(pressed - 8.0) < 3.0), (pressed.min(), pressed.max())
    assert np.abs(np.array(ys) - wanted)[-600:].max() < 5e-3
    assert max(forces) < 20.0  # also when it touches down
