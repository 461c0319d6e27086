"""LIBERO's adapter: conventions, suites, table; and a scripted pick that succeeds through the wire of openpi, where LIBERO is installed."""

import json
from contextlib import contextmanager, nullcontext
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from helpers.groot_server import AXES, LIBERO, GrootServer
from helpers.running_server import Running
from vipa.errors import VipaError
from vipa.evaluation import trial_file, trial_set
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.serving.encode import axis_angle
from vipa_cli import cli
from vipa_sim.libero import benchmark, suites, table
from vipa_sim.libero.adapter import METRES, RADIANS, RATE_HZ, Executor, move_between, observation
from vipa_sim.libero.benchmark import Benchmark, Player, make_commander
from vipa_sim.libero.process import LiberoProcess, interpreter

NS = round(1e9 / RATE_HZ)


def chunk_of(poses, hand, start=NS):
    arm = GroupAction("arm", "base", "tool", np.asarray(poses), (), None, ("finger",), np.asarray(hand, float)[:, None])
    return ActionChunk("policy", 1, 1, 0, start, 1 / RATE_HZ, (arm,), 0)


def pose(x=0.0, y=0.0, z=0.0, turn=(0.0, 0.0, 0.0)):
    return np.array([x, y, z, *Rotation.from_rotvec(turn).as_quat()])


def test_relative_steps_come_out_as_the_server_said_them_wherever_the_arm_is():
    rng, start = np.random.default_rng(0), pose(0.3, 0.1, 0.9, (3.0, 0.2, 0.1))
    said = rng.uniform(-1, 1, (10, 6))
    poses, at = [], start
    for move in said:  # as vipa.serving.decode adds them up
        turn = Rotation.from_rotvec(move[3:] * RADIANS) * Rotation.from_quat(at[3:])
        at = np.array([*(at[:3] + move[:3] * METRES), *turn.as_quat()])
        poses.append(at)
    executor = Executor(relative=True)
    executor.take(chunk_of(poses, [1, 1, 0, 0, 1, 1, 1, 0, 0, 0]), start)
    elsewhere = pose(9, 9, 9)
    got = np.array([executor.action(step * NS, elsewhere) for step in range(10)])
    assert np.allclose(got[:, :6], said, atol=1e-9) and got[:, 6].tolist() == [-1, -1, 1, 1, -1, -1, -1, 1, 1, 1]
    assert np.allclose(executor.action(10 * NS, elsewhere)[:6], 0)  # past its end it stands


def test_poses_are_led_to_from_where_the_tool_is_measured():
    executor = Executor(relative=False)
    executor.take(chunk_of([pose(0.02), pose(0.04)], [1, 0]), pose())
    assert executor.action(0, pose(0.01)).tolist() == pytest.approx([0.2, 0, 0, 0, 0, 0, -1])
    assert executor.action(NS, pose(0.5)).tolist() == pytest.approx([-1, 0, 0, 0, 0, 0, 1])  # clipped
    assert np.allclose(move_between(pose(), pose(turn=(0, 0, 0.25))), [0, 0, 0, 0, 0, 0.5])
    with pytest.raises(ValueError, match="by joints"):
        executor.take(
            ActionChunk("policy", 1, 1, 0, 0, 0.05, (GroupAction("arm", joints=np.zeros((1, 7))),), 0), pose()
        )


def test_axis_and_angle_are_robosuites_beyond_half_a_turn():
    turn = np.array([3.6, 0.1, -0.2])
    quaternion = Rotation.from_rotvec(turn).as_quat()
    signed = -quaternion if quaternion[3] > 0 else quaternion  # w < 0: more than half a turn
    assert np.allclose(axis_angle(signed), turn) and np.linalg.norm(Rotation.from_rotvec(turn).as_rotvec()) < np.pi
    assert np.allclose(axis_angle(np.array([0, 0, 0, 1.0])), 0)


def test_suites():
    assert len(suites.names()) == 21 and suites.steps_of("libero_goal_swap") == 300
    assert suites.parse("spatial,libero_10,spatial,object_task") == [
        "libero_spatial",
        "libero_10",
        "libero_object_task",
    ]
    with pytest.raises(VipaError, match="unknown suite 'libero_moon'"):
        suites.parse("moon")


def row(suite, init, success):
    return trial_file.TrialRow(trial_id=f"{suite}{init}", pair_id=None, task=suite, commander="p", verdict="success" if success else "out_of_time",
                               success=success, subtask_score=float(success))  # fmt: skip


def test_the_table_has_the_papers_columns_and_their_mean():
    rows = [row(s, i, i < n) for s, n in zip(suites.AVERAGED, (10, 9, 8, 5)) for i in range(10)]
    found = table.summary(rows, suites.AVERAGED)
    assert found["average"]["rate"] == pytest.approx(0.8) and found["suites"]["libero_10"]["ci95"] == pytest.approx(
        [0.1871, 0.8129], abs=1e-3
    )
    low, high = found["average"]["ci95"]
    assert 0.6 < low < 0.8 < high < 0.92
    lines = table.markdown({"p": found, "q": found}).splitlines()
    assert lines[0] == "|  | Spatial | Object | Goal | Long | Average |" and lines[2].startswith(
        "| p | 100.0 (69.2 to 100.0), 10/10 |"
    )
    assert lines[3].startswith("| q | 100.0")
    assert table.summary(rows[:30], suites.AVERAGED)["average"] is None


def test_a_commander_of_our_own_scenes_is_refused():
    with pytest.raises(VipaError, match="knows our own scenes alone"):
        make_commander("expert", "do it")


EPISODES = [benchmark.Episode("libero_goal", 0, "open_it", "open it", init) for init in range(6)]


@pytest.fixture
def played(monkeypatch):
    """A benchmark whose episodes are played without LIBERO: `played.ends` by policy, as Player.play gives them; `played.told`: the lines."""

    class Played:
        ends: ClassVar[dict] = {}
        told: ClassVar[list] = []

        def __init__(self, libero, commander):
            self.policy = commander

        def play(self, episode):
            return Played.ends[self.policy](episode)

    monkeypatch.setattr(benchmark, "LiberoProcess", nullcontext)
    monkeypatch.setattr(benchmark, "episodes", lambda asked, libero: EPISODES)
    monkeypatch.setattr(benchmark, "make_commander", lambda policy, *_: policy)
    monkeypatch.setattr(benchmark, "Player", Played)
    Played.ends, Played.told = {}, []
    return Played


def run(folder, policies):
    return benchmark.run(Benchmark(["libero_goal"], policies, 6), folder, lambda episode, row: None)


def test_an_error_that_every_episode_would_meet_ends_the_benchmark(played, tmp_path):
    played.ends = {
        "well": lambda e: (e.init % 2 == 0, 99, "", [0.1]),
        "ill": lambda e: (False, 0, "47 tokens; allowed: 24", []),
    }
    rows, stopped = run(tmp_path, ("well", "ill"))
    assert (
        stopped
        == "two trials of commander ill in a row met the same fault, as every other would: 47 tokens; allowed: 24"
    )
    assert [(r.commander, r.verdict) for r in rows] == [
        ("well", "success"),
        ("ill", "failure"),
        ("well", "out_of_time"),
        ("ill", "failure"),
    ]
    played.ends["ill"] = lambda e: (False, e.init, "" if e.init % 2 else "no answer within 2 s", [0.1])  # now and then
    rows, stopped = run(tmp_path, ("well", "ill"))
    assert len(rows) == 12 and stopped == ""


def test_one_process_at_a_time_is_at_a_benchmark(played, tmp_path):
    with trial_set.hold(tmp_path), pytest.raises(VipaError, match="another process runs this set"):
        run(tmp_path, ("well",))


@pytest.mark.parametrize("option", ["--graph", "--ray", "--record", "--preferences"])
def test_what_is_of_our_own_cell_alone_is_refused(option, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", "--benchmark", "goal", "--policy", "p", "--out", str(tmp_path / "set"), option])
    assert end.value.code == 2 and f"--benchmark with {option}" in capsys.readouterr().err


# with LIBERO itself


@pytest.fixture(scope="module")
def libero():
    try:
        interpreter()
    except VipaError as why:
        pytest.skip(str(why))
    with LiberoProcess() as process:
        yield process


def begin(libero, suite="libero_object", task=0, init=0, size=256):
    return libero.ask(op="begin", suite=suite, task=task, init=init, seed=7, size=size)


def pixel(frame, point):
    """Where the point (3,) is seen."""
    seen = np.linalg.inv(frame.extrinsics) @ [*point, 1.0]
    u, v, w = frame.intrinsics @ seen[:3]
    return u / w, v / w, w


def test_images_are_upright_and_not_mirrored(libero):
    told, arrays = begin(libero)
    scene = observation(told, arrays, "", 0).cameras["scene"]
    u, v, depth = pixel(scene, told["tool_position"])
    above = pixel(scene, np.array(told["tool_position"]) + [0, 0, 0.1])
    assert depth > 0 and above[1] < v  # up is up
    # the hand that is moved aside is seen to move where the camera's geometry says: the sign of neither axis is wrong
    before = scene.color.astype(int)
    for axis in (1, 2):
        move = np.zeros(7)
        move[axis], move[6] = 1.0, -1.0
        after, pictures = libero.ask(op="step", actions=[move.tolist()] * 6)
        now = observation(after, pictures, "", 0).cameras["scene"].color.astype(int)
        changed = np.abs(now - before).sum(2) > 60
        new = pixel(scene, after["tool_position"])
        rows, columns = np.nonzero(changed)
        assert abs(columns.mean() - (u + new[0]) / 2) < 30 and abs(rows.mean() - (v + new[1]) / 2) < 60, (
            axis,
            columns.mean(),
            u,
            new,
        )
        before, (u, v, _) = now, new


def test_cameras_draw_what_is_looked_at_and_draw_it_the_same(libero):
    actions = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 7)).tolist()
    _, first = begin(libero, size=64)
    for action in actions:
        told, pictures = libero.ask(op="step", actions=[action])
    _, again = begin(libero, size=64)
    none = libero.ask(op="step", actions=actions[:1], look=False)[1]
    libero.ask(op="step", actions=actions[1:3])
    told_again, pictures_again = libero.ask(op="step", actions=actions[3:])
    assert none == {} and told_again == told
    for name, picture in pictures.items():
        assert picture.std() > 10 and first[name].std() > 10
        assert np.array_equal(picture, pictures_again[name]) and np.array_equal(first[name], again[name])


def test_the_instruction_is_the_one_that_the_goal_wants(libero):
    """LIBERO-PRO's language and task suites name their tasks as LIBERO does: what they ask for stands in their files."""

    def told(suite):
        return [task["instruction"] for task in libero.ask(op="suite", suite=suite)[0]["tasks"]]

    for base in suites.AVERAGED:
        plain = told(base)
        assert told(f"{base}_swap") == told(f"{base}_object") == plain
        for way in ("lan", "task"):
            assert all(said and said != before for said, before in zip(told(f"{base}_{way}"), plain)), (base, way)
    assert told("libero_object_task")[0] == "pick the cream cheese and place it in the basket"


class ScriptedPick:
    """Behind openpi's wire: sees the state that LIBERO's policies see, and knows where the object and its basket are."""

    def __init__(self, thing, basket, executed=5):
        self.executed = executed  # steps of an answer
        self.thing, self.basket, self.phase, self.asked = np.array(thing), np.array(basket), 0, []
        self.held = 0

    def infer(self, message):
        self.asked.append(message)
        at, state = message["observation/state"][:3], message["observation/state"]
        # phases: above, down, close, up, over the basket, open
        above, grasp = self.thing + [0, 0, 0.12], self.thing + [0, 0, 0.005]
        up, over = self.thing + [0, 0, 0.3], self.basket + [0, 0, 0.28]
        goals = [(above, -1), (grasp, -1), (grasp, 1), (up, 1), (over, 1), (over, -1)]
        goal, hand = goals[self.phase]
        self.held += 1
        near = np.linalg.norm(goal - at) < 0.012
        patience = {2: 4, 5: 4}.get(self.phase, 0)
        if near and self.held > patience and self.phase < len(goals) - 1:
            self.phase, self.held = self.phase + 1, 0
        turn = np.zeros(3)
        assert len(state) == 8
        steps = np.zeros((16, 7))
        move = np.clip((goal - at) / self.executed / 0.05 * 1.6, -1, 1)
        steps[: self.executed, :3], steps[:, 3:6], steps[:, 6] = move, turn, hand
        return {"actions": steps[: 2 * self.executed]}


@contextmanager
def openpi(pick):
    """(policy, its requests) of `pick` behind openpi's wire."""
    with Running(pick.infer) as server:
        yield f"openpi_libero@127.0.0.1:{server.port}", pick.asked


@contextmanager
def groot(pick):
    """The same behind GR00T's, with the keys and units of its own LIBERO environment."""
    messages = []

    def act(observation):
        state = np.concatenate([observation["state"][key][0, 0] for key in AXES])
        message = {"observation/state": state, "observation/image": observation["video"]["image"][0, 0],
                   "prompt": observation["language"]["annotation.human.action.task_description"][0][0]}  # fmt: skip
        messages.append(message)
        steps = pick.infer(message)["actions"]
        steps[:, 6] = (1 - steps[:, 6]) / 2  # 1 opens, 0 closes
        return {key: steps[None, :, i : i + 1].astype(np.float32) for i, key in enumerate(AXES)}

    with GrootServer(modalities=LIBERO, act=act) as server:
        yield f"groot_libero@127.0.0.1:{server.port}", messages


@pytest.mark.parametrize("wire, size", [(openpi, 224), (groot, 256)])
def test_a_scripted_pick_behind_a_policys_wire_succeeds(libero, wire, size):
    told, pictures = begin(libero)
    thing = next(v for k, v in told["objects"].items() if "alphabet_soup" in k)
    basket = next(v for k, v in told["objects"].items() if "basket" in k)
    pick = ScriptedPick(thing, basket, 5 if wire is openpi else 8)
    with wire(pick) as (policy, asked):
        commander = make_commander(policy, "pick it up")
        try:
            pick.phase = pick.held = 0
            asked.clear()
            player = Player(libero, commander)
            (episode,) = benchmark.episodes(Benchmark(["libero_object"], ("p",), 1, (0,)), libero)
            success, steps, why, _ = player.play(episode)
        finally:
            commander.close()
    assert success and not why, (steps, why, pick.phase)
    first = asked[0]
    assert first["prompt"] == episode.instruction
    # as both clients turn it: robosuite's rows run upwards, so half a turn leaves it upright and mirrored
    turned = np.asarray(
        Image.fromarray(pictures["image/scene"][:, ::-1]).resize((size, size), Image.Resampling.BILINEAR)
    )
    shown = first["observation/image"].astype(int)
    assert np.abs(shown - turned).mean() < 3
    assert np.abs(shown[:, ::-1] - turned).mean() > 10 and np.abs(shown[::-1] - turned).mean() > 10  # it would be seen
    state = first["observation/state"]
    assert np.allclose(state[:3], told["tool_position"], atol=0.01)
    assert state[6] > 0.02 and state[7] < -0.02  # open fingers
    assert np.allclose(state[3:6], axis_angle(np.array(told["tool_quaternion"])), atol=0.05)


@pytest.mark.slow  # two whole episodes that fail: 560 steps with two cameras
def test_the_command_runs_a_suite_with_two_policies_and_goes_on(libero, tmp_path, capsys):
    told, _ = begin(libero)
    pick = ScriptedPick(told["tool_position"], told["tool_position"])  # picks nothing
    with openpi(pick) as (first, _), groot(ScriptedPick(told["tool_position"], told["tool_position"])) as (second, _):
        line = ["evaluate", "--benchmark", "object_swap", "--tasks", "0", "--trials", "1", "--policy", f"{first},{second}",
                "--out", str(tmp_path / "set")]  # fmt: skip
        for _ in range(2):  # the second time nothing is left to do
            with pytest.raises(SystemExit) as end:
                cli.main(line)
            assert end.value.code == 0
    rows = trial_file.read(tmp_path / "set/trials.jsonl")
    assert [r.trial_id for r in rows] == ["libero_object_swap-00-00", "libero_object_swap-00-00-1"]
    found = json.loads((tmp_path / "set/libero.json").read_text(encoding="utf-8"))["policies"]
    assert [found[p]["suites"]["libero_object_swap"]["n"] for p in (first, second)] == [1, 1]
    with pytest.raises(SystemExit):
        cli.main(["compare", str(tmp_path / "set"), "--a", first, "--b", second])
    assert "1 pairs" in capsys.readouterr().out
