"""What Motion takes: chunks that may be executed now, and a re-arm that leaves a stop. Each check gives "" or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vipa.motion.chunk import ActionChunk
from vipa.motion.validation import check_chunk

if TYPE_CHECKING:
    from vipa.motion.control_step import ControlStep

AT_REST_RAD_S = 0.05  # rad/s below which arms count as resting: a stopped one may be re-armed


def chunk(motion: ControlStep, asked: ActionChunk, now_ns: int) -> str:
    """Whether `asked` may be executed: who sent it, of which epoch, in which order, what is in it, and where it begins."""
    if motion.stop_reasons:
        return f"stopped: {motion.stop_reasons[0]}"
    if not motion.started:
        return "no joint states yet"
    if motion.liveness.fault:
        return motion.liveness.fault
    if not motion.authority or asked.commander_id != motion.authority:
        holder = f"'{motion.authority}' has" if motion.authority else "nobody has"
        return f"'{asked.commander_id}' has no authority; {holder}"
    if asked.epoch != motion.epoch:
        return f"epoch {asked.epoch}; allowed: {motion.epoch}"
    epoch, seq = motion.newest
    if epoch == motion.epoch and not asked.seq > seq:
        return f"seq {asked.seq} is not above {seq}"
    # near a contact an arm is slow by itself: nobody who commands it needs to know
    return check_chunk(asked, motion.drawn, now_ns) or motion.servo.refusal(asked) or start(motion, asked, now_ns)


def start(motion: ControlStep, asked: ActionChunk, now_ns: int) -> str:
    """Whether the arms may go to where `asked` begins."""
    resting = motion.current is None and bool(np.all(np.abs(motion.gate.state.v) < AT_REST_RAD_S))
    return motion.start_guard.refusal(asked, now_ns, motion.measured.q, resting)


def rearm(motion: ControlStep) -> str:
    """Whether a stop may be left: the arms are known, and at rest."""
    if not motion.started:
        return "no joint states yet"
    if motion.liveness.fault:
        return motion.liveness.fault
    if not motion.gate.at_rest:
        return "still moving"
    if np.any(np.abs(motion.measured.v) > AT_REST_RAD_S):
        return f"an arm moves at {np.abs(motion.measured.v).max():.3f} rad/s; allowed: {AT_REST_RAD_S}"
    return ""
