"""Runs and scores episodes in this process, without ROS: python examples/run_episode.py [TASK [SEED …]]

As `vipa evaluate` does it, as fast as the machine allows; the same seed gives the same episode.
"""

import sys

from vipa.commanders.expert.commander import Expert
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode


def main(name: str = "water_plant", *seeds: str) -> None:
    """Plays the task `name` once for each seed and prints how it went."""
    task = load_task(name)
    robot = load_robot(task.robot)
    expert = Expert(robot, task)
    with Loop(task, robot) as loop:  # one cell, built once
        for seed in map(int, seeds or ("7",)):
            card = run_episode(task, robot, expert, seed, loop=loop).scorecard
            print(f"seed {seed}: {card.outcome} after {card.duration_s:.1f} s, {card.variant}")
            for subtask in card.subtasks:
                print(f"  {subtask.status:8} {subtask.name}: {subtask.evidence}")


if __name__ == "__main__":
    main(*sys.argv[1:])
