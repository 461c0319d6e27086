"""Timing samples of a running episode, from what passes on the topics, for the scorecard."""

import math
from dataclasses import dataclass, field

from vipa.tasks.scorecard import Timing


@dataclass
class TimingSamples:
    """policy_ms: wall milliseconds a commander's step took. observation_age_ms: ROS time from the observation to its
    execution. chunk_delay_steps: how many steps of a chunk were past when it came. jitter_ms: of the motion steps."""

    policy_ms: list[float] = field(default_factory=list)
    observation_age_ms: list[float] = field(default_factory=list)
    chunk_delay_steps: list[float] = field(default_factory=list)
    jitter_ms: list[float] = field(default_factory=list)

    def motion(self, observation_age: float, jitter_ms: float) -> None:
        """From a MotionStatus: age in seconds (negative: none), jitter in milliseconds."""
        if 0 <= observation_age < math.inf:
            self.observation_age_ms.append(observation_age * 1e3)
        if math.isfinite(jitter_ms):
            self.jitter_ms.append(jitter_ms)

    def chunk(self, now_ns: int, start_ns: int, dt: float) -> None:
        """From an ActionChunk that arrived at `now_ns` with its first step due at `start_ns`, `dt` seconds a step."""
        if 0 < dt < math.inf:
            self.chunk_delay_steps.append(max(0.0, (now_ns - start_ns) / 1e9 / dt))

    def timing(self, dropped_frames: int | None) -> Timing:
        """The scorecard's timing."""
        return Timing.of(
            self.policy_ms, self.observation_age_ms, self.chunk_delay_steps, dropped_frames, self.jitter_ms
        )
