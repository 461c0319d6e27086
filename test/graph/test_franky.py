"""Node `franky` in the graph, over libfranka's own protocol: the simulated FR3 of vipa_sim.franky_simulator. Wants franky-control
and franky-sim (docs/robots/franky.md), and a machine on which the simulator keeps up with the clock."""

import importlib.util
import os
import signal
import time

import numpy as np
import pytest
from std_srvs.srv import Trigger
from vipa_msgs.srv import EStop, SetAuthority

from helpers.franky_cell import FrankyCell, Simulator
from vipa.recording import topics

LACKING = [name for name in ("franky", "franky_sim") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.graph,
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}; docs/robots/franky.md"),
]
DT = 0.05
AMPLITUDE = np.array([0.3, 0.15, 0.2, 0.2, 0.3, 0.3, 0.4])
SPEED = 0.4  # rad/s of the straight way that is broken off


@pytest.fixture
def cell(tmp_path):
    simulator = Simulator()
    try:
        with pytest.MonkeyPatch.context() as patch, FrankyCell(tmp_path, simulator, patch) as cell:
            cell.arm_motion()
            yield cell
    finally:
        simulator.close()


def wave(cell, seconds=6.0):
    """Joint steps of a sine that begins and ends at rest, at up to 0.85 rad/s."""
    t = DT * np.arange(1, round(seconds / DT) + 1)
    ease = [s * s * (3 - 2 * s) for s in (np.clip(t, 0, 1), np.clip(seconds - t, 0, 1))]
    return np.array(cell.arm.home) + AMPLITUDE * (ease[0] * ease[1] * np.sin(2 * np.pi * 0.3 * t))[:, None]


def under_way(cell):
    """Moves joint 1 at SPEED and waits until it does."""
    joints = np.tile(cell.arm.home, (60, 1))
    joints[:, 0] += np.minimum(SPEED * DT * np.arange(1, 61), 1.0)
    cell.send(joints, DT)
    cell.wait(lambda: cell.states and cell.states[-1][2][0] > 0.95 * SPEED, "the arm to move")


def stopped(cell, since, what="rest"):
    """Waits for rest. Seconds and radians of joint 1 from `since` (time.time()) to it."""
    cell.wait(lambda: cell.states[-1][0] > since + 0.3 and cell.at_rest(), what)
    states = [(t, q[0], np.abs(v).max()) for t, q, v in cell.states if t >= since]
    last = max((t for t, _, v in states if v > 0.02), default=since)
    seconds, radians = last - since, abs(states[-1][1] - states[0][1])
    print(f"{what}: {seconds:.2f} s, {radians:.3f} rad")
    return seconds, radians


def kill(cell, name, number=signal.SIGKILL):
    since = time.time()
    os.kill(cell.world.supervisor.processes[name].pid, number)
    cell.world.supervisor.processes.pop(name)
    return since


def test_the_arm_follows_motions_commands(cell):
    cell.states.clear(), cell.commands.clear()
    cell.send(wave(cell), DT)
    cell.wait(lambda: cell.motion[0].executing_seq == cell.seq, "the chunk to begin")
    cell.wait(lambda: cell.motion[0].mode == 0, "its end")
    times = np.array([t for t, *_ in cell.states])
    error = np.array([q for _, q, _ in cell.states]) - cell.desired(times)
    heard = np.array([t for t, _ in cell.commands])
    print(
        f"longest without a command {1e3 * np.diff(heard).max():.0f} ms, without a state {1e3 * np.diff(times).max():.0f} ms"
    )
    print(f"mrad: rms {1e3 * np.sqrt((error**2).mean()):.1f}, most {1e3 * np.abs(error).max():.1f}")
    assert np.sqrt((error**2).mean()) < 0.03 and cell.safety[0].armed
    assert np.abs(cell.states[-1][1] - cell.arm.home).max() < 0.02


def test_it_brakes_when_motion_is_killed(cell):
    under_way(cell)
    seconds, radians = stopped(cell, kill(cell, "motion"), "motion killed")
    assert seconds < 0.5 and radians < 0.08


def test_the_robot_stops_itself_when_the_node_is_killed(cell):
    under_way(cell)
    kill(cell, "franky")
    cell.wait(lambda: not cell.safety[0].armed and not cell.status[0].ready, "motion to be stopped")
    assert "does node franky run" in cell.status[0].message


def test_an_e_stop_rests(cell):
    under_way(cell)
    since = time.time()
    assert cell.world.call(EStop, topics.ESTOP, EStop.Request(reason="test")).stopped
    seconds, radians = stopped(cell, since, "e-stop")
    assert seconds < 0.8 and radians < 0.2 and cell.safety[0].estop


def test_a_reflex_stops_motion_until_a_person_recovers(cell):
    under_way(cell)
    since = time.time()
    cell.simulator.tell("push 0 80 0")
    stopped(cell, since, "reflex")
    cell.wait(
        lambda: "cartesian_reflex" in cell.status[0].message and not cell.safety[0].armed, "the reflex to be told"
    )
    cell.simulator.tell("release")
    time.sleep(0.5)  # it springs back
    before = cell.states[-1][1]
    time.sleep(1.0)  # nothing recovers by itself
    assert not cell.status[0].ready and np.abs(cell.states[-1][1] - before).max() < 0.005
    answer = cell.world.call(Trigger, topics.RECOVER, Trigger.Request())
    assert answer.success, answer.message
    cell.wait(lambda: cell.status[0].ready, "a ready robot")
    assert not cell.safety[0].armed  # motion is another's word
    cell.arm_motion()
    under_way_again = cell.states[-1][1] + np.linspace(0, 1, 20)[:, None] * (
        np.array(cell.arm.home) - cell.states[-1][1]
    )
    cell.send(under_way_again, 0.1)
    cell.wait(lambda: np.abs(cell.states[-1][1] - cell.arm.home).max() < 0.02, "the arm to be home")


def test_the_stop_button_is_released_by_hand(cell):
    under_way(cell)
    since = time.time()
    cell.simulator.tell("press")
    stopped(cell, since, "stop button")
    cell.wait(lambda: cell.status[0].estop, "the hardware stop")
    assert not cell.world.call(Trigger, topics.RECOVER, Trigger.Request()).success
    cell.simulator.tell("unpress")
    cell.wait(lambda: not cell.status[0].estop, "its release")
    cell.world.call(Trigger, topics.RECOVER, Trigger.Request())
    cell.wait(lambda: cell.status[0].ready, "a ready robot")


def test_the_hand_closes_and_opens(cell):
    still = np.tile(cell.arm.home, (20, 1))
    for opening in (0.0, 1.0):
        cell.send(still, DT, hand=np.full((20, 1), opening))
        cell.wait(lambda o=opening: abs(cell.hand[-1] - 0.04 * o) < 0.002, f"opening {opening}")


def test_homing(cell):
    cell.send(wave(cell)[:25], DT)
    cell.wait(lambda: cell.motion[0].executing_seq == cell.seq, "the chunk to begin")
    cell.wait(lambda: cell.motion[0].mode == 0 and cell.at_rest(), "its end, at rest under control")
    assert np.abs(cell.states[-1][1] - cell.arm.home).max() > 0.1
    cell.world.call(SetAuthority, topics.SET_AUTHORITY, SetAuthority.Request(requester_id="test"))
    answer = cell.world.call(Trigger, topics.HOME, Trigger.Request())
    assert answer.success, answer.message
    assert np.abs(cell.states[-1][1] - cell.arm.home).max() < 0.02


def test_a_wrench_comes_in_the_sense_that_motion_wants(cell):
    cell.simulator.tell("push 0 0 20")  # upwards, where the tool's z points down
    cell.wait(lambda: cell.wrenches and cell.wrenches[-1][1][2] < -15, "the push")
    cell.simulator.tell("release")
