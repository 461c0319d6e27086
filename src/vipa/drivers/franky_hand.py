"""A Franka hand through franky: one goal after the other, and how wide it is, read in a thread of its own (it tells it slowly)."""

import contextlib
import threading
from types import ModuleType

from vipa.drivers.gripper import GoalStream
from vipa.errors import VipaError
from vipa.robot.description import Hand

WIDTH_SPEED_M_S = 0.1  # m/s of the width, as franka_gripper moves by default
CLOSER_M = 0.002  # metres by which a goal lies below the width that it is reached by grasping, with force
READ_S = 0.02  # seconds between two readings


class FrankyHand:
    """width: metres between the fingers, None before it is known. fault: '' or why the last goal was not reached.

    Targets are positions of one finger, half the width. Raises VipaError if there is no hand at `address`, or it was never homed.

    Args:
        hand: of the robot file, with one joint in metres.
        api: the module franky, or what stands for it.
    """

    def __init__(self, address: str, hand: Hand, api: ModuleType):
        self.api, self.force = api, float(hand.force)
        self.stroke = abs(hand.open[0] - hand.closed[0])
        self.goals = GoalStream(self.stroke)
        self.width, self.fault, self._under_way = None, "", None
        try:
            self._gripper = api.Gripper(address)
            state = self._gripper.state
        except api.Exception as error:
            raise VipaError(f"Franka hand at {address}: {error}") from None
        if state.max_width < 2 * self.stroke - CLOSER_M:
            raise VipaError(
                f"Franka hand at {address}: it opens {state.max_width:.3f} m, the robot file says {2 * self.stroke:.3f} m: home it in Desk"
            )
        self.width = state.width
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def finger(self) -> float:
        """Position of a finger, metres."""
        return self.width / 2

    def take(self, target: float) -> None:
        """Motion wants a finger at `target` metres."""
        self.goals.take(target)

    def look(self) -> None:
        """Notes that a goal has ended, and sends the next. Called at every step; returns at once."""
        if self._under_way is not None:
            if not self._under_way.wait(0):
                return
            self.fault = ""
            try:
                self._under_way.get()
            except self.api.Exception as error:
                self.fault = str(error).strip().splitlines()[0]
            self._under_way = None
            self.goals.done()
        if (target := self.goals.next()) is not None:
            self._under_way = self._send(2 * target)

    def close(self) -> None:
        """Ends the thread; the hand stays as it is."""
        self._ended.set()

    def _send(self, width: float):
        if width < self.width - CLOSER_M:  # anything between the fingers counts as grasped
            return self._gripper.grasp_async(width, WIDTH_SPEED_M_S, self.force, 2 * self.stroke, 2 * self.stroke)
        return self._gripper.move_async(width, WIDTH_SPEED_M_S)

    def _read(self) -> None:
        while not self._ended.wait(READ_S):
            with contextlib.suppress(self.api.Exception):  # the arm's connection tells that it is lost
                self.width = self._gripper.state.width
