"""The cell's clock, names, cards and refusals."""

import json
import time

import mujoco
import numpy as np
import pytest

from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.robot.state import JointTrajectory
from vipa.tasks.task import load_task
from vipa_sim import gl
from vipa_sim.cell import START_NS, SimCell


def test_time_never_goes_backwards(cell):
    stamps = [cell.stamp_ns]
    assert stamps[0] >= START_NS
    for seed in range(3):
        for _ in range(3):
            cell.step()
            stamps.append(cell.stamp_ns)
        cell.reset(seed)
        stamps.append(cell.stamp_ns)
    assert np.diff(stamps).min() == round(cell.dt * 1e9)
    assert cell.joint_state().stamp_ns == cell.truth().stamp_ns == cell.snapshot().stamp_ns == cell.stamp_ns


def test_joint_state_and_links(cell):
    cell.reset(0)
    state = cell.joint_state()
    assert state.names == (*(f"fr3_joint{i}" for i in range(1, 8)), "fr3_finger_joint1")
    np.testing.assert_allclose(state.positions, [*cell.robot.arms[0].home, 0.04], atol=1e-6)
    np.testing.assert_allclose(state.velocities, 0, atol=1e-6)
    links = cell.link_poses()
    assert {"fr3_link0", "fr3_link8", "fr3_hand", "fr3_leftfinger", "fr3_rightfinger", "fr3_hand_tcp"} <= set(links)
    np.testing.assert_allclose(links["fr3_link0"], [0, 0, 0, 0, 0, 0, 1])


def test_reset_forgets_commands(cell):
    cell.reset(0)
    arm = cell.robot.arms[0]
    goal = np.array([arm.home]) + 0.2
    command = JointTrajectory(tuple(arm.joints), np.array([1.0]), goal, np.zeros((1, 7)))
    assert cell.command(arm.controller, command) == ""
    cell.step()
    cell.reset(0)
    for _ in range(50):
        cell.step()
    np.testing.assert_allclose(cell.joint_state().positions[:7], arm.home, atol=1e-4)


def test_commands_are_refused_with_a_reason(cell):
    arm = cell.robot.arms[0]
    command = JointTrajectory(("x",), np.array([1.0]), np.zeros((1, 1)), np.zeros((1, 1)))
    assert "unknown controller 'leg'; allowed: arm_controller, hand_controller" in cell.command("leg", command)
    assert "unknown joint(s) x" in cell.command(arm.controller, command)


def test_fingers_move_together_and_press_with_the_hands_force(cell):
    cell.reset(0)
    hand = cell.robot.arms[0].hand
    close = JointTrajectory(tuple(hand.joints), np.array([0.4]), np.zeros((1, 1)), np.zeros((1, 1)))
    assert cell.command(hand.controller, close) == ""
    for _ in range(20):
        cell.step()
        left, right = (cell.data.joint(f"fr3_finger_joint{i}").qpos[0] for i in (1, 2))
        assert abs(left - right) < 5e-4
    for _ in range(60):
        cell.step()
    assert cell.joint_state().positions[-1] == pytest.approx(0.0, abs=1e-3)


def test_card_is_json(cell):
    card = cell.reset(4).as_dict()
    assert json.loads(json.dumps(card)) == card
    assert card["schema"] == "vipa/scene/1" and card["seed"] == 4 and card["task"] == "put_three_obj"
    assert set(card["poses"]) == {"apple", "banana", "plum", "drawer", "drawer_handle"}


def test_unknown_scene_and_fixture_errors():
    from dataclasses import replace

    robot, task = load_robot("fr3_single"), load_task("put_three_obj")
    with pytest.raises(VipaError, match=r"unknown scene \(task put_three_obj\) 'moon'; allowed: .*put_three_obj"):
        SimCell(robot, replace(task, scene="moon"), cameras=())
    with pytest.raises(VipaError, match="unknown tip of task put_three_obj 'moon'; allowed: .*apple"):
        SimCell(robot, replace(task, tip="moon"), cameras=())
    with pytest.raises(VipaError, match="fixtures: missing cabinet_left"):
        SimCell(robot, replace(task, fixtures=task.fixtures[:1]), cameras=())
    with pytest.raises(VipaError, match="randomisation: unknown key"):
        SimCell(robot, replace(task, randomisation={"gravity": 1}), cameras=())


def test_no_opengl_is_one_clear_line(monkeypatch):
    monkeypatch.delenv("VIPA_MUJOCO_GL", raising=False)
    monkeypatch.delenv("VIPA_GL", raising=False)
    monkeypatch.setattr(gl, "_PROBE", "raise SystemExit(1)  # {0}")
    gl.platform.cache_clear()
    with pytest.raises(VipaError, match="apt-get install -y libegl1 libgl1-mesa-dri"):
        gl.platform()
    monkeypatch.setenv("VIPA_MUJOCO_GL", "glut")
    with pytest.raises(VipaError, match="unknown MUJOCO_GL 'glut'; allowed: egl, osmesa"):
        gl.platform()
    gl.platform.cache_clear()


def test_speed_is_printed(cell):
    """Figures for the reader of the log; the bound is far below what a quiet machine gives, for loaded ones."""
    cell.reset(0)
    start = time.process_time()
    for _ in range(200):
        cell.step()
    rate = 200 * cell._substeps / (time.process_time() - start)
    start = time.process_time()
    for seed in range(10):
        cell.reset(seed)
    print(f"physics {rate:.0f} steps/s, reset {(time.process_time() - start) * 100:.1f} ms")
    assert rate > 4000


@pytest.mark.parametrize("task", ["water_plant", "insert_flower"])
def test_what_is_only_seen_changes_nothing_that_is_felt(task):
    """The drawn model has petals and leaves, the cell's has none, and both move alike to the last bit."""
    task = load_task(task)
    cell = SimCell(load_robot(task.robot), task, cameras=())
    drawn = cell.drawn_model()
    assert drawn.ngeom > 2 * cell.model.ngeom and drawn.nq == cell.model.nq
    states = []
    for model in (cell.model, drawn):
        data = mujoco.MjData(model)
        data.qpos[:], data.ctrl[:] = cell.snapshot().qpos, cell.data.ctrl
        data.ctrl[0] += 0.3
        mujoco.mj_step(model, data, 200)
        states.append(data.qpos.copy())
    assert np.ptp(states[0] - cell.snapshot().qpos) > 0.1
    np.testing.assert_array_equal(*states)
