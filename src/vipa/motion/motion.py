"""Motion: chunks and joint states in, commands for the controllers out. The ROS node and the in-process loop drive it.

`ControlStep` is what happens at every tick; here is what others ask of it: chunks, authority, stops, the task's context, limits.
Nothing here raises for bad data: it is dropped and counted.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from vipa.motion import admission, limits
from vipa.motion import status as report
from vipa.motion.admittance import check_force
from vipa.motion.chunk import ActionChunk, MotionStatus, SafetyState
from vipa.motion.control_step import ControlStep
from vipa.motion.stops import E_STOP
from vipa.motion.task_context import TaskContext
from vipa.motion.tracking import MAX_TRACKING_ERROR_RAD
from vipa.robot.state import GroupState


class Motion(ControlStep):
    """One robot's motion, see ControlStep. Requests return "" when they are granted, else why not."""

    # chunks

    def chunk(self, chunk: ActionChunk, now_ns: int, monotonic: float) -> str:
        """Take a chunk. '' if it was accepted, else why it was refused. During braking it waits for the arms to rest."""
        why = admission.chunk(self, chunk, now_ns)
        if why:
            return self._refuse(why)
        self.newest = (self.epoch, chunk.seq)
        self.chunk_time = monotonic
        if self.braking:
            self._pending = chunk
        else:
            self._splice(chunk, self.seconds(now_ns))
        return ""

    # authority, stops, context

    def set_authority(self, commander_id: str, granter: str = "") -> int:
        """Give `commander_id` the authority ('' takes it away), in the name of `granter`. A change brakes, holds, restores the
        task's default context and opens a new epoch. Returns it. (What may come over the wire: `permission`.)"""
        if commander_id != self.authority:
            self.authority, self.granter = commander_id, granter if commander_id else ""
            self._hold("")
            self.context(())
        return self.epoch

    def estop(self, reason: str) -> None:
        """Latched stop: brakes, and holds until `rearm`."""
        self.stops.renumber()
        self._stop(f"{E_STOP}: {reason}" if reason else E_STOP)

    def rearm(self) -> str:
        """Leave a latched stop: '' armed, else why not. The arms stay where they are measured, also when nothing was stopped but
        they were moved while they stood: so a cell that was reset is taken as it stands. Else nothing changes: an arm that
        sags below its command would sink with every call."""
        if why := admission.rearm(self):
            return why
        if not self.stop_reasons and not self.tracking.moved:
            return ""
        self.stops.clear()
        self.braking, self.tracking.lost, self._pending = False, False, None
        self.load.rearm()
        self.epoch += 1
        self._adopt()
        return ""

    def wrench(self, group: str, wrench: np.ndarray, stamp_ns: int, monotonic: float) -> None:
        """The measured wrench (6,) on an arm's tool, tool frame, newtons and newton metres. Beyond force_cap: stop."""
        try:
            why = self.load.take(group, wrench, stamp_ns)
        except (TypeError, ValueError) as error:
            self._note(str(error))
            return
        self.liveness.wrench(group, stamp_ns, self.load.wrenches[group])
        self.admittances[group].measure(self.load.wrenches[group], monotonic)
        if why:
            self._stop(why)

    def context(
        self,
        allowed_contacts: Iterable[Sequence[str]],
        held_group: str = "",
        held_tool: str = "",
        force: dict | None = None,
    ) -> str:
        """What the running sub-task allows and wants. '' if it is in force now, else why not (then nothing changed).

        allowed_contacts: pairs of link, tool or fixture names ("fingers": the finger links of every hand), those that the robot
        file's may_touch lets a task open. held_tool: its shape in the tool frame of held_group, see `task_context.parse_tool`. force: `group`,
        `target` (newtons along the tool's z axis) and perhaps `damping`, `stiffness`; None: no force control.
        """
        names = [fixture.name for fixture in self.fixtures]
        task, why = TaskContext.make(self.robot, self._contacts, names, allowed_contacts, held_group, held_tool)
        why = why or check_force(force, self.robot.arms)
        if why:
            self._note(f"refused: {why}")
            return why
        for name, admittance in self.admittances.items():
            admittance.configure(force if force is not None and force.get("group", name) == name else None)
        held, self.task = self.task.tools, task
        if held != task.tools:
            self._hold_tools()
        self._allow()
        return ""

    def tighten(self, request: limits.Tighter) -> str:
        """Draw limits tighter, or one's own looser again, from the next tick on. '' if they are in force, else why not (then nothing changed). What is
        faster or further out than they allow slows down and comes back, and nothing moves further out."""
        try:
            self.limits.request(request)
        except ValueError as error:
            return str(error)
        self._limit()
        return ""

    # what it says

    def groups(self) -> dict[str, GroupState]:
        """Measured, from the last joint state and wrench; {} before the first."""
        return report.measured(self)

    def commanded(self) -> dict[str, GroupState]:
        """Last commanded positions, velocities, tool poses and openings; {} before the first joint state."""
        return report.commanded(self)

    def status(self, now_ns: int, monotonic: float) -> MotionStatus:
        """What motion does, for commanders and recorder."""
        return report.status(self, now_ns, monotonic)

    def safety(self, now_ns: int) -> SafetyState:
        """What the gate says of itself."""
        return report.safety(self, now_ns, MAX_TRACKING_ERROR_RAD)
