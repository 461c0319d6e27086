"""The state of a running graph as plain values, of the newest message of each node that was heard: what `vipa operator state` says."""

import math

from vipa_msgs.msg import EpisodeStatus, RobotStatus, SafetyStatus

from vipa.motion.chunk import Mode, MotionStatus
from vipa_ros.common import convert


def motion(status: MotionStatus | None) -> dict | None:
    """Mode, who may move the robot, and the newest reasons for clamps and refusals; None: not heard."""
    if status is None:
        return None
    return {"mode": Mode(status.mode).name.lower(), "authority": status.authority, "epoch": status.epoch,
            "reasons": list(status.reasons)}  # fmt: skip


def chunk(status: MotionStatus | None) -> dict | None:
    """What is executed, and how old it is, seconds, None: there is none; `committed`: steps that will be executed whatever comes. None:
    not heard."""
    if status is None:
        return None
    committed = 0
    if status.committed is not None:
        steps = (g.poses if g.poses is not None else g.joints for g in status.committed.groups)
        committed = max((len(s) for s in steps if s is not None), default=0)
    ages = {"age_s": status.chunk_age, "observation_age_s": status.observation_age}
    return {"seq": status.executing_seq, "step": status.executing_step, "committed": committed, "clamps": status.clamps,
            "refusals": status.refusals, "joint_state_rate_hz": finite(status.joint_state_rate),
            **{name: finite(age) if age >= 0 else None for name, age in ages.items()}}  # fmt: skip


def finite(value: float) -> float | None:
    """Itself, None for what is no number: JSON has none."""
    return value if math.isfinite(value) else None


def safety(msg: SafetyStatus | None) -> dict | None:
    """Whether commands pass, why not, the number of the stop, and the smallest checked distance, metres, None: not checked. None: not heard."""
    if msg is None:
        return None
    return {"armed": msg.armed, "estop": msg.estop, "stop_reasons": list(msg.stop_reasons), "latch": msg.latch,
            "min_distance_m": finite(msg.min_distance), "min_distance_pair": msg.min_distance_pair}  # fmt: skip


def robot(msg: RobotStatus | None) -> dict | None:
    """State of a real robot's own controller; None: not heard, as in a simulation."""
    if msg is None:
        return None
    return {"ready": msg.ready, "estop": msg.estop, "mode": msg.mode, "message": msg.message}


def episode(msg: EpisodeStatus | None) -> dict | None:
    """The episode with its sub-tasks; None: not heard."""
    if msg is None:
        return None
    phase, rows = convert.checklist(msg)
    return {"phase": phase, "episode_id": msg.episode_id, "task": msg.task, "instruction": msg.instruction, "commander": msg.commander, "seed": msg.seed,
            "elapsed_s": msg.elapsed, "time_limit_s": msg.time_limit, "outcome": msg.outcome,
            "subtasks": [{"name": r.name, "status": r.status, "t_done_s": finite(r.t_done), "progress": r.progress, "evidence": r.evidence} for r in rows],
            }  # fmt: skip
