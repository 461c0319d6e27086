"""Node `console`: one web page for who stands at the cell: cameras, checklist, chunk and safety, emergency stop, re-arm, home, the trials
of a set, the history of runs. It joins any graph, sees what is there, and is vital to none.

Parameters: at (HOST[:PORT], loopback by default), name (host name that the page is opened by, where it differs), runs (folder of the
history), blind (bool: who commands is not shown), rate (pictures a second of a camera, at most; 0: all), line (descriptor of the socket to `vipa evaluate`, -1: none). The token is
$VIPA_CONSOLE_TOKEN, else a new one; the page's address is printed.
"""

import os
import socket
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger
from vipa_msgs.msg import MotionStatus, RobotStatus

from vipa.console.board import Board
from vipa.console.history import History
from vipa.console.lead import Lead
from vipa.console.requests import ANSWER, PLACEMENT, Requests
from vipa.console.service import Console as Served
from vipa.recording import topics
from vipa.recording.topic_names import PLACEMENT_STATUS, placement_service
from vipa.web import access
from vipa.web.server import WebServer
from vipa_ros.bringup.environment import CONSOLE_TOKEN
from vipa_ros.common import convert, node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_ros.console.pictures import MAX_RATE_HZ, Pictures
from vipa_ros.episode import operator_state
from vipa_ros.episode.operator_requests import OperatorRequests

PORT = 8780
STATE_PERIOD_S = 0.2  # wall seconds between two states
FIND_PERIOD_S = 1.0  # wall seconds between two looks at the graph's topics
SILENT_S = 1.0  # wall seconds without a status after which motion counts as gone
NICE = 10  # control goes first where cores are few
LEVELS = {b"\x00": "ok", b"\x01": "warn", b"\x02": "error"}


class ConsoleNode(Node):
    """Single thread; the server has its own."""

    def __init__(self):
        super().__init__("console")
        host, port = access.parse(node.parameter(self, "at", f"localhost:{PORT}"), PORT)
        self.blind, line = node.parameter(self, "blind", False), node.parameter(self, "line", -1)
        history = History(Path(node.parameter(self, "runs", "runs")), self.blind)
        allowed = access.Access(host, node.parameter(self, "name", ""), os.environ.get(CONSOLE_TOKEN, ""))
        self.board = Board()
        self.woken = self.create_guard_condition(self.meet)  # by the server, whenever somebody asks
        self.asked = Requests(self.woken.trigger)
        self.lead = Lead(socket.socket(fileno=line) if line >= 0 else None)
        self.pictures = Pictures(self, self.board, node.parameter(self, "rate", MAX_RATE_HZ))
        self.requests = OperatorRequests(self, lambda done, words: None)
        self.placement_clients = {a: self.create_client(Trigger, placement_service(a)) for a in PLACEMENT}
        self.motion = self.robot = self.placement = None
        self.jitter_ms = self.heard = 0.0
        listen = Listener(self).on
        listen(MotionStatus, topics.MOTION_STATUS, self.on_motion, PROFILES["stream"])
        listen(RobotStatus, topics.ROBOT_STATUS, self.on_robot, PROFILES["latched"])
        listen(DiagnosticStatus, PLACEMENT_STATUS, self.on_placement, PROFILES["latched"])
        self.server = WebServer(allowed, port, Served(self.board, self.asked, history).service)
        self.server.open()
        for period, look in ((STATE_PERIOD_S, self.tend), (FIND_PERIOD_S, self.find)):
            self.create_timer(period, look, clock=node.steady_clock())
        if port and self.server.port != port:
            print(f"port {port} is taken; the console listens at {self.server.port}", flush=True)
        print(f"console: {self.server.address}", flush=True)

    # what it hears

    def on_motion(self, msg):
        self.motion, self.heard = convert.motion_status(msg), time.monotonic()
        self.jitter_ms = operator_state.finite(msg.jitter_ms_p99)

    def on_robot(self, msg):
        self.robot = msg

    def on_placement(self, msg):
        trial = self.lead.trial
        self.placement = {
            "trial": trial["trial_id"] if trial else "",
            "level": LEVELS.get(bytes(msg.level), "error"),
            "message": msg.message,
            "faults": [v.value for v in msg.values],
        }

    def find(self):
        """What is in the graph: cameras, simulated time, a reset that is led."""
        found = self.get_topic_names_and_types()
        self.pictures.find(found)
        simulated = any(name == topics.CLOCK for name, _ in found) and self.count_publishers(topics.CLOCK) > 0
        simulated = simulated and bool(self.pictures.subscriptions)  # the clock is for their ages alone
        if simulated != self.get_parameter("use_sim_time").value:
            self.set_parameters([Parameter("use_sim_time", value=simulated)])
        if self.placement is not None and not self.count_publishers(PLACEMENT_STATUS):
            self.placement = None

    # what it is asked

    def meet(self):
        for request in self.asked.take():
            self.meet_one(request)

    def meet_one(self, request):
        say = lambda done, words: self.asked.answered(request, done, words)  # noqa: E731
        if request.ask == ANSWER:
            say(*self.lead.answer(request.question, request.text))
        elif request.ask in PLACEMENT:
            client = self.placement_clients[request.ask]
            if not client.service_is_ready():
                say(False, "no reset is under way")
                return
            client.call_async(Trigger.Request()).add_done_callback(
                lambda f: say(f.result().success, f.result().message)
            )
        elif request.ask == "rearm" and (seen := self.requests.safety) is not None and seen.latch != request.latch:
            say(False, "another stop has come since: look again")
        else:
            self.requests.ask(request.ask, say)

    # what it shows

    def tend(self):
        self.pictures.follow()
        self.asked.expire(time.monotonic())
        self.tell()

    def reset_led(self) -> dict | None:
        """The reset that is under way. What node `placement` said last outlives it: of another trial, or once the scene was set, it counts
        no more. ready: it can be answered."""
        trial = self.lead.trial
        if self.placement is None or (
            trial and (self.placement["trial"], "reset") != (trial["trial_id"], trial["phase"])
        ):
            return None
        return self.placement | {"ready": all(c.service_is_ready() for c in self.placement_clients.values())}

    def tell(self):
        motion = self.motion if time.monotonic() - self.heard < SILENT_S else None
        episode = operator_state.episode(self.requests.episode)
        state = {
            "motion": operator_state.motion(motion), "chunk": operator_state.chunk(motion), "jitter_ms": self.jitter_ms if motion else None,
            "safety": operator_state.safety(self.requests.safety) if motion else None, "robot": operator_state.robot(self.robot),
            "episode": episode, "cameras": sorted(self.pictures.names), "placement": self.reset_led(), "trial": self.lead.trial,
            "question": self.lead.question, "led": self.lead.line is not None and self.blind, "blind": self.blind, "beat": int(time.monotonic()),
        }  # fmt: skip
        if self.blind:
            for part in (state["motion"], episode):
                for name in ("authority", "commander"):
                    if part and part.get(name):
                        part[name] = "hidden"
        self.board.put_state(state)

    def close(self):
        self.server.close()


def main():
    os.nice(NICE)
    node.run(ConsoleNode)


if __name__ == "__main__":
    main()
