"""What every commander is: something that sees the cell and answers with action chunks."""

from dataclasses import dataclass
from typing import Protocol

from vipa.motion.chunk import ActionChunk, MotionStatus
from vipa.robot.state import GroundTruth, GroupState, Observation


@dataclass(frozen=True)
class EpisodeStart:
    """What a commander is told when an episode begins.

    Args:
        episode_id: of run folder, bag and scorecard.
        task: name or path.
        instruction: in words.
        seed, variant: of the scene.
    """

    episode_id: str
    task: str
    instruction: str
    seed: int
    variant: str


@dataclass(frozen=True)
class CommanderInput:
    """What a commander sees.

    Args:
        now_ns: ROS time.
        groups: measured state by group.
        status: of motion, the newest.
        observation: None for commanders that do not look.
        truth: None in a real cell.
    """

    now_ns: int
    groups: dict[str, GroupState]
    status: MotionStatus
    observation: Observation | None = None
    truth: GroundTruth | None = None


class Commander(Protocol):
    """Says where the robot goes. One thread.

    commander_id: as in chunks and authority. wants_cameras: `step` needs an observation. period: seconds of ROS time between steps.
    """

    commander_id: str
    wants_cameras: bool
    period: float

    def reset(self, start: EpisodeStart) -> None:
        """A new episode begins."""

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk, or None: nothing new (the robot finishes what it has and holds). Raises NoChunk."""
