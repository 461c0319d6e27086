"""LIBERO's side, a program of its own: it runs by the interpreter of `make libero-env`, which has LIBERO and none of our packages.

Standard input and output carry messages: the length of a JSON document (4 bytes, little-endian), the document, and then the bytes of
the arrays that it lists under "arrays" as [name, dtype, shape]. Requests: {"op": "suite", "suite"}, {"op": "begin", "suite", "task",
"init", "seed", "size"}, {"op": "step", "actions": [[7 numbers], …], "look": whether pictures are wanted}. An answer has "error" or what was
asked for.
"""

import json
import os
import struct
import sys
from pathlib import Path

import numpy as np

WAIT_STEPS = 10  # in which things fall into place, as openpi's and OpenVLA's LIBERO clients wait
STILL = [0.0] * 6 + [-1.0]  # no motion, an open gripper
CAMERAS = {"scene": "agentview", "wrist": "robot0_eye_in_hand"}
TOLD_IN_FILE = (
    "_lan",
    "_task",
)  # LIBERO-PRO's suites whose files say another instruction than the names of their tasks, which are LIBERO's


class Worker:
    """One task's environment at a time."""

    def __init__(self):
        self.env, self.made, self.suites = None, None, {}
        self.looking = True  # whether the cameras draw

    def suite(self, said):
        """Names, instructions and numbers of initial states of a suite's tasks."""
        from libero.libero.envs.bddl_utils import get_problem_info

        suite = self._suite(said["suite"])
        tasks = []
        for i in range(suite.n_tasks):
            task, instruction = suite.get_task(i), suite.get_task(i).language
            if said["suite"].endswith(TOLD_IN_FILE):
                instruction = get_problem_info(str(self._file(task)))["language_instruction"]
            tasks.append({"name": task.name, "instruction": instruction, "states": len(suite.get_task_init_states(i))})
        return {"tasks": tasks}, {}

    def _file(self, task):
        """What says the task: its scene, its goal, its instruction."""
        from libero.libero import get_libero_path

        return Path(get_libero_path("bddl_files")) / task.problem_folder / task.bddl_file

    def _suite(self, name):
        from libero.libero import benchmark

        if name not in self.suites:
            known = benchmark.get_benchmark_dict()
            if name not in known:
                raise ValueError(f"suite '{name}'; allowed: {', '.join(sorted(known))}")
            self.suites[name] = known[name](task_order_index=0)
        return self.suites[name]

    def begin(self, said):
        """The task's environment in its initial state number `init`, at rest."""
        from libero.libero.envs import OffScreenRenderEnv

        suite, number, size = self._suite(said["suite"]), said["task"], said["size"]
        task = suite.get_task(number)
        states = suite.get_task_init_states(number)
        if not 0 <= said["init"] < len(states):
            raise ValueError(f"initial state {said['init']}; allowed: 0 to {len(states) - 1}")
        made = (said["suite"], number, size)
        if self.made != made:
            self.close()
            self.env = OffScreenRenderEnv(bddl_file_name=str(self._file(task)), camera_heights=size, camera_widths=size)
            self.made, self.size = made, {"height": size, "width": size}
        self.looking = True
        self.env.seed(said["seed"])
        self.env.reset()
        self.env.set_init_state(states[said["init"]])
        self._shade()
        observed, _ = self._run([STILL] * WAIT_STEPS, True)
        return self._told(observed, False)

    def step(self, said):
        """Steps through `actions` until the task is done. Pictures are of the end: where `look` says so, or the task is done."""
        observed, done = self._run(said["actions"], said.get("look", True))
        success = bool(done or self.env.check_success())
        pictures = None
        if success and not self.looking:
            pictures = {name: self.draw(camera_name=name, **self.size) for name in CAMERAS.values()}
        return self._told(observed, success, pictures)

    def _run(self, actions, look):
        """What is observed after `actions`, and whether the task ended on the way. The cameras draw for the last of them alone, if at all:
        nobody sees the others, and drawing is most of the work."""
        observed, done = None, False
        for number, action in enumerate(actions):
            self.looking = look and number == len(actions) - 1
            observed, _, done, _ = self.env.step(action)
            if done:
                break
        return observed, done

    def _shade(self):
        """Has the cameras draw while we look, and not otherwise: robosuite samples them in every control step, and is left to."""
        sim, self.draw = self.env.sim, self.env.sim.render
        nothing = np.zeros((self.size["height"], self.size["width"], 3), np.uint8)
        sim.render = lambda *args, **more: self.draw(*args, **more) if self.looking else nothing

    def _told(self, observed, success, pictures=None):
        """pictures: in place of those that were observed."""
        sim, arrays, cameras = self.env.sim, {}, {}
        for name, theirs in CAMERAS.items():
            if self.looking or pictures:
                # OpenGL's rows run upwards
                picture = pictures[theirs] if pictures else observed[f"{theirs}_image"]
                arrays[f"image/{name}"] = np.ascontiguousarray(picture[::-1])
            camera = sim.model.camera_name2id(theirs)
            cameras[name] = {
                "position": sim.data.cam_xpos[camera].tolist(), "axes": np.asarray(sim.data.cam_xmat[camera]).reshape(3, 3).tolist(),
                "vertical_fov": float(sim.model.cam_fovy[camera]),
            }  # fmt: skip
        objects = {
            k[:-4]: v.tolist()
            for k, v in observed.items()
            if k.endswith("_pos") and len(v) == 3 and "robot0" not in k and "_to_" not in k
        }
        told = {
            "success": success, "cameras": cameras, "objects": objects, "tool_position": observed["robot0_eef_pos"].tolist(),
            "tool_quaternion": observed["robot0_eef_quat"].tolist(), "fingers": observed["robot0_gripper_qpos"].tolist(),
            "joints": observed["robot0_joint_pos"].tolist(), "joint_velocities": observed["robot0_joint_vel"].tolist(),
        }  # fmt: skip
        return told, arrays

    def close(self):
        """Ends the environment, if there is one."""
        if self.env is not None:
            self.env.close()
        self.env = self.made = None


def main():
    """Answers until standard input ends. What LIBERO prints goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = Worker()
    while True:
        head = sys.stdin.buffer.read(4)
        if len(head) < 4:
            break
        said = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
        try:
            told, arrays = getattr(worker, {"suite": "suite", "begin": "begin", "step": "step"}[said["op"]])(said)
        except Exception as error:  # noqa: BLE001 - told, and the caller decides
            told, arrays = {"error": f"{type(error).__name__}: {error}"}, {}
        told["arrays"] = [[name, value.dtype.str, list(value.shape)] for name, value in arrays.items()]
        text = json.dumps(told).encode()
        out.write(struct.pack("<I", len(text)) + text + b"".join(value.tobytes() for value in arrays.values()))
        out.flush()
    worker.close()


if __name__ == "__main__":
    main()
