"""What a person asks of a running graph: e-stop, re-arm, recovery, homing, verdicts on sub-tasks. Each is one key."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rclpy.node import Node
from std_srvs.srv import Trigger
from vipa_msgs.msg import EpisodeStatus, SafetyStatus, SubTaskStatus
from vipa_msgs.srv import EStop, JudgeSubTask, ReArm

from vipa.recording import topics
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.node import steady_clock
from vipa_ros.common.qos import PROFILES

WHO = "operator"
LOOK_PERIOD_S = 0.1  # wall seconds between two looks at what has not been answered
RETRY_S = 0.5  # wall seconds without an answer after which what may be asked twice is asked again
HEARD_S = 1.0  # wall seconds after which an episode that nobody has spoken of is taken not to be


Say = Callable[[bool, str], None]  # whether it was done, in words


@dataclass(frozen=True)
class Action:
    """One thing to ask for. request: from what is known. answer: (whether it was done, in words) of the service's response. again:
    may be asked twice for one wish, and is until it is answered: an answer can get lost on the way to a client that the server has
    just met (see `vipa_ros.common.services`)."""

    key: str
    text: str
    service: str
    kind: type
    request: Callable[["Known"], object]
    answer: Callable[[object], tuple[bool, str]]
    again: bool = False


@dataclass(frozen=True)
class Known:
    """What the person has seen when he asks: the newest of both; None: nothing yet."""

    safety: SafetyStatus | None = None
    episode: EpisodeStatus | None = None

    @property
    def subtask(self) -> str:
        """The sub-task that a verdict is on; "": the task manager knows which, there is none, or more than one."""
        active = [s.name for s in self.episode.subtasks if s.status == SubTaskStatus.ACTIVE] if self.episode else []
        return active[0] if len(active) == 1 else ""


@dataclass
class Wish:
    """What somebody asks for. known: what he had seen. say: who is told the answer; empty: they have been told. sent: monotonic
    seconds of the last time that it was asked for."""

    known: Known
    say: list[Say]
    sent: float = 0.0


def _triggered(response):
    return response.success, response.message


def _verdict(done: bool) -> Callable[[Known], JudgeSubTask.Request]:
    return lambda known: JudgeSubTask.Request(subtask=known.subtask, done=done, operator_id=WHO)


ACTIONS = {
    "estop": Action(
        " ", "emergency stop", topics.ESTOP, EStop, lambda _: EStop.Request(reason=WHO),
        lambda r: (r.stopped, "motion is stopped" if r.stopped else "motion is NOT stopped"), again=True,
    ),
    "rearm": Action(
        "a", "re-arm motion", topics.REARM, ReArm, lambda known: ReArm.Request(operator_id=WHO, latch=known.safety.latch),
        lambda r: (r.armed, r.message or "motion is armed"), again=True,
    ),
    "recover": Action("r", "recover the robot's driver", topics.RECOVER, Trigger, lambda _: Trigger.Request(), _triggered),
    "home": Action("h", "home the robot", topics.HOME, Trigger, lambda _: Trigger.Request(), _triggered),
    "done": Action(
        "d", "the sub-task is done", topics.JUDGE_SUBTASK, JudgeSubTask, _verdict(True),
        lambda r: (r.accepted, r.message), again=True,
    ),
    "failed": Action(
        "f", "the sub-task has failed", topics.JUDGE_SUBTASK, JudgeSubTask, _verdict(False),
        lambda r: (r.accepted, r.message), again=True,
    ),
}  # fmt: skip


class OperatorRequests:
    """Clients on `node`. say(done, words) is called with every answer to whoever named no one else, on the node's thread."""

    def __init__(self, node: Node, say: Say):
        self.say, self.keys = say, queue.SimpleQueue()
        kinds = {a.service: a.kind for a in ACTIONS.values()}
        self.clients = {name: node.create_client(kind, name) for name, kind in kinds.items()}
        self.open: dict[str, Wish] = {}  # what is asked for again until it is answered, by action
        self.known, self.began = Known(), time.monotonic()
        listen = Listener(node).on
        listen(SafetyStatus, topics.SAFETY_STATUS, self._on_safety, PROFILES["latched"])
        listen(EpisodeStatus, topics.EPISODE_STATUS, self._on_episode, PROFILES["latched"])
        self.pressed = node.create_guard_condition(self._press)
        node.create_timer(LOOK_PERIOD_S, self._look, clock=steady_clock())

    @property
    def safety(self) -> SafetyStatus | None:
        """What the operator has seen of the stops."""
        return self.known.safety

    def _on_safety(self, msg):
        self.known = replace(self.known, safety=msg)

    @property
    def episode(self) -> EpisodeStatus | None:
        """The newest of an episode; `convert.checklist` takes it."""
        return self.known.episode

    def _on_episode(self, msg):
        convert.checklist(msg)  # refuses what is none
        self.known = replace(self.known, episode=msg)

    def press(self, key: str) -> None:
        """From any thread: asks for what the key stands for; another key does nothing."""
        self.keys.put(key)
        self.pressed.trigger()

    def ready(self, name: str) -> bool:
        """Whether the service behind the action is there, and what it is about is known."""
        service = ACTIONS[name].service
        if name == "rearm" and self.known.safety is None:  # a stop that nobody here has seen is not left
            return False
        unheard = self.known.episode is None and time.monotonic() - self.began < HEARD_S
        return self.clients[service].service_is_ready() and not (service == topics.JUDGE_SUBTASK and unheard)

    def ask(self, name: str, say: Say | None = None) -> None:
        """From the node's thread: asks for the action `name`. say: is told the answer in the place of everybody's."""
        action, wish = ACTIONS[name], Wish(self.known, [say or self.say])
        if not self.ready(name):
            for unanswered in filter(None, (self.open.get(name), wish)):
                self._tell(name, unanswered, False, f"nobody offers {action.service}")
            return
        if self._again(action, wish.known):
            wish = self._join(name, action, wish)
        self._send(name, wish)

    @staticmethod
    def _again(action: Action, known: Known) -> bool:
        """Whether to ask until it is answered: a verdict on whatever comes next is no such thing."""
        return action.again and (action.service != topics.JUDGE_SUBTASK or known.subtask != "")

    def _join(self, name: str, action: Action, wish: Wish) -> Wish:
        """The wish for the same that is open already, with who wants to know; else `wish`, in the place of what was open."""
        before = self.open.get(name)
        if before is not None and action.request(before.known) == action.request(wish.known):
            before.say += wish.say
            return before
        if before is not None:
            self._tell(name, before, False, "no answer before it was asked for anew")
        self.open[name] = wish
        return wish

    def _send(self, name: str, wish: Wish) -> None:
        action, wish.sent = ACTIONS[name], time.monotonic()
        future = self.clients[action.service].call_async(action.request(wish.known))
        future.add_done_callback(lambda f: self._answered(name, wish, f))

    def _answered(self, name: str, wish: Wish, future) -> None:
        done, words = ACTIONS[name].answer(future.result())
        self._tell(name, wish, done, words or ("done" if done else "not done"))

    def _tell(self, name: str, wish: Wish, done: bool, words: str) -> None:
        """Of what is asked again only the first answer is told: the others are to the same wish."""
        if self.open.get(name) is wish:
            del self.open[name]
        said, wish.say = wish.say, []
        for tell in said:
            tell(done, f"{ACTIONS[name].text}: {words}")

    def _press(self):
        while not self.keys.empty():
            key = self.keys.get()
            for name, action in ACTIONS.items():
                if action.key == key:
                    self.ask(name)

    def _look(self):
        for name, wish in list(self.open.items()):
            if time.monotonic() - wish.sent > RETRY_S:
                self._ask_again(name, wish)

    def _ask_again(self, name: str, wish: Wish) -> None:
        service = ACTIONS[name].service
        now, then = self.known.episode, wish.known.episode
        if not self.clients[service].service_is_ready():
            self._tell(name, wish, False, f"nobody offers {service}")
        elif service == topics.JUDGE_SUBTASK and now.episode_id != then.episode_id:
            self._tell(name, wish, False, "no answer, and the episode is over")
        else:
            self._send(name, wish)
