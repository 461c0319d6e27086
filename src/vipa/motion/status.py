"""What Motion says of itself: states of the groups, MotionStatus, SafetyState."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vipa.motion.chunk import REASONS, Mode, MotionStatus, SafetyState
from vipa.motion.stops import E_STOP
from vipa.motion.validation import steps_of
from vipa.robot.state import GroupState

if TYPE_CHECKING:
    from vipa.motion.motion import Motion


def measured(motion: Motion) -> dict[str, GroupState]:
    """From the last joint state and wrench; {} before the first joint state."""
    if not motion.started:
        return {}
    hands = {name: hand.opening_at(motion.measured.hands[name]) for name, hand in motion.references.hands.items()}
    return _states(motion, motion.measured.q, motion.measured.v, hands)


def commanded(motion: Motion) -> dict[str, GroupState]:
    """Where the last command leads at the end of its tick; {} before the first joint state."""
    if not motion.started:
        return {}
    end = motion.gate.plan.at(motion.dt)
    return _states(motion, end.q, end.v, motion.references.openings())


def _states(motion: Motion, q: np.ndarray, v: np.ndarray, hands: dict[str, np.ndarray]) -> dict[str, GroupState]:
    found = {}
    for name, columns in motion.kinematics.columns.items():
        joints, velocities = q[columns].copy(), v[columns].copy()
        tool = motion.kinematics.groups[name].forward_velocity(joints, velocities)
        found[name] = GroupState(
            joints, velocities, *tool, np.array(hands.get(name, ())), motion.load.wrenches.get(name)
        )
    return found


def status(motion: Motion, now_ns: int, monotonic: float) -> MotionStatus:
    """Epoch, authority, mode, what is executed, what is committed, why it is stopped and what was clamped and refused, ages."""
    now, chunk = motion.seconds(now_ns), motion.current
    mode = (
        Mode.STOPPED
        if motion.stop_reasons
        else Mode.BRAKING
        if motion.braking
        else Mode.HOLDING
        if chunk is None
        else Mode.EXECUTING
    )
    step, committed, observed = -1, None, 0
    if chunk is not None:
        start, observed = motion.seconds(chunk.start_ns), chunk.observation_ns
        step = int(np.clip((now - start) // chunk.dt, -1, steps_of(chunk) - 1))
        committed = motion.references.committed(chunk, start, now)
    return MotionStatus(
        now_ns,
        motion.epoch,
        motion.authority,
        mode,
        chunk.seq if chunk else 0,
        step,
        committed,
        motion.clamps,
        motion.refusals,
        tuple(dict.fromkeys((*motion.stop_reasons, *motion.reasons)))[:REASONS],
        monotonic - motion.clock.monotonic if motion.started else -1.0,
        monotonic - motion.chunk_time if math.isfinite(motion.chunk_time) else -1.0,
        (now_ns - observed) / 1e9 if observed else -1.0,
        motion.clock.rate,
    )


def safety(motion: Motion, now_ns: int, tracking_error: float) -> SafetyState:
    """Stops and their reasons, limits in force, what they have cost, the nearest pair."""
    limits = {"margin": motion.robot.margin, "tracking_error": tracking_error}
    for group in motion.robot.arms:
        limits |= {
            f"{group.name}.{key}": getattr(group, key)
            for key in ("tool_speed", "tool_angular_speed", "force_cap", "torque_cap")
        }
        admittance = motion.admittances[group.name]
        limits[f"{group.name}.force_target"] = admittance.target or 0.0
        limits[f"{group.name}.force_wanted"] = (admittance.target or 0.0) if admittance.wanted else 0.0
    distance, pair = motion.clearance.nearest()
    reasons = motion.stop_reasons
    return SafetyState(
        now_ns,
        any(r.startswith(E_STOP) for r in reasons),
        not reasons,
        tuple(reasons),
        limits,
        dict(motion.gate.clamps),
        motion.task.contacts,
        distance,
        pair,
        motion.latch,
    )
