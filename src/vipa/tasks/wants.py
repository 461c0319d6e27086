"""What running sub-tasks want of motion: one value for the in-process loop, the graph's SetTaskContext and the check at the start."""

from collections.abc import Iterable
from dataclasses import dataclass

from vipa.tasks.task import Force, Held, SubTask


@dataclass(frozen=True)
class Wants:
    """contacts: pairs of names that may touch. force, held: of the first sub-task that names one, or None."""

    contacts: tuple[tuple[str, ...], ...] = ()
    force: Force | None = None
    held: Held | None = None

    @property
    def tool(self) -> str:
        """`held` as motion's held_tool: "name sx sy sz x y z roll pitch yaw"; '': nothing is held."""
        if self.held is None:
            return ""
        return " ".join([self.held.name, *(f"{v:g}" for v in (*self.held.size, *self.held.position, *self.held.rpy))])

    @property
    def arguments(self) -> tuple:
        """What `Motion.context` takes."""
        force = None
        if self.force is not None:
            values = {
                "group": self.force.group or None,
                "target": self.force.target,
                "damping": self.force.damping,
                "stiffness": self.force.stiffness,
            }
            force = {key: value for key, value in values.items() if value is not None}
        return self.contacts, self.held.group if self.held else "", self.tool, force


def of(subtasks: Iterable[SubTask]) -> Wants:
    """What `subtasks`, which may be worked on at the same time, want."""
    subtasks = list(subtasks)
    pairs = (tuple(sorted(pair)) for spec in subtasks for pair in spec.contacts)
    force = next((s.force for s in subtasks if s.force is not None), None)
    held = next((s.held for s in subtasks if s.held is not None), None)
    return Wants(tuple(dict.fromkeys(pairs)), force, held)
