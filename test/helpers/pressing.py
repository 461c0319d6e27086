"""An arm of the simulated cell that runs into a wall which motion knows nothing of: a person's hand, a thing left behind."""

import dataclasses

import mujoco
import numpy as np

from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa.tasks.task import load_task
from vipa_cli.bench.ideal_robot import pose_chunk
from vipa_sim.cell import SimCell
from vipa_sim.following import Following

WALL = Fixture("wall", [0.45, 0.45, 0.40], [0.4, 0.1, 0.5])  # the tool goes along y, its face is at y = 0.40


class SprungCell(SimCell):
    """The cell whose wall gives way along y: 1 kg on a spring of `stiffness` N/m with half its critical damping."""

    stiffness = None

    def _exclude(self, spec):
        super()._exclude(spec)
        if self.stiffness is not None:
            wall = spec.body("wall")
            wall.add_joint(
                type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 1, 0], stiffness=self.stiffness, damping=self.stiffness**0.5
            )
            for geom in wall.geoms:
                geom.mass = 1.0 / len(wall.geoms)


class Pressing:
    """The cell with WALL in it, and a motion that is not told of it.

    times: seconds; forces: newtons between WALL and the arm, from the contacts themselves; stopped: seconds of the latched
    stop. splines: of every command, speeds of its first cubic from where the last one led, as a share of the limits.
    stiffness: N/m of the wall, None: as hard as the simulation's fixtures are. wrench_rate: Hz.
    """

    def __init__(self, stiffness=None, wrench_rate=50.0, watch=True, following=None):
        self.robot, task = load_robot("fr3_single"), load_task("water_plant")
        cell = type("Cell", (SprungCell,), {"stiffness": stiffness})
        self.cell = cell(
            self.robot,
            dataclasses.replace(task, fixtures=[*task.fixtures, WALL]),
            cameras=(),
            following=Following(**following or {}),
        )
        self.wall = self.cell.model.body("wall").id
        self.motion = Motion(self.robot, task.fixtures, watch_wrenches=watch)
        self.every = round(self.robot.control_rate / wrench_rate)
        self.times, self.forces, self.stopped, self.ticks, self.seq, self.splines = [], [], None, 0, 0, []
        self.motion.set_authority("commander")

    @property
    def time(self):
        return self.cell.stamp_ns / 1e9

    def force(self):
        """Newtons between the wall and the arm now."""
        model, data, total, one = self.cell.model, self.cell.data, np.zeros(3), np.zeros(6)
        for index in range(data.ncon):
            contact = data.contact[index]
            if self.wall in model.geom_bodyid[contact.geom]:
                mujoco.mj_contactForce(model, data, index, one)
                side = 1.0 if model.geom_bodyid[contact.geom[1]] == self.wall else -1.0
                total += side * (contact.frame.reshape(3, 3).T @ one[:3])
        return float(np.linalg.norm(total))

    def tick(self, chunks=(), wrench=True):
        now = self.cell.stamp_ns
        if wrench and self.ticks % self.every == 0:
            self.motion.wrench("arm", self.cell.wrench("arm"), now, self.time)
        for chunk in chunks:
            self.motion.chunk(chunk, now, self.time)
        for controller, command in self.motion.tick(self.cell.joint_state(), self.time).items():
            assert self.cell.command(controller, command) == ""
            if controller == "arm_controller":
                times = now * 1e-9 + np.linspace(0, self.motion.dt, 9)[:-1]
                speeds = self.cell._controllers[controller].sample(times)[1]
                self.splines.append((np.abs(speeds) / self.robot.groups[0].max_velocity).max())
        if self.motion.stop_reasons and self.stopped is None:
            self.stopped = self.time
        self.ticks += 1
        self.cell.step()
        self.times.append(self.time)
        self.forces.append(self.force())

    def run(self, speed, seconds=1.5, ahead=10):
        """The tool goes along y at `speed` m/s until motion stops, and `seconds` longer."""
        for _ in range(20):
            self.tick()
        home, begin = self.motion.commanded()["arm"].tool_pose, self.time
        dt = 0.1
        limit = self.time + 0.8 / speed + 2.0
        while self.stopped is None and self.time < limit:
            chunks = []
            if self.ticks % 10 == 0:
                self.seq += 1
                steps = [min(speed * (self.time - begin + dt * k), 0.6) for k in range(ahead)]
                poses = np.array([home + np.array([0, s, 0, 0, 0, 0, 0]) for s in steps])
                chunks = [pose_chunk(self.motion, "arm", poses, self.cell.stamp_ns, dt, self.seq)]
            self.tick(chunks)
        for _ in range(round(seconds / self.motion.dt)):
            self.tick()

    def after(self, seconds):
        """Newtons, the largest from `seconds` after the stop on."""
        return max(f for t, f in zip(self.times, self.forces) if t > self.stopped + seconds)


def table():
    """Prints peaks and what is held, newtons, for walls, speeds and wrench rates; with and without relief."""
    for stiffness in (None, 75000.0, 10000.0):
        for rate in (50.0, 100.0):
            for relief in (False, True):
                row = []
                for speed in (0.05, 0.1, 0.25, 0.53):
                    cell = Pressing(stiffness, rate)
                    if not relief:
                        cell.motion._relieve = lambda m=cell.motion: m.gate.step(None, m.references.openings())
                    cell.run(speed)
                    row.append(f"{max(cell.forces):4.0f} {cell.after(0.2):4.0f} {cell.after(1.4):4.0f}")
                print(
                    f"wall {stiffness or 'hard'}, wrench {rate:g} Hz, relief {relief}: " + " | ".join(row), flush=True
                )


if __name__ == "__main__":
    table()
