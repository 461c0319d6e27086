"""What a node says of itself on /diagnostics."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.publisher import Publisher


def publish_diagnostics(publisher: Publisher, node: Node, ok: bool, message: str, values: dict) -> None:
    """Publishes one status, named after the node and stamped now; nothing while simulated time has not begun: a stamp of zero
    tells no time."""
    now = node.get_clock().now()
    if not now.nanoseconds:
        return
    status = DiagnosticStatus(
        level=DiagnosticStatus.OK if ok else DiagnosticStatus.ERROR,
        name=name_of(node.get_name()),
        message=message,
        values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = now.to_msg()
    publisher.publish(array)


def name_of(node: str) -> str:
    """The name of a node's status."""
    return f"vipa: {node}"
