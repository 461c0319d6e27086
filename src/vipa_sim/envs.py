"""gymnasium environments over the in-process loop: `vipa/PutThreeObj-v0` and so on, a task each, registered on import.

Actions go through the same motion and gate as everybody's chunks; sub-tasks are scored by the same checks.
"""

from typing import Literal

import gymnasium
import numpy as np
from gymnasium import spaces

from vipa import resources
from vipa.errors import unknown
from vipa.geometry import rotation
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.task import load_task
from vipa_sim import gl
from vipa_sim.cell import choose_cameras
from vipa_sim.loop import Loop

COMMANDER = "gymnasium"
PERIOD = 0.1  # seconds of ROS time an action
STEP, TURN = 0.05, 0.25  # metres, radians: largest relative action
REACH = 2.0  # metres: bound of tool positions in observations
SPEED = 10.0  # m/s: bound of tool speeds in observations
FAR, PIXELS = 100.0, 1e5  # metres, pixels: bounds of cameras' poses and intrinsics
FORCE = 500.0  # newtons, newton metres: bound of wrenches in observations
# id → task, for every task that ships: put_three_obj is vipa/PutThreeObj-v0
ENVIRONMENTS = {f"vipa/{name.title().replace('_', '')}-v0": name for name in resources.names("tasks")}


class TaskEnv(gymnasium.Env):
    """A task of the robot's first arm at 10 Hz; docs/gymnasium.md.

    actions: "absolute": (8,) tool position (metres) and quaternion xyzw in the arm's base frame (normalised here), and
    opening 0 closed .. 1 open: the arm goes towards it as far as its speed limits allow in one step, so that every pose of
    the space is a valid one; "relative": (7,) translation (metres) and rotation vector (radians) in the base frame's axes,
    from the commanded tool pose, and opening. All float32.

    Observations, by key: `rgb_<camera>` (H, W, 3) uint8; `depth_<camera>` (H, W) uint16 millimetres, 0 none;
    `intrinsics_<camera>` (3, 3) pixels; `extrinsics_<camera>` (4, 4) pose of its optical frame in the arm's base frame;
    `positions` (J,) radians; `tool_pose` (7,), base frame; `tool_velocity` (3,) m/s; `opening` (1,); `wrench` (6,) on the tool,
    tool frame; float32 where nothing else is said. That and the instruction is what a VIPA-VLA checkpoint takes:
    `vipa_sim.gym_policy.EnvPolicy`.
    Reward: sub-tasks newly done. Terminated: all done, nothing left to do, or stopped by the gate; truncated: time
    limit. Info: `subtasks` (name → pending|active|done|failed), `variant`, `instruction`, `outcome` ("" while it runs),
    `refused` (why the last action was not taken, "" if it was). reset options: `variant`, a name in the task file. Raises
    VipaError. fixed_cameras: see vipa_sim.cell.SimCell. The simulation begins at the first reset, in the process that calls it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / PERIOD)}

    def __init__(
        self,
        task: str,
        actions: Literal["absolute", "relative"] = "absolute",
        image_size: tuple[int, int] | None = (128, 128),
        cameras: tuple[str, ...] | None = None,
        render_mode: str | None = None,
        fixed_cameras: bool = False,
    ):
        if actions not in ("absolute", "relative"):
            raise unknown("actions", actions, ("absolute", "relative"))
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise unknown("render_mode", render_mode, self.metadata["render_modes"])
        self.actions, self.render_mode = actions, render_mode
        self.task = load_task(task)
        self.robot = load_robot(self.task.robot)
        self.arm = self.robot.arms[0]
        self.cameras = choose_cameras(self.robot, self.task.cameras if cameras is None else cameras, image_size)
        self._image_size, self._fixed_cameras, self._loop = image_size, fixed_cameras, None
        self._to_base = np.linalg.inv(Kinematics(self.robot).group(self.arm.name).base.homogeneous)
        if self.cameras:
            gl.backend()  # found out here, once for all processes that are forked from this one
        self.action_space = self._action_space()
        self.observation_space = self._observation_space()

    @property
    def loop(self) -> Loop:
        """The simulation. Not there before the first reset: an async vector env makes one env in the parent process only to ask for
        its spaces, and a renderer does not survive the fork that follows."""
        if self._loop is None:
            self._loop = Loop(
                self.task, self.robot, tuple(self.cameras), self._image_size, 1.0 / PERIOD,
                fixed_cameras=self._fixed_cameras,
            )  # fmt: skip
        return self._loop

    def _action_space(self) -> spaces.Box:
        if self.actions == "relative":
            high = np.array([STEP] * 3 + [TURN] * 3 + [1.0], np.float32)
            low = -high
            low[-1] = 0.0
            return spaces.Box(low, high)
        box = self.arm.workspace
        low, high = (box.min, box.max) if box else ([-REACH] * 3, [REACH] * 3)
        return spaces.Box(np.array([*low, *[-1.0] * 4, 0.0], np.float32), np.array([*high, *[1.0] * 5], np.float32))

    def _observation_space(self) -> spaces.Dict:
        images = {}
        for name, camera in self.cameras.items():
            images[f"rgb_{name}"] = spaces.Box(0, 255, (camera.height, camera.width, 3), np.uint8)
            images[f"depth_{name}"] = spaces.Box(0, 65535, (camera.height, camera.width), np.uint16)
            images[f"intrinsics_{name}"] = spaces.Box(0.0, PIXELS, (3, 3), np.float32)
            images[f"extrinsics_{name}"] = spaces.Box(-FAR, FAR, (4, 4), np.float32)
        joints = np.full(len(self.arm.joints), 2 * np.pi, np.float32)
        limit = np.array([REACH] * 3 + [1.0] * 4, np.float32)
        return spaces.Dict(
            {
                **images,
                "positions": spaces.Box(-joints, joints),
                "tool_pose": spaces.Box(-limit, limit),
                "tool_velocity": spaces.Box(-SPEED, SPEED, (3,), np.float32),
                "opening": spaces.Box(0.0, 1.0, (1,), np.float32),
                "wrench": spaces.Box(-FORCE, FORCE, (6,), np.float32),
            }
        )

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
        end = self.loop.now_ns + round(PERIOD * 1e9)
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
        commanded = self.tick.commanded[self.arm.name].tool_pose
        if self.actions == "relative":
            turn = rotation.multiply(rotation.exp(action[3:6]), commanded[3:])
            pose = np.concatenate([commanded[:3] + action[:3], rotation.normalised(turn)])
        else:
            pose = self._towards(commanded, action)
        self.seq += 1
        now = self.loop.now_ns
        group = GroupAction(
            self.arm.name,
            frame_id=self.arm.base_frame,
            tip_frame=self.arm.tool_frame,
            poses=pose[None],
            hand_joint_names=tuple(self.arm.hand.joints),
            hand=np.full((1, len(self.arm.hand.joints)), np.clip(action[-1], 0.0, 1.0)),
        )
        due = now + round(PERIOD * 1e9)
        chunk = ActionChunk(COMMANDER, self.tick.status.epoch, self.seq, now, due, PERIOD, (group,), now)
        self.refused = self.loop.motion.chunk(chunk, now, self.loop.monotonic)

    def _towards(self, commanded: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The pose (7,) on the way from `commanded` to that of `action` that the arm's speed limits allow in one step."""
        size = np.linalg.norm(action[3:7])
        goal = action[3:7] / size if size > 1e-6 else commanded[3:]
        away, turn = action[:3] - commanded[:3], rotation.difference(goal, commanded[3:])
        share = min(1.0, self.arm.tool_speed * PERIOD / max(np.linalg.norm(away), 1e-9))
        part = min(1.0, self.arm.tool_angular_speed * PERIOD / max(np.linalg.norm(turn), 1e-9))
        turned = rotation.multiply(rotation.exp(part * turn), commanded[3:])
        return np.concatenate([commanded[:3] + share * away, rotation.normalised(turned)])

    def _observation(self) -> dict[str, np.ndarray]:
        state = self.tick.groups[self.arm.name]
        wrench = np.zeros(6) if state.wrench is None else state.wrench
        values = {
            "positions": state.positions,
            "tool_pose": state.tool_pose,
            "tool_velocity": state.tool_velocity,
            "opening": state.hand[:1],
            "wrench": wrench,
        }
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
