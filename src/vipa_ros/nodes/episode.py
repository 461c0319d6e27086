"""Node `episode`: asks the task manager for one episode, shows its checklist while it runs, and ends with its outcome.

Parameters: task, commander; seed (int), variant, time_limit (seconds of ROS time, 0: the task's), run_folder (empty: nothing
is written), require_success (bool), blind (bool: its words do not say which policy it is). Exit status: 0 the episode ran and was scored; 1 it did not, or it failed and
require_success is set; 130 it was interrupted, and scored as stopped.
"""

import json
import sys
import time
from pathlib import Path

import rclpy
from rcl_interfaces.srv import ListParameters
from rclpy.action import ActionClient
from rclpy.node import Node
from vipa_msgs.action import RunEpisode

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.tasks import scorecard
from vipa.terminal import keyboard
from vipa.terminal.checklist import Checklist
from vipa_ros.common import convert, node
from vipa_ros.common.services import RETRY_S
from vipa_ros.episode.operator_requests import OperatorRequests
from vipa_ros.episode.services import GREETING

SERVER_WAIT_S = 30.0  # wall seconds for the task manager to appear
ANSWER_S = 60.0  # wall seconds for the task manager to accept or refuse
CANCEL_WAIT_S = 4.0  # wall seconds for it to close the bag after a cancel
SERVER_TIMEOUT_S = 1.0  # wall seconds without the task manager after which nothing more is expected of it


class EpisodeNode(Node):
    """A client of RunEpisode. Single thread."""

    def __init__(self):
        super().__init__("episode")
        self.goal = RunEpisode.Goal(
            task=node.parameter(self, "task", str),
            commander=node.parameter(self, "commander", str),
            seed=node.parameter(self, "seed", 0),
            variant=node.parameter(self, "variant", ""),
            time_limit=node.parameter(self, "time_limit", 0.0),
            run_folder=node.parameter(self, "run_folder", ""),
        )
        self.require_success = node.parameter(self, "require_success", False)
        self.blind = node.parameter(self, "blind", False)
        self.client = ActionClient(self, RunEpisode, topics.RUN_EPISODE)
        # made after the action's client: who answers it has met that one as well, since endpoints are made known in their order
        self.greeting = self.create_client(ListParameters, GREETING)
        self.checklist = Checklist()
        self.exit_status = 1
        self.requests = OperatorRequests(self, lambda done, words: self.checklist.note(words))
        if keyboard.is_terminal():  # `vipa episode` has made it give single keys
            keyboard.listen(self.requests.press)

    def wait(self, future, timeout=None):
        """The future's result, None after `timeout` wall seconds or when the task manager has gone."""
        seen, deadline = time.monotonic(), None if timeout is None else time.monotonic() + timeout
        while rclpy.ok() and not future.done():
            now = time.monotonic()
            if self.client.server_is_ready():
                seen = now
            if now - seen > SERVER_TIMEOUT_S or (deadline is not None and now > deadline):
                return None
            rclpy.spin_once(self, timeout_sec=0.1)
        return future.result() if future.done() else None

    def run(self):
        """The episode, from waiting for the graph to the scorecard. Raises VipaError if it is refused."""
        began = time.monotonic()
        while not self.client.server_is_ready():
            rclpy.spin_once(self, timeout_sec=0.05)
            if time.monotonic() - began > SERVER_WAIT_S:
                raise VipaError(f"no task manager at {topics.RUN_EPISODE} within {SERVER_WAIT_S:g} s")
        self.greet(began + SERVER_WAIT_S)
        with self.checklist:
            handle = self.wait(self.client.send_goal_async(self.goal, feedback_callback=self.on_feedback), ANSWER_S)
            if handle is None:
                raise VipaError(
                    f"the task manager did not answer within {ANSWER_S:g} s"
                    if self.client.server_is_ready()
                    else "the task manager has gone; its log says why"
                )
            if not handle.accepted:
                raise VipaError("the task manager refused the episode; its log says why")
            result = handle.get_result_async()
            try:
                answer, interrupted = self.wait(result), False
            except KeyboardInterrupt:
                self.wait(handle.cancel_goal_async(), CANCEL_WAIT_S)
                answer, interrupted = self.wait(result, CANCEL_WAIT_S), True
        card = self.card(answer)
        if card is None:
            print("error: the task manager gave no result", file=sys.stderr, flush=True)
            return
        print(scorecard.render(card, self.blind), flush=True)
        self.exit_status = 130 if interrupted else scorecard.exit_status(card, self.require_success)

    def greet(self, deadline):
        """Waits until the task manager knows of this node: rmw_fastrtps drops for good an answer to a client that it has not met, and
        a goal cannot be sent twice. Raises VipaError at `deadline`, monotonic seconds."""
        asked, last = [], 0.0
        while not any(future.done() for future in asked):
            if (now := time.monotonic()) > deadline:
                raise VipaError(f"the task manager did not answer within {SERVER_WAIT_S:g} s")
            if self.greeting.service_is_ready() and now - last > RETRY_S:
                last = now
                asked.append(self.greeting.call_async(ListParameters.Request()))
            rclpy.spin_once(self, timeout_sec=0.05)

    def card(self, answer):
        """The scorecard in the answer; without one, what the task manager wrote before it ended, None if it did not."""
        if answer is not None and answer.result.scorecard:
            return scorecard.from_dict(json.loads(answer.result.scorecard), "result of the episode")
        path = Path(self.goal.run_folder) / "scorecard.json"
        return scorecard.read(path) if self.goal.run_folder and path.is_file() else None

    def on_feedback(self, message):
        status = message.feedback.status
        try:
            phase, rows = convert.checklist(status)
        except ValueError as error:
            self.get_logger().warning(f"feedback dropped: {error}", throttle_duration_sec=1.0)
            return
        self.checklist.show(status.instruction, phase, status.elapsed, status.time_limit, rows)


def main():
    episode = node.run(EpisodeNode, lambda episode: episode.run())
    sys.exit(episode.exit_status)


if __name__ == "__main__":
    main()
