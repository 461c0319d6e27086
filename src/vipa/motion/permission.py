"""Who may ask Motion for what. The node asks here before it does what came over the wire; in process there is nobody to keep out.

Names are not proofs: who sends another's name is believed. Against that the graph is signed (SROS2), see docs/safety.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vipa.motion.motion import Motion

MAX_NAME = 64  # characters


def unnamed(who: str, what: str = "requester_id") -> str:
    """'' or why `who` is no name."""
    if 0 < len(who) <= MAX_NAME and who.isprintable() and not who.isspace():
        return ""
    return f"{what} {who[:MAX_NAME]!r}; allowed: a name of 1 to {MAX_NAME} characters"


def _stranger(motion: Motion, who: str) -> str:
    if motion.authority and who not in (motion.authority, motion.granter):
        return f"'{motion.authority}' holds the authority, granted by '{motion.granter}'; allowed: one of the two"
    return ""


def authority(motion: Motion, commander_id: str, requester_id: str) -> str:
    """'' or why the authority may not go to `commander_id` ('': to nobody) at the request of `requester_id`: who holds it and who
    granted it may change it, nobody else; while nobody holds it, anybody may take or grant it."""
    why = unnamed(requester_id) or (unnamed(commander_id, "commander_id") if commander_id else "")
    return why or _stranger(motion, requester_id)


def context(motion: Motion, requester_id: str, empty: bool) -> str:
    """'' or why the task's context may not be changed by `requester_id`. empty: it asks for the defaults."""
    why = unnamed(requester_id) or _stranger(motion, requester_id)
    if not why and not motion.authority and not empty:
        return "nobody holds the authority; allowed: the defaults"
    return why


def rearmed(motion: Motion, before: tuple[str, int], operator_id: str, latch: int) -> bool:
    """Whether `operator_id` has left the stop number `latch` already, and nothing has happened since: he did not get the answer. before:
    who left a stop last, and which."""
    still = not motion.stop_reasons and not motion.tracking.moved and latch == motion.latch
    return still and before == (operator_id, latch)


def rearm(motion: Motion, operator_id: str, latch: int) -> str:
    """'' or why `operator_id` may not leave the stop number `latch`: it must be the newest, so that nobody leaves a stop that he has
    not seen; and where nothing is stopped, nobody re-arms under a commander's hands."""
    why = unnamed(operator_id, "operator_id")
    if why:
        return why
    if latch != motion.latch:
        reasons = "; ".join(motion.stop_reasons) or "nothing is stopped"
        return f"latch {latch}; allowed: {motion.latch}, the newest ({reasons})"
    if motion.authority and not motion.stop_reasons:
        return f"nothing is stopped, and '{motion.authority}' holds the authority"
    return ""
