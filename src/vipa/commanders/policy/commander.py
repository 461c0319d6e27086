"""The commander `policy`: a VIPA-VLA checkpoint that looks at every observation and answers with a chunk."""

import numpy as np

from vipa import resources
from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.inference import BEST_FIT, InferenceOptions
from vipa.commanders.policy.prefix import Departure, committed_prefix
from vipa.errors import NoChunk, VipaError
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.lateness import hand_ahead, sent_ahead_ns
from vipa.robot.state import Observation
from vipa_model.runtime.policy import Policy


class PolicyCommander:
    """Asks a policy anew at every step; motion splices what comes. Not for several threads: the policy is not either.

    The policy's relative actions refer to the tool's pose at the observation's stamp. Chunks are sent ahead by the command latency of the
    arms, the least of them.

    Args:
        robot: with the groups and cameras that the checkpoint names.
        policy: a checkpoint that is open.
        period: seconds of ROS time between steps; by default eight steps of a chunk (docs/notes/learning.md).
        continues: a new chunk is conditioned on what motion has committed to: training-time real-time chunking.

    Raises:
        VipaError: the checkpoint does not fit the robot.
    """

    commander_id = "policy"
    wants_cameras = True

    def __init__(self, robot: Robot, policy: Policy, period: float = 0.8, continues: bool = True):
        self.robot, self.policy, self.period, self.continues = robot, policy, period, continues
        kinematics = Kinematics(robot)
        self.groups = {}
        for wanted in policy.config.groups:
            group = next((g for g in robot.groups if g.name == wanted.name), None)
            if group is None:
                raise VipaError(f"the checkpoint moves group '{wanted.name}'; robot '{robot.name}' has: "
                                f"{', '.join(g.name for g in robot.groups)}")  # fmt: skip
            if len(group.hand.joints if group.hand else ()) != wanted.hand:
                raise VipaError(
                    f"the checkpoint has {wanted.hand} hand joints for group '{wanted.name}', the robot another number"
                )
            self.groups[wanted.name] = group
        self.cameras = tuple(policy.config.cameras)
        missing = set(self.cameras) - {c.name for c in robot.cameras}
        if missing:
            raise VipaError(f"the checkpoint looks through camera {', '.join(sorted(missing))}; robot '{robot.name}' has: "
                            f"{', '.join(c.name for c in robot.cameras)}")  # fmt: skip
        self.ahead_ns = sent_ahead_ns(self.groups.values())
        first = next(iter(self.groups))  # extrinsics are wanted in a base frame: the first group's
        self.base = np.linalg.inv(kinematics.group(first).base.homogeneous)

    def check_instruction(self, instruction: str) -> None:
        """Raises VipaError if `instruction` does not fit into the checkpoint's prompt."""
        try:
            self.policy.processor.prompt(instruction, len(self.cameras))
        except ValueError as error:
            raise VipaError(f"policy: {error}") from None

    def reset(self, start: EpisodeStart) -> None:
        self.seq = 0
        self.last: ActionChunk | None = None
        self.policy.reset()

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The chunk that answers seen.observation; None when the robot is stopped."""
        if seen.status.mode is Mode.STOPPED:
            return None
        observation = seen.observation
        self.policy.reset()  # the same noise every time: successive chunks differ by what was seen, not by chance
        start = observation.stamp_ns + round(self.policy.dt * 1e9) - self.ahead_ns
        prefix = None
        if self.continues:
            departure = Departure.of(observation, self.ahead_ns)
            prefix = committed_prefix(seen.status.committed, self.last, start, self.policy.dt, departure)
        try:
            out = self.policy.act(self.as_arrays(observation), prefix)
        except ValueError as error:
            raise NoChunk(f"policy: {error}") from None
        self.seq += 1
        actions = tuple(
            GroupAction(
                name,
                frame_id=group.base_frame,
                tip_frame=group.tool_frame,
                poses=out.poses[name],
                hand_joint_names=tuple(group.hand.joints) if group.hand else (),
                hand=hand_ahead(group, np.clip(out.hand[name], 0.0, 1.0), out.dt) if group.hand else None,
            )
            for name, group in self.groups.items()
        )
        self.last = ActionChunk(
            self.commander_id, seen.status.epoch, self.seq, seen.now_ns, start, out.dt, actions, observation.stamp_ns
        )
        return self.last

    def as_arrays(self, observation: Observation) -> dict:
        """The observation as vipa_model.processing.processing_vipa.VipaProcessor takes it."""
        cameras = {c: observation.cameras[c] for c in self.policy.config.cameras}
        state = {
            name: {
                "tool_pose": observation.groups[name].tool_pose,
                "tool_velocity": observation.groups[name].tool_velocity,
                "hand": observation.groups[name].hand,
                "positions": observation.groups[name].positions,
            }
            for name in self.groups
        }
        return {
            "images": {c: f.color for c, f in cameras.items()},
            "depths": {c: f.depth for c, f in cameras.items()},
            "intrinsics": {c: f.intrinsics for c, f in cameras.items()},
            "extrinsics": {c: self.base @ f.extrinsics for c, f in cameras.items()},
            "state": state,
            "instruction": observation.instruction,
        }


def load_policy(policy: str, options: InferenceOptions = BEST_FIT) -> Policy:
    """The checkpoint `policy`, a folder or the name of one that ships, see vipa_model.Policy.from_pretrained. Raises VipaError."""
    folder = resources.checkpoint(policy)
    try:
        return Policy.from_pretrained(folder, options.runtime, options.precision, device=options.device)
    except ModuleNotFoundError as error:
        raise VipaError(f"policy '{policy}': {error.name} is not installed; run: make train-env") from None
    except (OSError, ValueError, KeyError) as error:
        raise VipaError(f"policy '{policy}': {error}") from None
