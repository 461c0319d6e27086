"""The policy that ships, in a gymnasium environment: python examples/gym_policy.py [SEED]"""

import sys

import gymnasium

import vipa_sim.envs  # noqa: F401  registers vipa/WaterPlant-v0 and the other tasks
from vipa.commanders.policy.commander import load_policy
from vipa_sim.gym_policy import EnvPolicy


def main(seed: int = 1) -> float:
    """Plays one episode and returns its reward: the number of sub-tasks done."""
    env = gymnasium.make("vipa/WaterPlant-v0", image_size=None)  # None: the size that the policy learned with
    observation, info = env.reset(seed=seed)
    act = EnvPolicy(load_policy("water_plant"), info["instruction"])
    total, steps, done = 0.0, 0, False
    while not done:
        observation, reward, terminated, truncated, info = env.step(act(observation))
        total, steps, done = total + reward, steps + 1, terminated or truncated
    print(f"seed {seed}: {info['outcome']}, {total:.0f} of {len(info['subtasks'])} sub-tasks in {steps / 10:.1f} s")
    env.close()
    return total


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
