"""gymnasium environments over the in-process loop: `vipa/PutThreeObj-v0` and so on, a task each, registered on import.

Actions go through the same motion and gate as everybody's chunks; sub-tasks are scored by the same checks.
"""

from typing import ClassVar, Literal

import gymnasium
import numpy as np
from gymnasium import spaces

from vipa import resources
from vipa.errors import unknown
from vipa.motion.chunk import ActionChunk
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.task import load_task
from vipa_sim import gl
from vipa_sim.cell import choose_cameras
from vipa_sim.env_groups import ACTION_PERIOD_S, part_of
from vipa_sim.loop import Loop

COMMANDER = "gymnasium"
FAR, PIXELS = 100.0, 1e5  # metres, pixels: bounds of cameras' poses and intrinsics
# id → task, for every task that ships: put_three_obj is vipa/PutThreeObj-v0
ENVIRONMENTS = {f"vipa/{name.title().replace('_', '')}-v0": name for name in resources.names("tasks")}


class TaskEnv(gymnasium.Env):
    """A task at 10 Hz as a gymnasium environment; docs/gymnasium.md. One thread. The simulation begins at the first reset, in the
    process that calls it.

    Action "absolute": (8,) tool position (metres) and quaternion xyzw in the arm's base frame (normalised here), and opening 0 closed ..
    1 open: the arm goes towards it as far as its speed limits allow in one step, so every pose of the space is a valid one. "relative":
    (7,) translation (metres) and rotation vector (radians) in the base frame's axes, from the commanded tool pose, and opening. A head:
    (J,) its joints in radians, "relative" from where they are commanded. A robot of several groups has them side by side, in the robot
    file's order. All float32.

    Observation, by key: `rgb_<camera>` (H, W, 3) uint8; `depth_<camera>` (H, W) uint16 millimetres, 0 none; `intrinsics_<camera>` (3, 3)
    pixels; `extrinsics_<camera>` (4, 4) pose of its optical frame in the arm's base frame; `positions` (J,) radians; `tool_pose` (7,),
    base frame; `tool_velocity` (3,) m/s; `opening` (1,); `wrench` (6,) on the tool, tool frame; float32 where nothing else is said. Of a
    robot of several groups: `positions_<group>` and so on, a head's positions alone, and the first arm's base frame for cameras.
    `vipa_sim.gym_policy.EnvPolicy` gives these to a checkpoint.

    Reward: sub-tasks newly done. Terminated: all done, nothing left to do, or stopped by the gate. Truncated: time limit. Info:
    `subtasks` (name → pending|active|done|failed), `variant`, `instruction`, `outcome` ("" while it runs), `refused` (why the last action
    was not taken, "" if it was). Option of `reset`: `variant`, a name in the task file.

    Args:
        task: name or path.
        actions: "absolute" or "relative".
        image_size: (width, height) pixels; None: as the robot file says.
        cameras: names; None: the task's; (): none.
        render_mode: "rgb_array" or None.
        fixed_cameras, camera_noise: see vipa_sim.cell.SimCell.

    Raises:
        VipaError: for names that are not there. So does `reset`.
    """

    metadata: ClassVar[dict] = {"render_modes": ["rgb_array"], "render_fps": round(1 / ACTION_PERIOD_S)}

    def __init__(
        self,
        task: str,
        actions: Literal["absolute", "relative"] = "absolute",
        image_size: tuple[int, int] | None = (128, 128),
        cameras: tuple[str, ...] | None = None,
        render_mode: str | None = None,
        fixed_cameras: bool = False,
        camera_noise: bool = False,
    ):
        if actions not in ("absolute", "relative"):
            raise unknown("actions", actions, ("absolute", "relative"))
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise unknown("render_mode", render_mode, self.metadata["render_modes"])
        self.actions, self.render_mode = actions, render_mode
        self.task = load_task(task)
        self.robot = load_robot(self.task.robot)
        kinematics = Kinematics(self.robot)
        self.parts = [part_of(group, kinematics.group(group.name)) for group in self.robot.groups]
        self.cameras = choose_cameras(self.robot, self.task.cameras if cameras is None else cameras, image_size)
        self._image_size, self._loop = image_size, None
        self._seen = {"fixed_cameras": fixed_cameras, "camera_noise": camera_noise}
        self._to_base = np.linalg.inv(kinematics.group(self.robot.arms[0].name).base.homogeneous)
        if self.cameras:
            gl.platform()  # found out here, once for all processes that are forked from this one
        self.action_space = self._action_space()
        self.observation_space = self._observation_space()

    @property
    def loop(self) -> Loop:
        """The simulation. Not there before the first reset: an async vector env makes one env in the parent process only to ask for
        its spaces, and a renderer does not survive the fork that follows."""
        if self._loop is None:
            self._loop = Loop(
                self.task,
                self.robot,
                tuple(self.cameras),
                self._image_size,
                1.0 / ACTION_PERIOD_S,
                late=False,
                **self._seen,
            )
        return self._loop

    def _action_space(self) -> spaces.Box:
        low, high = zip(*(part.bounds(self.actions) for part in self.parts))
        return spaces.Box(np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32))

    def _named(self, key: str, part) -> str:
        """What `key` of a group is called in observations."""
        return key if len(self.parts) == 1 else f"{key}_{part.group.name}"

    def _observation_space(self) -> spaces.Dict:
        images = {}
        for name, camera in self.cameras.items():
            images[f"rgb_{name}"] = spaces.Box(0, 255, (camera.height, camera.width, 3), np.uint8)
            images[f"depth_{name}"] = spaces.Box(0, 65535, (camera.height, camera.width), np.uint16)
            images[f"intrinsics_{name}"] = spaces.Box(0.0, PIXELS, (3, 3), np.float32)
            images[f"extrinsics_{name}"] = spaces.Box(-FAR, FAR, (4, 4), np.float32)
        own = {self._named(key, part): box for part in self.parts for key, box in part.space().items()}
        return spaces.Dict(images | own)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        options = options or {}
        extra = [key for key in options if key != "variant"]
        if extra:
            raise unknown("reset option", extra[0], ("variant",))
        scene_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        card = self.loop.reset(scene_seed, options.get("variant", ""), COMMANDER)
        self.variant, self.seq, self.refused = card["variant"], 0, ""
        self.tick = self.loop.tick()
        return self._observation(), self._info()

    def step(self, action):
        before = self._done()
        self._send(np.asarray(action, float))
        scorer = self.loop.scorer
        end = self.loop.now_ns + round(ACTION_PERIOD_S * 1e9)
        while self.loop.now_ns < end:
            self.loop.cell.step()
            self.tick = self.loop.tick()
        truncated = scorer.outcome == "timeout"
        terminated = scorer.outcome is not None and not truncated
        return self._observation(), float(self._done() - before), terminated, truncated, self._info()

    def render(self):
        """(H, W, 3) uint8 of the first camera."""
        if self.render_mode != "rgb_array":
            return None
        return self.loop.frames[next(iter(self.cameras))].color if self.cameras and self._loop else None

    def close(self):
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _send(self, action: np.ndarray) -> None:
        groups, start = [], 0
        for part in self.parts:
            own = action[start : start + len(part.bounds(self.actions)[0])]
            start += len(own)
            groups.append(part.action(self.actions, own, self.tick.commanded[part.group.name]))
        self.seq += 1
        now = self.loop.now_ns
        due = now + round(ACTION_PERIOD_S * 1e9)
        chunk = ActionChunk(COMMANDER, self.tick.status.epoch, self.seq, now, due, ACTION_PERIOD_S, tuple(groups), now)
        self.refused = self.loop.motion.chunk(chunk, now, self.loop.monotonic)

    def _observation(self) -> dict[str, np.ndarray]:
        values = {}
        for part in self.parts:
            seen = part.observation(self.tick.groups[part.group.name])
            values |= {self._named(key, part): value for key, value in seen.items()}
        for name, frame in self.loop.frames.items():
            values[f"intrinsics_{name}"] = frame.intrinsics
            values[f"extrinsics_{name}"] = self._to_base @ frame.extrinsics
        seen = {
            key: np.clip(value, self.observation_space[key].low, self.observation_space[key].high).astype(np.float32)
            for key, value in values.items()
        }
        for name, frame in self.loop.frames.items():
            seen[f"rgb_{name}"], seen[f"depth_{name}"] = frame.color, frame.depth
        return seen

    def _done(self) -> int:
        return sum(s.t_done is not None for s in self.loop.scorer.subtasks)

    def _info(self) -> dict:
        return {
            "subtasks": {s.name: s.status.name.lower() for s in self.loop.scorer.subtasks},
            "variant": self.variant,
            "instruction": self.task.instruction,
            "outcome": self.loop.scorer.outcome or "",
            "refused": self.refused,
        }


for _id, _task in ENVIRONMENTS.items():
    if _id not in gymnasium.registry:
        gymnasium.register(_id, entry_point="vipa_sim.envs:TaskEnv", kwargs={"task": _task})
