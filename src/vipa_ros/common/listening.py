"""Subscriptions that survive whatever comes: a message that cannot be used is dropped, named in the log and counted on
/diagnostics; the node goes on."""

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from vipa.recording import topics
from vipa_ros.common.qos import PROFILES

COUNT_PERIOD_S = 1.0  # wall seconds between two counts on /diagnostics


class Listener:
    """The subscriptions of `node`. dropped: messages by topic. One thread."""

    def __init__(self, node: Node):
        self.node = node
        self.dropped: dict[str, int] = {}
        self.said = 0.0
        self.diagnostics = node.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, PROFILES["stream"])

    def on(self, kind: type, topic: str, take: Callable, qos: QoSProfile, **options) -> Subscription:
        """Calls take(message) for every message of `topic`; where it raises ValueError, the message was of no use."""

        def guarded(msg):
            try:
                take(msg)
            except (ValueError, OverflowError) as error:
                self.drop(topic, str(error))

        return self.node.create_subscription(kind, topic, guarded, qos, **options)

    def drop(self, topic: str, reason: str) -> None:
        """A message of `topic` could not be used."""
        self.dropped[topic] = self.dropped.get(topic, 0) + 1
        name = self.node.get_name()
        self.node.get_logger().warning(f"message on {topic} dropped: {reason}", throttle_duration_sec=1.0)
        if time.monotonic() - self.said < COUNT_PERIOD_S:
            return
        self.said = time.monotonic()
        values = [KeyValue(key=topic, value=str(count)) for topic, count in self.dropped.items()]
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN, name=f"vipa: {name}: messages dropped", message=reason, values=values
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.node.get_clock().now().to_msg()
        self.diagnostics.publish(array)
