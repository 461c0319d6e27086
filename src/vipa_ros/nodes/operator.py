"""Node `operator`: a person's hand on a running graph, in the terminal: its state, and keys for e-stop, re-arm, recovery, homing
and verdicts on sub-tasks.

Parameters: ask (a name of vipa_ros.episode.operator_requests.ACTIONS: asks for that alone and ends; `state`: says it once and ends;
empty: watches until q or Ctrl-C). Exit status with `ask`: 0 it was done, 1 it was not, 2 nobody was there to do it.
"""

import sys
import time

import rclpy
from rclpy.node import Node
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from vipa_msgs.msg import MotionStatus, RobotStatus

from vipa.errors import VipaError, unknown
from vipa.motion.chunk import Mode
from vipa.recording import topics
from vipa.terminal import keyboard
from vipa.terminal.checklist import render
from vipa_ros.common import convert, node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_ros.episode import operator_state
from vipa_ros.episode.operator_requests import ACTIONS, OperatorRequests

FIND_TIMEOUT_S = 5.0  # wall seconds for a service or the motion node to be found
# wall seconds for a publisher that every graph has: Fast DDS announces a node five times at once, then every 3 s
EVERY_GRAPH_WAIT_S = 5.0
PUBLISHERS_KNOWN_S = 1.0  # wall seconds without another publisher being found, after which all are known
# wall seconds, at most, for what a publisher that was found has latched: it may have said nothing yet
LATCHED_WAIT_S = 3.0
SLOWNESS = 3.0  # times as long as it took to find the newest publisher that another one is waited for
ANSWER_TIMEOUT_S = 120.0  # wall seconds for its answer: homing takes its time
STATUS_TIMEOUT_S = 1.0  # wall seconds without a status after which motion counts as gone
REFRESH_PERIOD_S = 0.2  # wall seconds
STATE_TOPICS = (topics.MOTION_STATUS, topics.SAFETY_STATUS, topics.ROBOT_STATUS, topics.EPISODE_STATUS)
EVERY_GRAPH = (topics.MOTION_STATUS, topics.SAFETY_STATUS, topics.EPISODE_STATUS)
STATE = "state"  # an ask that changes nothing
MODES = ("holding", "executing", "braking", "STOPPED")


class OperatorNode(Node):
    """Single thread; keys come on another and are queued."""

    def __init__(self):
        super().__init__("operator")
        self.wanted = node.parameter(self, "ask", "")
        if self.wanted and self.wanted not in (STATE, *ACTIONS):
            raise unknown("action", self.wanted, (STATE, *ACTIONS))
        self.motion = self.robot = None
        self.heard = 0.0
        self.last: tuple[bool, str] | None = None
        self.quit = False
        self.requests = OperatorRequests(self, self.on_answer)
        listen = Listener(self).on
        listen(MotionStatus, topics.MOTION_STATUS, self.on_motion, PROFILES["stream"])
        listen(RobotStatus, topics.ROBOT_STATUS, self.on_robot, PROFILES["latched"])

    def on_motion(self, msg):
        self.motion, self.heard = convert.motion_status(msg), time.monotonic()

    def on_robot(self, msg):
        self.robot = msg

    def on_answer(self, done, words):
        self.last = (done, words)

    def on_key(self, key):
        if key == "q":
            self.quit = True
        else:
            self.requests.press(key)

    def run(self):
        """Until q, or one answer. Raises VipaError if nobody is there to answer."""
        if self.wanted:
            self.say_state() if self.wanted == STATE else self.ask_once()
            return
        with keyboard.single_keys() as typing, Live(console=Console(), auto_refresh=False) as live:
            if not typing:
                raise VipaError(
                    f"no terminal to type at; allowed: a terminal, or one of {', '.join((STATE, *ACTIONS))}"
                )
            keyboard.listen(self.on_key)
            shown = 0.0
            while rclpy.ok() and not self.quit:
                rclpy.spin_once(self, timeout_sec=0.05)
                if time.monotonic() - shown > REFRESH_PERIOD_S:
                    shown = time.monotonic()
                    live.update(self.picture(), refresh=True)

    def say_state(self):
        """Prints the state, once all that there is to hear is heard. Raises VipaError if motion is not."""
        began = found = time.monotonic()
        known = self.publishers()
        while self.motion is None or time.monotonic() - found < max(
            self.patience(known),
            SLOWNESS * (found - began),  # a machine that took long for the first ones takes long for the others
        ):
            rclpy.spin_once(self, timeout_sec=0.05)
            if (now := self.publishers()) != known:
                known, found = now, time.monotonic()
            if self.motion is None and time.monotonic() - began > FIND_TIMEOUT_S:
                raise VipaError(f"no motion node within {FIND_TIMEOUT_S:g} s; is a graph running in this ROS domain?")
        Console(highlight=False).print(*self.lines(), sep="\n")

    def publishers(self) -> dict[str, int]:
        """How many were found of each topic that is listened to."""
        return {topic: self.count_publishers(topic) for topic in STATE_TOPICS}

    def patience(self, publishers: dict[str, int]) -> float:
        """Wall seconds without another publisher being found after which nothing more is waited for."""
        if not all(publishers[topic] for topic in EVERY_GRAPH):
            return EVERY_GRAPH_WAIT_S
        heard = (self.motion, self.requests.safety, self.robot, self.requests.episode)
        silent = any(publishers[topic] and said is None for topic, said in zip(STATE_TOPICS, heard, strict=True))
        return LATCHED_WAIT_S if silent else PUBLISHERS_KNOWN_S

    def document(self) -> dict:
        """What is known now, for a script: the state, or the answer to what was asked."""
        if self.wanted != STATE:
            done, words = self.last or (False, "")
            return {"ask": self.wanted, "done": done, "message": words}
        return {"motion": operator_state.motion(self.motion), "safety": operator_state.safety(self.requests.safety),
                "robot": operator_state.robot(self.robot), "episode": operator_state.episode(self.requests.episode)}  # fmt: skip

    def ask_once(self):
        deadline = time.monotonic() + FIND_TIMEOUT_S
        while not self.requests.ready(self.wanted):
            rclpy.spin_once(self, timeout_sec=0.05)
            if time.monotonic() > deadline:
                raise VipaError(
                    f"nobody offers {ACTIONS[self.wanted].service} here; is a graph running in this ROS domain?"
                )
        self.requests.ask(self.wanted)
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while self.last is None and time.monotonic() < deadline:
            rclpy.spin_once(self, timeout_sec=0.05)
        done, words = self.last or (False, f"no answer within {ANSWER_TIMEOUT_S:g} s")
        print(words, flush=True)
        self.quit = not done

    def lines(self):
        """What is known now, for the terminal."""
        lines = [self.motion_line()]
        if (safety := self.requests.safety) is not None and safety.stop_reasons:
            lines += [Text(f"  {reason}", "red") for reason in safety.stop_reasons]
        if self.robot is not None:
            ready = "ready" if self.robot.ready else f"not ready: {self.robot.message}"
            lines.append(Text(f"robot   {ready}", "" if self.robot.ready else "red"))
        if (e := self.requests.episode) is not None:
            phase, rows = convert.checklist(e)
            lines.append(render(e.instruction, phase, e.elapsed, e.time_limit, rows))
        return lines

    def picture(self):
        """What is known now, the last answer, and the keys."""
        lines = self.lines()
        if self.last is not None:
            lines.append(Text(self.last[1], "green" if self.last[0] else "red"))
        keys = [("space" if a.key == " " else a.key, a.text) for a in ACTIONS.values()] + [("q", "quit")]
        lines.append(Text(" · ".join(f"{key}: {text}" for key, text in keys), "dim"))
        return Group(*lines)

    def motion_line(self):
        if self.motion is None or time.monotonic() - self.heard > STATUS_TIMEOUT_S:
            return Text("motion  nothing heard", "red")
        mode, who = MODES[self.motion.mode], self.motion.authority or "nobody"
        style = "bold red" if self.motion.mode == Mode.STOPPED else "bold green"
        return Text.assemble("motion  ", (mode, style), f"; authority: {who}; epoch {self.motion.epoch}")


def run() -> tuple[int, OperatorNode]:
    """Exit status, and the node, taken down."""
    operator = node.run(OperatorNode, lambda operator: operator.run())
    return int(bool(operator.wanted) and operator.quit), operator


def main():
    sys.exit(run()[0])


if __name__ == "__main__":
    main()
