"""gymnasium environments."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vipa_ros import envs, geometry
from vipa_ros.errors import VipaError


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
    assert geometry.angle_between(seen["tool_pose"].astype(float), goal) < 0.02
    env.close()


def test_what_is_refused(env):
    with pytest.raises(VipaError, match="variant"):
        env.reset(options={"colour": "red"})
    with pytest.raises(VipaError, match="terracotta"):
        env.reset(options={"variant": "pink"})
    with pytest.raises(VipaError, match="absolute, relative"):
        envs.TaskEnv("water_plant", actions="joints")
