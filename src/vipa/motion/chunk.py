"""The one language of commanders: action chunks (vipa_msgs/ActionChunk), and what motion says of itself."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np


@dataclass(frozen=True)
class GroupAction:
    """T steps for one group: poses or joints, or neither (the group holds), and openings of the hand.

    Args:
        name: of the group.
        frame_id, tip_frame: poses are of `tip_frame` in `frame_id`.
        poses: (T, 7) float64, metres and unit quaternion xyzw.
        joint_names, joints: J names, (T, J) float64, radians.
        hand_joint_names, hand: H names, (T, H) float64, opening 0 closed .. 1 open.
    """

    name: str
    frame_id: str = ""
    tip_frame: str = ""
    poses: np.ndarray | None = None
    joint_names: tuple[str, ...] = ()
    joints: np.ndarray | None = None
    hand_joint_names: tuple[str, ...] = ()
    hand: np.ndarray | None = None


@dataclass(frozen=True)
class ActionChunk:
    """What every commander says. Step k of every group is due at start_ns + k·dt. See vipa_msgs/msg/ActionChunk.msg.

    Args:
        commander_id: who says it.
        epoch: of motion, that it answers.
        seq: counts within the epoch.
        stamp_ns: ROS time at which it was made.
        start_ns: ROS time at which step 0 is due.
        dt: seconds between steps.
        groups: those that are not in it hold.
        observation_ns: ROS time of the observation behind it; 0: none.
    """

    commander_id: str
    epoch: int
    seq: int
    stamp_ns: int
    start_ns: int
    dt: float
    groups: tuple[GroupAction, ...]
    observation_ns: int = 0


class Mode(IntEnum):
    """vipa_msgs/MotionStatus.mode."""

    HOLDING = 0
    EXECUTING = 1
    BRAKING = 2
    STOPPED = 3


REASONS = 8  # that a status has at most


@dataclass(frozen=True)
class MotionStatus:
    """What motion does, for commanders, recorder and task manager (vipa_msgs/MotionStatus).

    Args:
        stamp_ns: ROS time.
        epoch: chunks of other epochs are dropped.
        authority: commander_id that is followed; empty: nobody.
        mode: holding, executing, braking, stopped.
        executing_seq, executing_step: of the chunk that is executed; step -1: none.
        committed: what will be executed whatever arrives.
        clamps, refusals: counted since the start.
        reasons: at most REASONS, in words: why it is stopped, then what was clamped, refused or noted, newest first.
        joint_state_age, chunk_age, observation_age: seconds; negative: there is none.
        joint_state_rate: Hz.
    """

    stamp_ns: int
    epoch: int
    authority: str
    mode: Mode
    executing_seq: int = 0
    executing_step: int = -1
    committed: ActionChunk | None = None
    clamps: int = 0
    refusals: int = 0
    reasons: tuple[str, ...] = ()
    joint_state_age: float = 0.0
    chunk_age: float = -1.0
    observation_age: float = -1.0
    joint_state_rate: float = 0.0


@dataclass(frozen=True)
class SafetyState:
    """What the gate says of itself (vipa_msgs/SafetyStatus). latch: number of the newest stop, 0: there was none."""

    stamp_ns: int
    estop: bool
    armed: bool
    stop_reasons: tuple[str, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    clamps: dict[str, int] = field(default_factory=dict)
    allowed_contacts: tuple[tuple[str, str], ...] = ()
    min_distance: float = float("nan")
    min_distance_pair: str = ""
    latch: int = 0
