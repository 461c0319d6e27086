"""The state of a running graph as plain values, of the newest message of each node that was heard: what `vipa operator state` says."""

from vipa_msgs.msg import EpisodeStatus, RobotStatus, SafetyStatus

from vipa.motion.chunk import Mode, MotionStatus
from vipa.terminal.checklist import Row


def motion(status: MotionStatus | None) -> dict | None:
    """Mode, who may move the robot, and the newest reasons for clamps and refusals; None: not heard."""
    if status is None:
        return None
    return {"mode": Mode(status.mode).name.lower(), "authority": status.authority, "epoch": status.epoch,
            "reasons": list(status.reasons)}  # fmt: skip


def safety(msg: SafetyStatus | None) -> dict | None:
    """Whether commands pass, why not, and the smallest checked distance, metres; None: not heard."""
    if msg is None:
        return None
    return {"armed": msg.armed, "estop": msg.estop, "stop_reasons": list(msg.stop_reasons),
            "min_distance_m": msg.min_distance, "min_distance_pair": msg.min_distance_pair}  # fmt: skip


def robot(msg: RobotStatus | None) -> dict | None:
    """State of a real robot's own controller; None: not heard, as in a simulation."""
    if msg is None:
        return None
    return {"ready": msg.ready, "estop": msg.estop, "mode": msg.mode, "message": msg.message}


def episode(heard: tuple[EpisodeStatus, tuple[str, list[Row]]] | None) -> dict | None:
    """The episode with its sub-tasks; None: not heard."""
    if heard is None:
        return None
    msg, (phase, rows) = heard
    return {"phase": phase, "episode_id": msg.episode_id, "task": msg.task, "commander": msg.commander, "seed": msg.seed,
            "elapsed_s": msg.elapsed, "time_limit_s": msg.time_limit, "outcome": msg.outcome,
            "subtasks": [{"name": r.name, "status": r.status, "t_done_s": r.t_done, "evidence": r.evidence} for r in rows],
            }  # fmt: skip
