"""Node `recorder`: writes the graph's topics, as they were serialized, to one bag an episode.

Parameters: robot (name or path); cell (sim|real); pictures (raw|compressed: what node `compressor` makes of them).
"""

from importlib import import_module
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from vipa_msgs.srv import RecordEpisode

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.recording.recorder import Recorder, summary_json
from vipa.robot.description import load_robot
from vipa_ros.common import node
from vipa_ros.common.diagnostics import publish_diagnostics
from vipa_ros.common.qos import PROFILES, bag_profile, recorder_profile


def message_class(name: str) -> type:
    """The Python class of a message type, e.g. "std_msgs/msg/Bool"."""
    package, _, kind = name.split("/")
    return getattr(import_module(f"{package}.msg"), kind)


STATIC_WRITERS = 16  # of /tf_static, of whose messages a bag begins with the newest: cameras, robot, calibration


class RecorderNode(Node):
    """Raw subscriptions into the Recorder. Single thread; the disk has its own."""

    def __init__(self):
        super().__init__("recorder")
        robot = load_robot(node.parameter(self, "robot", str))
        cell = node.parameter(self, "cell", "sim")
        self.recorder = Recorder()
        self.began: tuple[str, str] | None = None  # folder and episode of the bag that is written
        self.closed: tuple[str, RecordEpisode.Response] | None = None  # the last episode, and what was said of it
        for topic in topics.recorded_topics(robot, cell, node.parameter(self, "pictures", "raw")):
            self.add(topic)
        self.diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, PROFILES["stream"])
        self.create_timer(0.5, self.on_diagnostics, clock=node.steady_clock())
        self.create_service(RecordEpisode, topics.RECORD_EPISODE, self.on_record)
        self.get_logger().info("recorder ready")

    def add(self, topic):
        # the status of the episode before is no part of this one's bag
        latched = {topics.EPISODE_STATUS: 0, topics.INTERVENTION: 0, topics.TF_STATIC: STATIC_WRITERS}.get(topic.name)
        number = self.recorder.add_topic(topic.name, topic.type, [bag_profile(topic.qos)], latched)

        def on_message(data):
            now = self.get_clock().now().nanoseconds
            self.recorder.record(number, now, now, bytes(data))

        def on_lost(event):
            self.recorder.lost(number, event.total_count_change)

        # a latched topic's writer keeps one message: a state that the next one replaced before it was sent is no loss
        events = SubscriptionEventCallbacks(message_lost=on_lost if topic.qos != "latched" else None)
        self.create_subscription(
            message_class(topic.type),
            topic.name,
            on_message,
            recorder_profile(PROFILES[topic.qos]),
            raw=True,
            event_callbacks=events,
        )

    def on_record(self, request, response):
        """The same question again, whose answer was lost, gets the same answer again."""
        asked = (request.folder, request.episode_id)
        try:
            if request.record and not (request.episode_id and asked == self.began):
                data = {"episode_id": request.episode_id, "task": request.task}
                self.recorder.start(Path(request.folder), data, self.get_clock().now().nanoseconds)
                self.began = asked
            elif not request.record and request.episode_id and self.closed and self.closed[0] == request.episode_id:
                return self.closed[1]
            elif not request.record:
                return self.stop(response)
            response.success = True
        except VipaError as error:
            response.success, response.message = False, str(error)
        return response

    def on_diagnostics(self):
        summary = self.recorder.summary()
        if summary is None:
            values, error, doing = {}, "", "idle"
        else:
            values = {"messages": sum(summary.messages.values()), "dropped": sum(summary.dropped.values())}
            error, doing = summary.error and f"bag {self.began[0]}: {summary.error}", "recording"
        publish_diagnostics(self.diagnostics, self, not error, error or doing, values)

    def stop(self, response):
        summary = self.recorder.stop()
        response.success = summary is not None and not summary.error
        response.message = "nothing was being recorded" if summary is None else summary.error
        response.summary = summary_json(summary) if summary else ""
        for topic, count in (summary.dropped if summary else {}).items():
            self.get_logger().warning(f"{topic}: {count} messages did not reach the bag")
        if self.began:
            self.closed, self.began = (self.began[1], response), None
        return response

    def close(self):
        self.recorder.stop()


def main():
    node.run(RecorderNode)


if __name__ == "__main__":
    main()
