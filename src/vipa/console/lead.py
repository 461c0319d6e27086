"""The console's end of the line to `vipa evaluate`, which asks a person through it: see vipa.evaluation.desk."""

import json
import socket
import threading
from contextlib import suppress

from vipa.evaluation.desk import lines


class Lead:
    """What `vipa evaluate` says over `line` (None: nobody leads a set): trial and question; and the answers that go back."""

    def __init__(self, line: socket.socket | None):
        self.line = line
        self.trial: dict | None = None
        self.question: dict | None = None
        if line is not None:
            threading.Thread(target=self._listen, daemon=True, name="lead").start()
            self._say({"hello": True})

    def answer(self, question: str, text: str) -> tuple[bool, str]:
        """Answers the question with the id `question`: whether it stands, in words."""
        standing = self.question
        if standing is None or standing["id"] != question:
            return False, "this is not asked any more"
        allowed = standing["answers"]
        if allowed and text not in allowed:
            return False, f"allowed: {', '.join(allowed.values())}"
        if not allowed and standing["must"] and not text.strip():
            return False, "this wants an answer"
        self.question = None
        self._say({"question": question, "text": text})
        return True, "noted"

    def _say(self, document: dict) -> None:
        with suppress(OSError):
            self.line.sendall(json.dumps(document).encode() + b"\n")

    def _listen(self) -> None:
        for said in lines(self.line):
            self.trial, self.question = said.get("trial") or None, said.get("question")
        self.trial = self.question = None
