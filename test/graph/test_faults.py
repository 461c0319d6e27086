"""Faults of a running graph, one row each: what is done to it, how soon the arm rests, and what the scorecard says. Whatever
it is, the arm stays within its limits and the next episode runs."""

import dataclasses
import json
import re
import signal
import threading
from collections.abc import Callable

import numpy as np
import pytest
from vipa_msgs.srv import EStop, ReArm

from helpers.faulty_graph import CAMERA, Graph
from helpers.streaming_commander import Streamer
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.recording import topics

pytestmark = pytest.mark.graph
REST = 0.02  # rad/s of every joint: at rest, as a simulated arm under gravity is
REACTION = 0.15  # seconds from a fault to the beginning of braking
BRAKING = 0.4  # seconds that braking takes at most (test/helpers/hostile.py holds every plan to it)
TASK_MANAGER_TIMEOUT_S = 2.2  # seconds in which a commander notices that the task manager is silent: TASK_MANAGER_TIMEOUT_S of CommanderNode and a status
STALE = (
    0.35  # seconds in which a commander notices that a picture is too old: MAX_AGE_S of the observer, and its period
)
FROZEN = 0.2  # seconds in which motion notices that a wrench never changes
BLEND = 0.25  # seconds in which motion fades out what one chunk and the next disagree about
ARM = "arm"
CLASSES = {
    "commander": "commander_failure",
    "safety stop": "safety_stop",
}  # failure's type → class of what was under way


@dataclasses.dataclass(frozen=True)
class Fault:
    """do: to the graph. detected: seconds until somebody can know, beside REACTION. rests: "stays" at rest, "passes" through
    rest and goes on, "never": the arm goes on. ends: outcome, type and detail (a pattern) of the scorecard; None: it goes on
    when the graph is healed. frozen: the cell itself stands still, and rest is looked at when it goes on."""

    name: str
    do: Callable[[Graph], None]
    rests: str = "stays"
    detected: float = 0.0
    ends: tuple[str, str, str] | None = None
    frozen: bool = False
    scored: bool = True


def kill(name):
    return lambda graph: graph.kill(name)


def freeze(name):
    return lambda graph: graph.signal(name, signal.SIGSTOP)


def cut(*names):
    return lambda graph: graph.wires.cut.update(names or graph.wires.pictures)


def stick(name):
    return lambda graph: graph.wires.stuck.update({name: None})


def poses(graph, count=4, spread=0.0):
    """A chunk around where the streamer circles, as motion would take it."""
    w, arm = graph.wires, graph.wires.robot.arms[0]
    here = w.kinematics.groups[ARM].forward(w.states[-1][1])
    values = np.tile(here, (count, 1))
    values[:, :3] += spread * np.random.default_rng(w.motion.executing_seq).normal(size=(count, 3))
    now = w.stamp_ns + w.offset_ns
    return ActionChunk(
        Streamer.commander_id,
        w.motion.epoch,
        10**6,
        now,
        now,
        0.05,
        (GroupAction(ARM, arm.base_frame, arm.tool_frame, values),),
    )


def flood(graph):
    """A thousand chunks, a millisecond apart, in the name of the commander, who is refused from then on: his seq is lower."""
    done = threading.Event()
    for seq in range(1000):
        graph.wires.send(dataclasses.replace(poses(graph, spread=0.002), seq=10**6 + seq))
        done.wait(0.001)


def garbage(graph):
    whole = poses(graph)
    action, values = whole.groups[0], whole.groups[0].poses

    def one(change):
        bad = values.copy()
        change(bad)
        return dataclasses.replace(whole, groups=(dataclasses.replace(action, poses=bad),))

    joints = GroupAction(ARM, joint_names=("fr3_joint1", "fr3_joint2"), joints=np.zeros((4, 2)))
    bad = [one(lambda v: v.__setitem__((1, 0), np.nan)), one(lambda v: v.__setitem__((0, 2), np.inf)),
           one(lambda v: v.__setitem__((slice(None), slice(3, 7)), 0.0)), one(lambda v: v.__setitem__((2, 1), 1e300)),
           one(lambda v: v.__setitem__(slice(None), v + 5.0)), dataclasses.replace(whole, dt=float("nan")),
           dataclasses.replace(whole, dt=-1.0), dataclasses.replace(whole, groups=()),
           dataclasses.replace(whole, groups=(dataclasses.replace(action, name="nobody"),)),
           dataclasses.replace(whole, groups=(joints,)), dataclasses.replace(whole, groups=(action, action)),
           dataclasses.replace(whole, start_ns=whole.start_ns + 10**12)]  # fmt: skip
    refused(graph, bad)


def refused(graph, chunks):
    """Sends `chunks` and waits until motion has refused as many."""
    w = graph.wires
    for chunk in chunks:
        before = w.motion.refusals
        w.send(chunk)
        w.wait(lambda n=before: w.motion.refusals > n, f"a refusal of {chunk}")


def estop(graph):
    w = graph.wires
    w.ask(lambda: w.estop.call_async(EStop.Request(reason="test")), "the e-stop")


def jump(seconds):
    return lambda graph: graph.wires.jump(seconds)


COMMANDS = ("/raw/arm_controller/joint_trajectory", "/raw/hand_controller/joint_trajectory")
FAULTS = [
    Fault("garbage", garbage, "never"),
    Fault("old epoch", lambda g: refused(g, [dataclasses.replace(poses(g), epoch=g.wires.motion.epoch - 1)] * 5), "never"),
    Fault("second commander", lambda g: refused(g, [dataclasses.replace(poses(g), commander_id="thief")] * 5), "never"),
    Fault("clock jumps back", jump(-5.0), "passes"),
    Fault("clock jumps ahead", jump(20.0), "passes"),
    Fault("chunks at 1 kHz", flood, detected=BLEND),
    Fault("chunks cut", cut(topics.ACTION_CHUNK)),
    Fault("commands cut", cut(*COMMANDS), ends=("stopped", "safety stop", "rad from its command|joint state is")),
    Fault("wrench cut", cut("/arm/wrench"), ends=("stopped", "safety stop", "no wrench of arm")),
    Fault("wrench frozen", stick("/arm/wrench"), detected=FROZEN, ends=("stopped", "safety stop", "the wrench of arm is frozen")),
    Fault("clock stopped", cut("/clock"), ends=("stopped", "safety stop", "behind the joint states")),
    Fault("camera cut", cut(), detected=STALE, ends=("error", "commander", f"camera {CAMERA}: newest frame is")),
    Fault("e-stop", estop, ends=("stopped", "safety stop", "e-stop: test")),
    Fault("commander frozen", freeze(Streamer.commander_id), ends=("error", "commander", "nothing heard")),
    Fault("commander killed", kill(Streamer.commander_id), ends=("error", "commander", "nothing heard")),
    Fault("task manager frozen", freeze("task_manager"), detected=TASK_MANAGER_TIMEOUT_S),
    Fault("task manager killed", kill("task_manager"), detected=TASK_MANAGER_TIMEOUT_S, scored=False),
    Fault("motion frozen", freeze("motion"), ends=("error", "motion", "nothing heard")),
    Fault("motion killed", kill("motion"), ends=("error", "motion", "nothing heard")),
    Fault("cell frozen", freeze("sim"), ends=("error", "cell", "nothing heard"), frozen=True),
    Fault("cell killed", kill("sim"), ends=("error", "cell", "nothing heard"), frozen=True),
]  # fmt: skip


LATE = "lag=0.04,dead_time=0.02,velocity_noise=0.002"  # an arm, as real ones are
ALWAYS = ("clock jumps back", "chunks cut", "commands cut", "wrench cut", "e-stop", "motion killed")  # the others: slow
LATE_FAULTS = [pytest.param(f, marks=() if f.name in ALWAYS else pytest.mark.slow, id=f.name) for f in FAULTS]


class Graphs:
    """One graph for all cases; a new one when a process of it was killed, as `vipa` ends a graph then, or for an arm that follows
    otherwise."""

    def __init__(self, folder, patch):
        self.folder, self.patch, self.graph, self.following = folder, patch, None, ""

    def get(self, following=""):
        if self.graph is not None and following != self.following:
            self.close()
        if self.graph is None:
            self.graph, self.following = Graph(self.folder, self.patch, following), following
        return self.graph

    def close(self):
        graph, self.graph = self.graph, None
        graph.close()


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        graphs = Graphs(tmp_path_factory.mktemp("logs"), patch)
        yield graphs
        if graphs.graph is not None:
            graphs.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_fault(graphs, fault, record_property):
    play(graphs, graphs.get(), fault, record_property)


@pytest.mark.parametrize("fault", LATE_FAULTS)
def test_fault_with_an_arm_that_lags(graphs, fault, record_property):
    play(graphs, graphs.get(LATE), fault, record_property)


def play(graphs, graph, fault, record):
    """record: gets seconds of ROS time from the fault to rest, where it rests; `pytest --junitxml FILE -o junit_family=xunit1` writes them."""
    try:
        undergo(graph, fault, *graph.begin())
        limits_held(graph.wires)
        if fault.rests == "stays" and not fault.frozen:
            record("at_rest_after_s", round(graph.rested - graph.struck, 3))
    finally:
        graph.end()
        if graph.killed or graph.broken:
            graphs.close()


def undergo(graph, fault, handle, result):
    w = graph.wires
    began, epoch = w.now, w.motion.epoch
    fault.do(graph)
    graph.struck = w.now if fault.do is flood else began
    if fault.frozen:
        card = json.loads(w.answer(result, "the result").result.scorecard)
        graph.heal()
    rests(w, fault, graph.struck, epoch, graph.killed)
    graph.rested = max((t for t, _, v in w.states if np.abs(v).max() >= REST), default=graph.struck)
    if fault.ends and not fault.frozen:
        card = json.loads(w.answer(result, "the result").result.scorecard)
    if not fault.frozen:
        graph.heal()
    if fault.ends:
        assert (card["outcome"], card["failure"]["type"]) == fault.ends[:2], card["failure"]
        assert re.search(fault.ends[2], card["failure"]["detail"]), card["failure"]
        assert failure_classes(card) == {CLASSES.get(card["failure"]["type"], "cell_fault")}
    elif fault.scored:
        if fault.do is not flood:
            w.wait(lambda: result.done() or w.speed() > 0.1, "the arm to move again")
            assert not result.done(), result.result().result.scorecard
        w.ask(handle.cancel_goal_async, "the cancel")
        card = json.loads(w.answer(result, "the result").result.scorecard)
        assert card["outcome"] == "stopped" and card["failure"]["type"] == "cancelled"
        assert failure_classes(card) == {None}
    if fault.do is estop:
        w.wait(lambda: w.speed(20) < REST, "rest")
        assert not w.ask(lambda: w.rearm.call_async(ReArm.Request(latch=w.safety.latch)), "a nameless re-arm").armed
        request = ReArm.Request(operator_id="test", latch=w.safety.latch)
        assert w.ask(lambda: w.rearm.call_async(request), "the re-arm").armed


def failure_classes(card):
    """Of the sub-tasks that failed."""
    return {s["failure_class"] for s in card["subtasks"] if s["status"] == "failed"}


def rests(w, fault, began, epoch, killed):
    end = began + fault.detected + REACTION + BRAKING
    if fault.rests == "passes":
        w.wait(lambda: w.motion.epoch != epoch, "a new epoch")
        w.wait(lambda: any(t > began and np.abs(v).max() < REST for t, _, v in w.states), "rest")
        first = next(t for t, _, v in w.states if t > began and np.abs(v).max() < REST)
        assert first <= end
        return
    if fault.frozen:
        count = len(w.states) + 200
        if not killed:
            w.wait(lambda: len(w.states) > count, "the cell to go on")
            assert w.speed(30) < REST
        return
    w.wait(lambda: w.now > end + 0.3, "time to pass")
    after = [np.abs(v).max() for t, _, v in w.states if t > end]
    if fault.rests == "never":
        assert max(after) > 0.1
    else:
        assert max(after) < REST, (
            f"{max(after):.3f} rad/s; at rest was allowed to be {end - began:.2f} s after the fault"
        )


def limits_held(w):
    """Of all joint states and commands since the episode began: positions, velocities, accelerations."""
    k, groups = w.kinematics, w.robot.groups
    fastest = np.concatenate([g.max_velocity for g in groups])
    strongest = np.concatenate([g.max_acceleration for g in groups])
    q, v = (np.array([state[i] for state in w.states]) for i in (1, 2))
    assert np.all(q > k.lower - 0.01) and np.all(q < k.upper + 0.01)
    assert np.all(np.abs(v) < 1.05 * fastest)
    for _, positions, velocities in w.commands:
        assert np.all(positions > k.lower - 1e-4) and np.all(positions < k.upper + 1e-4)
        assert np.all(np.abs(velocities) < fastest + 1e-4)
        change = np.abs(np.diff(velocities, axis=0)) / w.robot.control_rate**-1
        assert np.all(change < strongest + 0.1)
    times, _, velocities = zip(*[(t, p[0], u[0]) for t, p, u in w.commands], strict=True)
    steps = np.diff(times)
    change = np.abs(np.diff(np.array(velocities), axis=0))[np.abs(steps - 1 / w.robot.control_rate) < 1e-6]
    assert np.all(change < strongest / w.robot.control_rate + 1e-3)
