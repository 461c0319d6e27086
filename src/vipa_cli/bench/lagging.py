"""A robot that follows late, as real ones do: for the benchmarks and tests of motion, without a simulator."""

import numpy as np

from vipa.robot.description import Robot
from vipa.robot.state import JointState, JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController
from vipa_cli.bench.ideal_robot import IdealRobot
from vipa_sim.following import Follower, Following

STEP_S = 0.002  # seconds between two values that a controller gives its servo


class LaggingRobot(IdealRobot):
    """The simulated cell's controllers, and joints that follow them by `following`. A trajectory that JointTrajectoryController
    would refuse raises ValueError. frozen: names of controllers that do nothing more, and whose joints stand still.

    Where `positions` were changed from outside, call `stand`.
    """

    def __init__(self, robot: Robot, following: Following, seed: int = 0):
        super().__init__(robot)
        self.following, self.frozen = following, set()
        self._random = np.random.default_rng(seed)
        parts = [(g.controller, g.joints) for g in robot.groups]
        parts += [(g.hand.controller, g.hand.joints) for g in robot.groups if g.hand is not None]
        self._controllers = {name: TrajectoryController(name, joints) for name, joints in parts}
        self.stand()

    def stand(self) -> None:
        """Everything rests at `positions`."""
        self._followers = {}
        for name, controller in self._controllers.items():
            q = np.array([self.positions[j] for j in controller.joint_names])
            controller.reset(q)
            self._followers[name] = Follower(self.following, STEP_S)
            self._followers[name].reset(np.concatenate([q, np.zeros(len(q))]))
        self.velocities = dict.fromkeys(self.positions, 0.0)
        self._left = 0.0

    def state(self) -> JointState:
        state = super().state()
        if self.following.velocity_noise:
            state.velocities[:] += self.following.velocity_noise * self._random.standard_normal(len(state.velocities))
        return state

    def command(self, commands: dict[str, JointTrajectory]) -> None:
        measured = self.state()
        at = {name: i for i, name in enumerate(measured.names)}
        for name, trajectory in commands.items():
            controller = self._controllers[name]
            index = [at[j] for j in controller.joint_names]
            start = None
            if not self.following.interpolate_from_desired_state:
                start = measured.positions[index], measured.velocities[index]
            if why := controller.accept(trajectory, self.time, start):
                raise ValueError(why)

    def advance(self, dt: float) -> None:
        whole, self._left = divmod(self._left + dt + 1e-9, STEP_S)
        times = self.time + dt - self._left - STEP_S * np.arange(int(whole) - 1, -1, -1)
        self.time += dt
        for name, controller in self._controllers.items():
            if name in self.frozen:
                continue
            rows = np.hstack(controller.sample(times))
            for row in rows:
                value = self._followers[name].follow(row)
            if len(rows):
                n = len(controller.joint_names)
                self.positions |= dict(zip(controller.joint_names, value[:n].tolist()))
                self.velocities |= dict(zip(controller.joint_names, value[n:].tolist()))
