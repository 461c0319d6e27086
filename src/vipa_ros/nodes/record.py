"""Node `record`: writes every topic of a running graph, whoever's it is, to one bag until it is ended.

Parameters: folder (of the bag); topics (names, comma between; empty: all); seconds (of wall time from the first message on, 0: until it is ended).
"""

import sys
import time
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock

from vipa import files
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.recording.metadata import Qos
from vipa.recording.recorder import Recorder, summary_json
from vipa_ros.common import node
from vipa_ros.nodes.recorder import message_class

LOOK_PERIOD_S = 0.5  # wall seconds between two looks for new topics, at the disk, and words about how far it is
FIND_TIMEOUT_S = 5.0  # wall seconds after which a graph that says nothing new is taken as known
MIN_FREE_BYTES = 200_000_000  # bytes of the disk that stay free: there the recording ends


OWN_TOPICS = (topics.ROSOUT, "/parameter_events")  # topics that every node brings


class RecordNode(Node):
    """Raw subscriptions, as reliable as what is offered. Single thread; the disk has its own."""

    def __init__(self):
        super().__init__("record")
        self.folder = Path(node.parameter(self, "folder", str))
        self.wanted = [t for t in node.parameter(self, "topics", "").split(",") if t]
        self.seconds = node.parameter(self, "seconds", 0.0)
        self.recorder, self.known, self.left_out = Recorder(), {}, {}
        self.began, self.clock_ns, self.summary = time.monotonic(), 0, None
        self.recording_since: float | None = None  # wall time at which the bag began
        self.found: set[str] = set()
        self.simulated: bool | None = None  # the graph has a clock of its own; None: not known yet
        self.check_disk()
        if self.folder.exists() and any(self.folder.iterdir()):
            raise VipaError(f"{self.folder}: holds files already; name a new folder")
        self.create_timer(LOOK_PERIOD_S, self.look, clock=node.steady_clock())

    def now_ns(self) -> int:
        """ROS time where the graph has a clock of its own, else this machine's."""
        return self.clock_ns or self.get_clock().now().nanoseconds

    def check_disk(self) -> None:
        """Raises VipaError when the disk is nearly full."""
        if files.free_bytes(self.folder) < MIN_FREE_BYTES:
            raise VipaError(
                f"{self.folder}: {files.disk_words(self.folder)}; allowed: {files.megabytes(MIN_FREE_BYTES)} or more"
            )

    def look(self):
        """New topics, the disk, and a line about how far it is."""
        found = dict(self.get_topic_names_and_types())
        if self.simulated is None and self.settled(set(found)):
            self.simulated = topics.CLOCK in found
            if self.simulated and self.wanted and topics.CLOCK not in self.wanted:
                self.wanted.append(topics.CLOCK)  # it is the bag's time
        for name, kinds in found.items() if self.simulated is not None else ():
            if name not in self.known and name not in self.left_out and (not self.wanted or name in self.wanted):
                self.add(name, kinds)
        summary = self.recorder.summary()
        if summary is None:
            return self.check_disk()
        said = f"{time.monotonic() - self.began:5.0f} s  {len(self.known)} topics  {sum(summary.messages.values())} messages  "
        print(
            f"{said}{files.megabytes(summary.file_bytes)}  {sum(summary.dropped.values())} dropped",
            file=sys.stderr,
            flush=True,
        )
        if summary.error:
            raise VipaError(f"bag {self.folder}: {summary.error}")
        self.check_disk()
        return None

    def start(self, now_ns):
        """Begins the bag."""
        self.recording_since = time.monotonic()
        self.recorder.start(self.folder, {"recorded_by": "vipa record"}, now_ns)

    def settled(self, found) -> bool:
        """The graph is known: two looks have found the same. Its clock, if it has one, is then among it."""
        before, self.found = self.found, found
        return (found == before and len(found) > len(OWN_TOPICS)) or time.monotonic() - self.began > FIND_TIMEOUT_S

    def add(self, name, kinds):
        """Subscribes to one topic; what can't be recorded is named once."""
        offered = [info.qos_profile for info in self.get_publishers_info_by_topic(name)]
        if not offered:
            return  # nobody writes it yet
        try:
            if len(set(kinds)) > 1:
                raise VipaError(f"it has several types: {', '.join(sorted(kinds))}")
            reliable = all(q.reliability == ReliabilityPolicy.RELIABLE for q in offered)
            latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered)
            qos = QoSProfile(
                history=HistoryPolicy.KEEP_LAST, depth=200,
                reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
                durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
            )  # fmt: skip
            kind = message_class(kinds[0])
            profile = Qos(qos.reliability.name.lower(), qos.durability.name.lower(), qos.depth)
            number = self.recorder.add_topic(name, kinds[0], [profile], len(offered) if latched else 0)
        except (VipaError, ImportError, AttributeError, ValueError) as error:
            self.left_out[name] = str(error)
            print(f"not recorded: {name}: {error}", file=sys.stderr, flush=True)
            return
        self.known[name] = number
        self.create_subscription(kind, name, lambda data: self.take(name, number, data), qos, raw=True)

    def take(self, name, number, data):
        if name == topics.CLOCK:
            clock = deserialize_message(data, Clock).clock
            self.clock_ns = clock.sec * 1_000_000_000 + clock.nanosec
        now = self.now_ns()
        if not self.recorder.recording and (self.clock_ns or not self.simulated):
            self.start(now)  # its time is known; what was latched before begins the bag
        self.recorder.record(number, now, now, bytes(data))

    def run(self):
        """Until the time is over, or it is ended."""
        executor = rclpy.executors.SingleThreadedExecutor()
        executor.add_node(self)
        self.look()
        while rclpy.ok() and not self.over():
            executor.spin_once(timeout_sec=0.2)

    def over(self) -> bool:
        """The time is over: of the bag, not of finding the graph; where nothing comes, of what finding it may take."""
        since = self.began + FIND_TIMEOUT_S if self.recording_since is None else self.recording_since
        return bool(self.seconds) and time.monotonic() - since > self.seconds

    def close(self):
        if not self.recorder.recording:  # nothing came
            self.start(self.now_ns())
        self.summary = self.recorder.stop()


def main() -> int:
    """Exit status: 0 the bag is whole, 1 it is not."""
    record = node.run(RecordNode, lambda record: record.run())
    print(summary_json(record.summary), flush=True)
    return 1 if record.summary.error else 0


if __name__ == "__main__":
    sys.exit(main())
