"""The shell around commanders that look: their inference runs in a thread of its own, the node goes on listening."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from rclpy.timer import Timer

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.errors import NoChunk
from vipa.motion.validation import MAX_OBSERVATION_AGE_S
from vipa_ros.commanders.commander_node import TASK_MANAGER_TIMEOUT_S, CommanderNode


class AsyncCommanderNode(CommanderNode):
    """Steps the commander in one worker thread; everything else, what it sees and what is sent, is the node's thread.

    A step that falls due while the worker is busy begins when it is done, with what is newest then. An answer to a former
    epoch, a former episode or an observation that motion would refuse is dropped, and the reason published.

    delay_ns: ROS time from what the commander sees until its answer is sent, at least; it is not asked again meanwhile.
    """

    delay_ns = 0

    def __init__(self, name, make):
        super().__init__(name, make)
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="commander")
        self.done = self.create_guard_condition(self.finish)
        self.later: Timer | None = None  # when an answer that is held back is due
        self.work: Future | None = None
        self.asked: tuple[CommanderInput, str, float] | None = None  # what it saw, in which episode, monotonic seconds
        self.start: EpisodeStart | None = None  # an episode that the commander does not know of yet
        self.due = self.closing = False

    def begin_episode(self, start):
        self.start = start  # the commander may be at work: it is told in its own thread

    def step(self):
        """The timer: begins a step, or remembers that one is due."""
        if self.work is not None:
            self.due = True
            return None
        self.due = False
        if not self.may_move():
            return self.wait()
        if (seen := self.see()) is None:
            return None
        start, self.start = self.start, None
        self.asked = seen, self.episode_id, time.monotonic()
        self.work = self.pool.submit(self.infer, start, seen)
        self.work.add_done_callback(self.wake)
        return None

    def infer(self, start, seen):
        """The worker's thread."""
        if start is not None:
            self.commander.reset(start)
        return self.commander.step(seen)

    def wake(self, _):
        """The worker's thread: has `finish` called in the node's."""
        if not self.closing:
            self.done.trigger()

    def finish(self):
        """The worker is done: sends what is still true."""
        if self.later is not None:
            self.destroy_timer(self.later)
            self.later = None
        if self.work is None or not self.work.done() or self.hold_back():
            return
        work, self.work = self.work, None
        seen, episode_id, started = self.asked
        try:
            chunk = work.result()
        except NoChunk as reason:
            self.say(str(reason))
        else:
            if why := self.outdated(seen, episode_id):
                self.say(f"answer dropped: {why}")
            else:
                self.send(chunk, started)
        if self.due:
            self.step()

    def hold_back(self) -> bool:
        """Whether the answer has not been under way for long enough; then `finish` is called again when it has."""
        left = self.asked[0].now_ns + self.delay_ns - self.get_clock().now().nanoseconds
        if not 0 < left <= self.delay_ns:  # it has, or ROS time has jumped
            return False
        self.later = self.create_timer(left / 1e9, self.finish)
        return True

    def outdated(self, seen, episode_id) -> str:
        """Why an answer to `seen` must not be sent any more; "" if it may be."""
        if not self.may_move() or self.episode_id != episode_id:
            return "its episode is over"
        if time.monotonic() - self.heard > TASK_MANAGER_TIMEOUT_S:
            return "the task manager is silent"
        if self.status.epoch != seen.status.epoch:
            return f"it answers epoch {seen.status.epoch}, motion is in epoch {self.status.epoch}"
        age = (self.get_clock().now().nanoseconds - seen.observation.stamp_ns) / 1e9
        if age > MAX_OBSERVATION_AGE_S:
            return f"its observation is {age:.2f} s old; allowed: {MAX_OBSERVATION_AGE_S:g} s"
        return ""

    def close(self):
        """Ends the worker; a commander with a connection is cut off it, so that nothing waits for an answer."""
        self.closing = True
        self.pool.shutdown(wait=False, cancel_futures=True)
        if hasattr(self.commander, "close"):
            self.commander.close()
