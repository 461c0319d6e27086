"""What clients ask for. A request carries an id: asked twice, by a double tap or after a lost connection, it is done once."""

import queue
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

ASKS = ("estop", "rearm", "recover", "home", "done", "failed")  # of the graph: vipa_ros.episode.operator_requests
PLACEMENT = ("accept", "new_reference", "in_spite")  # of node `placement`
ANSWER = "answer"  # to the question that stands
MAX_KEPT = 512  # answers that are remembered
PATIENCE_S = 150.0  # wall seconds for an answer; homing takes its time
MAX_OPEN = 64  # requests that may wait for their answers
MAX_TEXT = 500  # characters of a typed answer
ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True)
class Request:
    """One wish. latch: of the safety state that the person saw when re-arming. question, text: of an answer."""

    id: str
    ask: str
    latch: int | None = None
    question: str = ""
    text: str = ""
    answer: Future = field(default_factory=Future, repr=False, compare=False)


class Requests:
    """From clients, on the server's thread, to who meets them, on another, which `wake` tells that there is something."""

    def __init__(self, wake: Callable[[], None] = lambda: None):
        self._wake = wake
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Request] = OrderedDict()
        self._asked: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._open: dict[str, float] = {}

    def ask(self, said: dict) -> Request:
        """The request that `said` is, or that was asked under its id before. Raises ValueError."""
        request = read(said)
        with self._lock:
            if (known := self._known.get(request.id)) is not None:
                if (known.ask, known.question) != (request.ask, request.question):
                    raise ValueError(f"id '{request.id}' was {known.ask}")
                return known
            if len(self._open) >= MAX_OPEN:
                raise ValueError(f"{MAX_OPEN} requests wait for an answer already")
            self._known[request.id] = request
            self._open[request.id] = time.monotonic()
            for old in [i for i, r in self._known.items() if r.answer.done()][: max(len(self._known) - MAX_KEPT, 0)]:
                del self._known[old]
        self._asked.put(request)
        self._wake()
        return request

    def take(self) -> list[Request]:
        """What has been asked since."""
        found = []
        while not self._asked.empty():
            found.append(self._asked.get())
        return found

    def answered(self, request: Request, done: bool, words: str) -> None:
        """What came of it. A second answer is dropped."""
        with self._lock:
            self._open.pop(request.id, None)
            if not request.answer.done():
                request.answer.set_result((done, words))

    def expire(self, now: float) -> None:
        """Gives up what was asked PATIENCE_S seconds before `now`, monotonic."""
        for number in [i for i, since in list(self._open.items()) if now - since > PATIENCE_S]:
            self.answered(self._known[number], False, f"no answer within {PATIENCE_S:g} s")


def read(said) -> Request:
    """A request as it came over the wire. Raises ValueError that says what is allowed."""
    if not isinstance(said, dict) or set(said) - {"id", "ask", "latch", "question", "text"}:
        raise ValueError("allowed: id, ask, latch, question, text")
    number, ask = said.get("id"), said.get("ask")
    if not isinstance(number, str) or not ID.fullmatch(number):
        raise ValueError("id: allowed: 1 to 64 letters, digits, '_', '.', ':' and '-'")
    if ask not in (*ASKS, *PLACEMENT, ANSWER):
        raise ValueError(f"ask: allowed: {', '.join((*ASKS, *PLACEMENT, ANSWER))}")
    latch = said.get("latch")
    if ask == "rearm" and (type(latch) is not int or not 0 <= latch < 2**32):
        raise ValueError("rearm: latch: allowed: the number of the stop that was seen")
    question, text = said.get("question", ""), said.get("text", "")
    if not isinstance(question, str) or not isinstance(text, str) or len(question) > 64 or len(text) > MAX_TEXT:
        raise ValueError(f"question, text: allowed: text of at most {MAX_TEXT} characters")
    if any(ord(c) < 32 for c in text):
        raise ValueError("text: allowed: one line")
    return Request(number, ask, latch if ask == "rearm" else None, question, text)
