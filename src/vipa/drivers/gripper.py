"""A gripper that takes one goal after the other, where motion streams positions: which goal to send, and when."""

MIN_CHANGE_SHARE = 0.01  # share of the stroke that a target must differ from the last goal by


class GoalStream:
    """stroke: metres or radians between closed and open. One goal is under way at a time; the newest target is the next."""

    def __init__(self, stroke: float):
        self.change = MIN_CHANGE_SHARE * abs(stroke)
        self.target: float | None = None
        self.sent: float | None = None
        self.busy = False

    def take(self, target: float) -> None:
        """Motion wants the joint at `target`. The first is where the gripper is: no goal."""
        if self.target is None:
            self.sent = target
        self.target = target

    def next(self) -> float | None:
        """The goal to send now, None if there is none. It is under way until `done`."""
        if self.busy or self.target is None or abs(self.target - self.sent) < self.change:
            return None
        self.busy, self.sent = True, self.target
        return self.target

    def done(self) -> None:
        """The goal has ended: reached, stalled on what is grasped, refused or aborted."""
        self.busy = False
