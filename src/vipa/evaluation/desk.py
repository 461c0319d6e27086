"""Where the questions of a set on a real cell are put to its person: a terminal, or the console over a socket."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Protocol

from vipa.errors import VipaError

MAX_LINE = 1 << 16  # bytes of a message over the socket
LOOK_PERIOD_S = 0.2  # wall seconds between two looks whether the other side is there


@dataclass(frozen=True)
class Question:
    """One question. answers: what may be answered → in words, the first is meant where nothing is; none: a line of text. must: an
    empty line is no answer."""

    id: str
    text: str
    answers: Mapping[str, str] = field(default_factory=dict)
    must: bool = False

    def accepts(self, answer: str) -> bool:
        """Whether `answer` is one."""
        return answer in self.answers if self.answers else bool(answer) or not self.must


class Desk(Protocol):
    """Where a person sits."""

    def show(self, trial: Mapping[str, object]) -> None:
        """What is under way: number, of, trial_id, instruction, phase. No word of who commands."""

    def ask(self, question: Question) -> str:
        """The answer, one that the question accepts. Raises VipaError if nobody is there."""


class TerminalDesk:
    """A person at this terminal. read: gives the line that is typed behind a text."""

    def __init__(self, read: Callable[[str], str] = input):
        self.read = read

    def show(self, trial) -> None:
        print(f"\ntrial {trial['number']} of {trial['of']} ({trial['trial_id']}): {trial['instruction']}", flush=True)

    def ask(self, question: Question) -> str:
        words = "; ".join(f"{answer or '[Enter]'} {meant}" for answer, meant in question.answers.items())
        prompt = f"{question.text}: {words}: " if words else f"{question.text}: "
        while not question.accepts(answer := self._line(prompt)):
            if question.answers:
                print(f"'{answer}'; allowed: {', '.join(a or 'Enter' for a in question.answers)}", flush=True)
        return answer

    def _line(self, prompt: str) -> str:
        try:
            return self.read(prompt).strip()
        except EOFError:
            raise VipaError(
                "no terminal to ask at: a set on a real cell wants a person, here or at --console"
            ) from None


class SocketDesk:
    """A person at the console, on the other end of `line`: one JSON object a line. What stands is told again to a console that says hello."""

    def __init__(self, line: socket.socket):
        self.line, self.trial = line, {}
        self.question: Question | None = None
        self.answers: queue.SimpleQueue[dict] = queue.SimpleQueue()
        self._telling = threading.Lock()
        threading.Thread(target=self._listen, daemon=True, name="desk").start()

    def show(self, trial) -> None:
        self.trial = dict(trial)
        self._tell()

    def ask(self, question: Question) -> str:
        self.question = question
        self._tell()
        try:
            while True:
                try:
                    said = self.answers.get(timeout=LOOK_PERIOD_S)
                except queue.Empty:  # Ctrl-C has its turn
                    continue
                answer = said.get("text")
                if said.get("question") == question.id and isinstance(answer, str) and question.accepts(answer.strip()):
                    return answer.strip()
        finally:
            self.question = None
            self._tell()

    def _tell(self) -> None:
        question = asdict(self.question) if self.question else None
        with self._telling, suppress(OSError):  # one that is not there now says hello when it is
            self.line.sendall(json.dumps({"trial": self.trial, "question": question}).encode() + b"\n")

    def _listen(self) -> None:
        for said in lines(self.line):
            if "hello" in said:
                self._tell()
            else:
                self.answers.put(said)


def lines(line: socket.socket) -> Iterator[dict]:
    """The objects that come over `line` until it ends; what is none, or too long, is dropped."""
    heard = b""
    while True:
        try:
            more = line.recv(MAX_LINE)
        except OSError:
            return
        if not more:
            return
        *whole, heard = (heard + more).split(b"\n")
        heard = heard[-MAX_LINE:]
        for text in whole:
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict):
                yield said
