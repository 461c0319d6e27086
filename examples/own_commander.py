"""A commander of your own, in the in-process loop: python examples/own_commander.py

It raises the tool by 10 cm, says so once, and lets motion do the rest: limits, collisions, stops. For `--policy mine` give it a row in
vipa/commanders/registry.py, and the graph, `vipa evaluate` and the launch files know it.
"""

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.description import Robot, load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Tick, run_episode

STEPS, DT_S, UP_M = 20, 0.1, 0.10


class Raise:
    """Sends one chunk of poses to the robot's first arm, then nothing: the arm holds where the chunk ends."""

    commander_id, wants_cameras, period = "raise", False, DT_S

    def __init__(self, robot: Robot):
        self.arm = robot.arms[0]

    def reset(self, start: EpisodeStart) -> None:
        """A new episode begins."""
        self.sent = False

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The way up, once."""
        if self.sent:
            return None
        self.sent = True
        poses = np.tile(seen.groups[self.arm.name].tool_pose, (STEPS, 1))  # metres and quaternion xyzw, base frame
        poses[:, 2] += UP_M * np.linspace(0, 1, STEPS)
        action = GroupAction(self.arm.name, self.arm.base_frame, self.arm.tool_frame, poses)
        return ActionChunk(self.commander_id, seen.status.epoch, 1, seen.now_ns, seen.now_ns, DT_S, (action,))


def main() -> float:
    """Plays three seconds and returns the height that the tool has gained, metres."""
    task = load_task("water_plant")
    robot = load_robot(task.robot)
    heights: list[float] = []

    def watch(tick: Tick) -> None:
        heights.append(tick.groups[robot.arms[0].name].tool_pose[2])

    record = run_episode(task, robot, Raise(robot), seed=1, time_limit=3.0, on_tick=watch)
    up = heights[-1] - heights[0]
    print(f"{len(record.chunks)} chunk, {len(record.refused)} refused: the tool went up by {1e3 * up:.1f} mm")
    return up


if __name__ == "__main__":
    main()
