"""A stand-in for moveit_py, its signatures and refusals as in moveit_py's bindings: it plans straight lines in joint space.

What it was asked goes to the file that VIPA_MOVEIT_PY_LOG names, a JSON value a line.
"""

import json
import os

import moveit_msgs.msg


class CollisionObject:
    """The fields of moveit_msgs/CollisionObject that are used; the installed stand-in of moveit_msgs does not have the type."""

    ADD = b"\x00"

    def __init__(self, id="", primitives=(), primitive_poses=(), operation=None):
        from std_msgs.msg import Header

        self.header, self.id, self.operation = Header(), id, operation
        self.primitives, self.primitive_poses = list(primitives), list(primitive_poses)


if not hasattr(moveit_msgs.msg, "CollisionObject"):
    moveit_msgs.msg.CollisionObject = CollisionObject


def note(**what) -> None:
    with open(os.environ["VIPA_MOVEIT_PY_LOG"], "a", encoding="utf-8") as log:
        log.write(json.dumps(what) + "\n")
