"""What a person asks of a running graph: e-stop, re-arm, recovery, homing, verdicts on sub-tasks. Each is one key."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from std_srvs.srv import Trigger
from vipa_msgs.msg import SafetyStatus
from vipa_msgs.srv import EStop, JudgeSubTask, ReArm

from vipa.recording import topics
from vipa_ros.common.listening import Listener
from vipa_ros.common.node import steady_clock
from vipa_ros.common.qos import PROFILES

WHO = "operator"
KEY_PERIOD_S = 0.02  # wall seconds between two looks at the keys
RETRY_S = 0.5  # wall seconds without an answer after which an emergency stop is asked for again


Say = Callable[[bool, str], None]  # whether it was done, in words


@dataclass(frozen=True)
class Action:
    """One thing to ask for. request: from the newest SafetyStatus. answer: (whether it was done, in words) of the service's
    response. again: may be asked twice for one wish, and is until it is answered: an answer can get lost on the way to a client that
    the server has just met (see `vipa_ros.common.services`)."""

    key: str
    text: str
    service: str
    kind: type
    request: Callable[[SafetyStatus], object]
    answer: Callable[[object], tuple[bool, str]]
    again: bool = False


def _triggered(response):
    return response.success, response.message


ACTIONS = {
    "estop": Action(
        " ", "emergency stop", topics.ESTOP, EStop, lambda _: EStop.Request(reason=WHO),
        lambda r: (r.stopped, "motion is stopped" if r.stopped else "motion is NOT stopped"), again=True,
    ),
    "rearm": Action(
        "a", "re-arm motion", topics.REARM, ReArm, lambda known: ReArm.Request(operator_id=WHO, latch=known.latch),
        lambda r: (r.armed, r.message or "motion is armed"),
    ),
    "recover": Action("r", "recover the robot's driver", topics.RECOVER, Trigger, lambda _: Trigger.Request(), _triggered),
    "home": Action("h", "home the robot", topics.HOME, Trigger, lambda _: Trigger.Request(), _triggered),
    "done": Action(
        "d", "the sub-task is done", topics.JUDGE_SUBTASK, JudgeSubTask,
        lambda _: JudgeSubTask.Request(done=True, operator_id=WHO), lambda r: (r.accepted, r.message),
    ),
    "failed": Action(
        "f", "the sub-task has failed", topics.JUDGE_SUBTASK, JudgeSubTask,
        lambda _: JudgeSubTask.Request(done=False, operator_id=WHO), lambda r: (r.accepted, r.message),
    ),
}  # fmt: skip


@dataclass
class _Open:
    """An action that is asked again until it is answered. sent: when it was, monotonic seconds. say: who wants to know."""

    sent: float
    say: list[Say]


class OperatorRequests:
    """Clients on `node`. say(done, words) is called with every answer to whoever named no one else, on the node's thread."""

    def __init__(self, node: Node, say: Say):
        self.say, self.keys = say, queue.SimpleQueue()
        kinds = {a.service: a.kind for a in ACTIONS.values()}
        self.clients = {name: node.create_client(kind, name) for name, kind in kinds.items()}
        self.open: dict[str, _Open] = {}
        self.safety: SafetyStatus | None = None  # what the operator has seen of the stops
        Listener(node).on(SafetyStatus, topics.SAFETY_STATUS, self._on_safety, PROFILES["latched"])
        node.create_timer(KEY_PERIOD_S, self._look, clock=steady_clock())

    def _on_safety(self, msg):
        self.safety = msg

    def press(self, key: str) -> None:
        """From any thread: asks for what the key stands for; another key does nothing."""
        self.keys.put(key)

    def ready(self, name: str) -> bool:
        """Whether the service behind the action is there."""
        known = self.safety is not None or name != "rearm"  # a stop that nobody here has seen is not left
        return known and self.clients[ACTIONS[name].service].service_is_ready()

    def ask(self, name: str, say: Say | None = None) -> None:
        """From the node's thread: asks for the action `name`. say: is told the answer in the place of everybody's."""
        action, say = ACTIONS[name], say or self.say
        if not self.ready(name):
            nobody = f"{action.text}: nobody offers {action.service}"
            for tell in (*self._closed(name), say):
                tell(False, nobody)
            return
        if action.again:
            self.open.setdefault(name, _Open(0.0, [])).say.append(say)
        self._send(name, action, say)

    def _closed(self, name: str) -> list[Say]:
        wish = self.open.pop(name, None)
        return wish.say if wish else []

    def _send(self, name: str, action: Action, say: Say) -> None:
        if action.again:
            self.open[name].sent = time.monotonic()
        future = self.clients[action.service].call_async(action.request(self.safety or SafetyStatus()))
        future.add_done_callback(lambda f: self._answered(name, action, say, f))

    def _answered(self, name, action, say, future):
        done, words = action.answer(future.result())
        # of what is asked again only the first answer is told: the others are to the same wish
        for tell in self._closed(name) if action.again else [say]:
            tell(done, f"{action.text}: {words or ('done' if done else 'not done')}")

    def _look(self):
        while not self.keys.empty():
            key = self.keys.get()
            for name, action in ACTIONS.items():
                if action.key == key:
                    self.ask(name)
        for name, wish in list(self.open.items()):
            if time.monotonic() - wish.sent <= RETRY_S:
                continue
            if self.ready(name):
                self._send(name, ACTIONS[name], self.say)
            else:
                for tell in self._closed(name):
                    tell(False, f"{ACTIONS[name].text}: nobody offers {ACTIONS[name].service}")
