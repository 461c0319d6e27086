"""The lock-step between a simulated cell and motion, both sides. No ROS in it: what is said travels in `frame_id`s that nobody else
reads.

The cell names in each joint state what it published before it and motion watches: `/clock` and the wrench of every arm. Motion
answers a tick when all of that has come, and names the tick in its commands. So neither a slow machine nor a message that comes
late makes a stop. Patience is counted in turns of the one who waits: a machine that gives no time to anybody uses up none of it.
"""

import time
from collections.abc import Callable

TURN_S = 0.05  # wall seconds of a wait; one that took longer counts no more
ANSWER_TIMEOUT_S = 5.0  # seconds of turns after which a cell without an answer goes on: motion stands still or is gone
# times that motion says it is past a tick, 0.1 s apart, before its commands for it count as lost
MAX_PASSED_ANSWERS = 5
NAMED_TIMEOUT_S = 2.0  # seconds of turns that motion waits for what a joint state names


def name(clock_ns: int, wrench_ns: int) -> str:
    """What a joint state says in its frame_id: the newest /clock and the newest wrenches that came before it."""
    return f"after {clock_ns} {wrench_ns}"


def named(frame_id: str) -> tuple[int, int]:
    """The stamps of `name`; zeros, which are always past, from a cell that names none."""
    words = frame_id.split()
    if len(words) == 3 and words[0] == "after" and words[1].isdigit() and words[2].isdigit():
        return int(words[1]), int(words[2])
    return 0, 0


class Turns:
    """Seconds waited, of which a turn counts TURN_S at most."""

    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic, self.waited, self._turn = monotonic, 0.0, monotonic()

    def over(self) -> float:
        """A turn is over: what all have been."""
        now = self._monotonic()
        self.waited += min(now - self._turn, TURN_S)
        self._turn = now
        return self.waited


class Waiting:
    """The cell's side: whether to wait on for the answer to a tick."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic):
        self._monotonic = monotonic
        self.begin(0)

    def begin(self, stamp_ns: int) -> None:
        """The tick of `stamp_ns` has been published."""
        self._stamp_ns, self._passed, self._turns = stamp_ns, 0, Turns(self._monotonic)

    def status(self, stamp_ns: int) -> None:
        """Motion says that `stamp_ns` is the last joint state it took."""
        self._passed += stamp_ns >= self._stamp_ns

    def in_vain(self) -> bool:
        """A turn is over: whether no answer will come, as motion is dead, or past this tick."""
        return self._turns.over() >= ANSWER_TIMEOUT_S or self._passed >= MAX_PASSED_ANSWERS


class Standing:
    """A watcher's side: whether a cell whose time stands still is alive. While it waits for motion it says its time again."""

    def __init__(self):
        self._said_ns = -1

    def waits(self, ros_ns: int) -> bool:
        """The cell says that it is `ros_ns`: whether it had said so before."""
        waits, self._said_ns = ros_ns == self._said_ns, ros_ns
        return waits


class Gathering:
    """Motion's side: holds back a joint state until what it names has come, or for so long that it will not.

    What did not come is not waited for again until it comes: the tick is then judged without it.
    """

    def __init__(self, arms: tuple[str, ...], monotonic: Callable[[], float] = time.monotonic):
        self._monotonic = monotonic
        self._wrench_ns = dict.fromkeys(arms, 0)
        self._clock_ns = 0
        self._lost: set[str] = set()  # arms, or "" the clock
        self._held, self._turns = None, Turns(monotonic)

    @property
    def held(self) -> bool:
        return self._held is not None

    def wrench(self, group: str, stamp_ns: int) -> None:
        """A wrench of `group` came."""
        if group in self._wrench_ns:
            self._wrench_ns[group] = max(self._wrench_ns[group], stamp_ns)
            self._lost.discard(group)

    def clock(self, ros_ns: int) -> None:
        """It is `ros_ns`."""
        if ros_ns > self._clock_ns:
            self._lost.discard("")
        self._clock_ns = ros_ns

    def missing(self, frame_id: str) -> set[str]:
        """What a joint state with `frame_id` names and has not come: arms' names, "" for the clock."""
        clock_ns, wrench_ns = named(frame_id)
        late = {group for group, stamp in self._wrench_ns.items() if stamp < wrench_ns}
        return late | ({""} if self._clock_ns < clock_ns else set())

    def take(self, msg) -> list:
        """A joint state came: those that are due now, in order. One that was held back is due before the next."""
        due = [] if self._held is None else [self._held]
        self._held = None
        if self.missing(msg.header.frame_id) - self._lost:
            self._held, self._turns = msg, Turns(self._monotonic)
            return due
        return [*due, msg]

    def release(self) -> list:
        """Something came, or a turn is over: the joint state that was held back, if it is due now."""
        if self._held is None:
            return []
        missing = self.missing(self._held.header.frame_id) - self._lost
        if missing and self._turns.over() < NAMED_TIMEOUT_S:
            return []
        self._lost |= missing
        msg, self._held = self._held, None
        return [msg]
