"""A simulated FR3 behind libfranka's protocol, to try driver `franky` without an arm: franky-sim, and what it leaves out of the robot.

    python -m vipa_sim.franky_simulator [ADDRESS]        # 127.0.0.1

franky-sim has no wrench, no reflex and no stop button. Here contacts give a wrench with a sensor's noise; forces beyond the thresholds
that the client sets, or 20 lost commands in a row, are a reflex: the motion is aborted, and none begins before error recovery, as
libfranka documents it. Words on standard input: `push FX FY FZ` (newtons on the hand, in the base), `release`, `press` (the stop button),
`unpress`. The sense of the wrench is libfranka's: what the robot does to its surroundings.
"""

import contextlib
import os
import select
import sys
import time

import mujoco
import numpy as np
from franky_sim import SimulationServer
from franky_sim.franka_robot_protocol import (
    AutomaticErrorRecoveryCommand,
    AutomaticErrorRecoveryStatus,
    BaseCommand,
    MoveStatus,
    RobotCommand,
    RobotMode,
    SetCollisionBehaviorCommand,
)
from franky_sim.franka_robot_server import FrankaRobotServer
from franky_sim.mujoco_simulator import MujocoSimulator

HOME = (0.0, -0.6, 0.0, -2.3, 0.0, 1.7, 0.785)
NOISE = (0.1, 0.1, 0.1, 0.01, 0.01, 0.01)  # N, Nm: standard deviation of an estimated wrench
LOST = 20  # commands in a row, after which the robot stops by a reflex
STEP_S = 0.001
# of franky-sim's controllers; its own 2000 and 200 let the light wrist swing: at 1 kHz 200 N m s/rad are too much for 0.08 kg m²
STIFFNESS, DAMPING = (4500, 4500, 3500, 3500, 600, 600, 600), (450, 450, 350, 350, 60, 60, 60)
CARTESIAN_REFLEX, COMMUNICATION = 7, 25  # places among libfranka's errors


class Thresholds(SetCollisionBehaviorCommand):
    """Forces beyond which a reflex stops the robot."""

    def handle(self, server):
        server.force_thresholds = np.array(self.upper_force_thresholds_nominal)
        super().handle(server)


class Recovery(AutomaticErrorRecoveryCommand):
    """Error recovery, which fails while the stop button is pressed."""

    def handle(self, server):
        if server.pressed:
            self.reply(AutomaticErrorRecoveryStatus.kCommandRejectedDueToActivatedSafetyFunctions)
            return
        server.error = None
        super().handle(server)


class Arm(FrankaRobotServer):
    """franky-sim's server with errors and a wrench. error: place of what stops it, None."""

    def __init__(self, robot, hostnames):
        super().__init__(robot, hostnames)
        commands = self._FrankaServer__command_class_map
        commands[RobotCommand.kSetCollisionBehavior], commands[RobotCommand.kAutomaticErrorRecovery] = (
            Thresholds,
            Recovery,
        )
        self.force_thresholds, self.wrench = np.full(6, np.inf), np.zeros(6)
        self.error, self.pressed, self.lost, self.heard = None, False, 0, False

    def start_motion(self, *words):
        if self.error is not None or self.pressed:
            raise ValueError("the robot is stopped")
        self.lost = 0
        super().start_motion(*words)

    def stop_motion(self, send_preemption_signal=True):
        if self._tcp_socket is not None or not send_preemption_signal:
            super().stop_motion(send_preemption_signal)

    def _handle_udp_command(self, data):
        self.heard = True
        super()._handle_udp_command(data)

    def watch(self):
        """One cycle: whether something stops the robot."""
        moving = self.current_motion_id > 0
        self.lost = self.lost + 1 if moving and not self.heard else 0
        self.heard = False
        if self.lost > LOST:
            self.fall(COMMUNICATION, MoveStatus.kReflexAborted)
        elif self.error is None and np.any(np.abs(self.wrench) > self.force_thresholds):
            self.fall(CARTESIAN_REFLEX, MoveStatus.kReflexAborted)

    def fall(self, error, status):
        """Stops the robot for `error`, None: by its button."""
        self.error, motion = error, self.current_motion_id
        self.reset_current_motion_id()
        super().stop_motion(send_preemption_signal=False)
        if motion and self._tcp_socket is not None:
            BaseCommand.send_response(self._tcp_socket, RobotCommand.kMove, motion, status)

    @property
    def robot_state(self):
        state = super().robot_state
        mode = (
            RobotMode.kUserStopped
            if self.pressed
            else RobotMode.kReflex
            if self.error is not None
            else state.robot_mode
        )
        flags = tuple(place == self.error for place in range(41))
        estimate = self.wrench + NOISE * np.random.standard_normal(6)
        return state.replace(robot_mode=mode, errors=flags, reflex_reason=flags, K_F_ext_hat_K=tuple(estimate))


class Server(SimulationServer):
    """franky-sim's, with `Arm` in the place of its own, at exactly 1 kHz."""

    def init(self):
        robot = self.sim.robots[0]
        self.arm = Arm(robot, self._hostname_candidates)
        self.arm.init()
        self.robot_servers.append(self.arm)
        self.sim.start()
        self.model, self.data = self.sim.model, self.sim.data
        self.hand = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, "robot0_hand")

    def cycle(self):
        """One millisecond: `run_once` without its sleep, which costs a turn on a busy core."""
        self.arm.process_commands()
        self.sim.step()
        self.arm.send_state()
        self.arm.wrench = self.on_surroundings()
        self.arm.watch()

    def on_surroundings(self):
        """What the hand does to its surroundings (6,) N, Nm, in the tool frame: contacts and pushes."""
        rotation = self.data.xmat[self.hand].reshape(3, 3)
        tool = self.data.xpos[self.hand] + rotation @ [0, 0, 0.1034]
        force, torque = -self.data.xfrc_applied[self.hand, :3], np.zeros(3)
        for i in range(self.data.ncon):
            contact, local = self.data.contact[i], np.zeros(6)
            first, second = self.model.geom_bodyid[contact.geom1], self.model.geom_bodyid[contact.geom2]
            sides = [self.model.body_rootid[b] and b >= self.hand for b in (first, second)]
            if sides[0] == sides[1]:
                continue
            mujoco.mj_contactForce(self.model, self.data, i, local)
            on_second = contact.frame.reshape(3, 3).T @ local[:3]
            by_hand = on_second if sides[0] else -on_second
            force = force + by_hand
            torque = torque + np.cross(contact.pos - tool, by_hand)
        return np.concatenate([rotation.T @ force, rotation.T @ torque])

    def told(self, line):
        """A word of standard input."""
        word, *numbers = line.split() or [""]
        if word == "push":
            self.data.xfrc_applied[self.hand, :3] = [float(n) for n in numbers]
        elif word == "release":
            self.data.xfrc_applied[self.hand] = 0
        elif word == "press":
            self.arm.pressed = True
            self.arm.fall(None, MoveStatus.kPreemptedDueToActivatedSafetyFunctions)
        elif word == "unpress":
            self.arm.pressed = False


def main(address="127.0.0.1"):
    """Serves until Ctrl-C, or until standard input ends where it is a pipe."""
    with contextlib.suppress(PermissionError):  # a robot's control waits for nobody; a third of a core
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with MujocoSimulator() as sim:
        sim.add_robot(initial_q=HOME, initial_hand_width=0.079, kp=STIFFNESS, kv=DAMPING)
        with Server(sim, [address]) as server:
            print(f"simulated FR3 at {address}", flush=True)
            due, cycles, late = time.monotonic(), 0, 0.0
            while True:
                server.cycle()
                cycles += 1
                if cycles % 20 == 0 and select.select([sys.stdin], [], [], 0)[0]:
                    if not (line := sys.stdin.readline()):
                        break
                    server.told(line)
                due += STEP_S
                left = due - time.monotonic()
                if left > 0:
                    time.sleep(left)
                elif left < -0.05:  # the machine is too slow: simulated time falls behind
                    late, due = late - left, time.monotonic()
                    print(f"behind by {late:.2f} s", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
