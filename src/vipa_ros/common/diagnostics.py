"""What a node says of itself on /diagnostics."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node


def diagnostics(node: Node, ok: bool, message: str, values: dict) -> DiagnosticArray:
    """One status, named after the node, stamped now."""
    status = DiagnosticStatus(
        level=DiagnosticStatus.OK if ok else DiagnosticStatus.ERROR,
        name=name_of(node.get_name()),
        message=message,
        values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = node.get_clock().now().to_msg()
    return array


def name_of(node: str) -> str:
    """The name of a node's status."""
    return f"vipa: {node}"
