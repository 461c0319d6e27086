"""gymnasium environments."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.errors import VipaError
from vipa.geometry import poses
from vipa.robot.state import Observation
from vipa_sim import envs
from vipa_sim.gym_policy import EnvPolicy


@pytest.mark.parametrize("name", envs.ENVIRONMENTS)
@pytest.mark.parametrize("actions", ["absolute", "relative"])
def test_gymnasiums_own_checker(name, actions):
    env = gymnasium.make(name, actions=actions, image_size=(48, 36), render_mode="rgb_array")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(env.unwrapped)
    # actions are in metres and radians on purpose, not scaled to -1..1
    remarks = [str(w.message) for w in said if "gymnasium" in str(w.filename)]
    assert not [r for r in remarks if "symmetric and normalized" not in r]
    env.close()


@pytest.fixture(scope="module")
def env():
    made = gymnasium.make("vipa/WaterPlant-v0", actions="relative", cameras=(), max_episode_steps=None)
    yield made
    made.close()


def test_relative_actions_move_the_tool(env):
    first, info = env.reset(seed=1, options={"variant": "black"})
    assert info["variant"] == "black" and set(info["subtasks"].values()) == {"active", "pending"}
    for _ in range(8):
        seen, reward, terminated, truncated, info = env.step(np.array([0, 0.02, 0, 0, 0, 0, 0.5], np.float32))
        assert not terminated and not truncated and reward == 0.0 and not info["refused"]
    moved = seen["tool_pose"][:3] - first["tool_pose"][:3]
    assert 0.08 < moved[1] < 0.17 and abs(moved[0]) < 0.02 and abs(moved[2]) < 0.02
    assert seen["opening"][0] == pytest.approx(0.5, abs=0.05)


def test_absolute_actions_reach_their_pose():
    env = gymnasium.make("vipa/WaterPlant-v0", cameras=())
    seen, _ = env.reset(seed=2)
    start = seen["tool_pose"].astype(float)
    goal = start.copy()
    goal[:3] += [0.05, 0.05, -0.05]
    for step in range(25):
        share = min(1.0, (step + 1) / 10)
        action = np.array([*(start[:3] + share * (goal - start)[:3]), *(2 * goal[3:]), 1.0], np.float32)
        seen, *_ = env.step(np.clip(action, env.action_space.low, env.action_space.high))
    assert seen["tool_pose"][:3] == pytest.approx(goal[:3], abs=0.003)
    assert poses.angle_between(seen["tool_pose"].astype(float), goal) < 0.02
    env.close()


def test_what_is_refused(env):
    with pytest.raises(VipaError, match="variant"):
        env.reset(options={"colour": "red"})
    with pytest.raises(VipaError, match="terracotta"):
        env.reset(options={"variant": "pink"})
    with pytest.raises(VipaError, match="absolute, relative"):
        envs.TaskEnv("water_plant", actions="joints")


@pytest.mark.parametrize("actions", ["absolute", "relative"])
def test_sampled_actions_are_valid(actions):
    env = gymnasium.make("vipa/WaterPlant-v0", actions=actions, cameras=())
    env.action_space.seed(5)
    for seed in range(3):
        env.reset(seed=seed)
        ended = False
        while not ended:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            assert not info["refused"] or info["outcome"] == "stopped", info["refused"]
            ended = terminated or truncated or env.unwrapped.seq >= 60
    env.close()


VECTOR = """
import sys
import gymnasium, numpy as np, vipa_sim.envs
made = gymnasium.make_vec("vipa/WaterPlant-v0", num_envs=2, vectorization_mode=sys.argv[1], image_size=(48, 36))
made.action_space.seed(1)
seen, info = made.reset(seed=[1, 1])
assert seen["rgb_wrist"].shape == (2, 36, 48, 3) and seen["rgb_wrist"].std() > 5
np.testing.assert_array_equal(seen["rgb_wrist"][0], seen["rgb_wrist"][1])  # the same seed
for _ in range(3):
    seen, *_, info = made.step(made.action_space.sample())
    assert not any(info["refused"]), info["refused"]
assert np.abs(seen["tool_pose"][0] - seen["tool_pose"][1]).max() > 1e-4  # different actions
made.close()
print("done")
"""


def _script(tmp_path, text, *arguments):
    """What a Python program of its own prints, and what it says of errors: this process may have rendered already."""
    script = tmp_path / "script.py"  # spawning runs the main module again, up to its guard
    body = "\n".join(f"    {line}" for line in text.strip().splitlines())
    script.write_text(f"if __name__ == '__main__':\n{body}\n", encoding="utf-8")
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, encoding="utf-8")
    return done.stdout, done.stderr


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_environments(mode, tmp_path):
    """Async ones are forked, and each renders for itself."""
    out, errors = _script(tmp_path, VECTOR, mode)
    assert out.endswith("done\n"), errors


FORKED_AFTER_RENDERING = """
import gymnasium, vipa_sim.envs
from vipa.errors import VipaError
first = gymnasium.make("vipa/WaterPlant-v0", image_size=(48, 36))
first.reset(seed=1)
forked = gymnasium.make_vec("vipa/WaterPlant-v0", 1, "async", image_size=(48, 36))
try:
    forked.reset(seed=1)
except VipaError as error:
    print("refused:", error)
forked.close(terminate=True)
spawned = gymnasium.make_vec("vipa/WaterPlant-v0", 1, "async", image_size=(48, 36), vector_kwargs={"context": "spawn"})
print("spawned:", spawned.reset(seed=1)[0]["rgb_wrist"].shape)
spawned.close()
"""


def test_an_environment_forked_from_one_that_renders_says_so(tmp_path):
    """It would wait for ever for the drivers' threads, which no fork copies."""
    out, errors = _script(tmp_path, FORKED_AFTER_RENDERING)
    assert "refused:" in out and "'spawn'" in out, errors
    assert "spawned: (1, 36, 48, 3)" in out, errors


def test_the_shipped_policy_acts_in_the_environment():
    env = gymnasium.make("vipa/WaterPlant-v0", image_size=None)
    seen, info = env.reset(seed=1)
    act = EnvPolicy(load_policy("water_plant"), info["instruction"])
    reward, ended = 0.0, False
    while not ended:
        seen, new, terminated, truncated, info = env.step(act(seen))
        assert not info["refused"]
        reward, ended = reward + new, terminated or truncated
    assert info["outcome"] == "success" and reward == 3.0
    env.close()


def test_observations_are_what_the_commander_sees():
    """Cameras' poses in the arm's base frame, intrinsics of the size that was asked for."""
    env = gymnasium.make("vipa/WaterPlant-v0", image_size=(96, 72))
    seen, _ = env.reset(seed=1)
    inner = env.unwrapped
    commander = PolicyCommander(inner.robot, load_policy("water_plant"))
    observation = Observation(inner.loop.now_ns, inner.loop.frames, inner.tick.groups, inner.task.instruction)
    wanted, given = (
        commander.as_arrays(observation),
        EnvPolicy(commander.policy, inner.task.instruction).as_arrays(seen),
    )
    assert given["instruction"] == wanted["instruction"]
    for part in ("images", "depths", "intrinsics", "extrinsics"):
        for camera, value in wanted[part].items():
            np.testing.assert_allclose(given[part][camera], value, rtol=1e-5, atol=1e-5)
    for name, value in wanted["state"]["arm"].items():
        np.testing.assert_allclose(given["state"]["arm"][name], value, atol=1e-5)
    with pytest.raises(VipaError, match="rgb_scene"):
        EnvPolicy(commander.policy, "x")({k: v for k, v in seen.items() if k != "rgb_scene"})
    env.close()
