"""Message definitions: the ros2msg text and the RIHS01 hash of a type, from .msg files. Needs no ROS.

Where a `.msg` file is looked for, first hit wins: the prefixes of AMENT_PREFIX_PATH, the Python prefix (the ROS
wheels put their share folders there), the prefix this package is installed in, and a checkout (`vipa_msgs/`,
`interfaces/*/`). Types of Jazzy that are in none of them come from the `rosbags` library.
"""

import json
import os
import sys
import threading
from functools import cache
from pathlib import Path

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from vipa import resources
from vipa.errors import VipaError

SEPARATOR = "=" * 80
OWN_PACKAGES = ("vipa_msgs", "tf2_msgs", "control_msgs", "moveit_msgs")

_lock = threading.RLock()


@cache
def _folders() -> tuple[Path, ...]:
    """Folders that hold `<package>/msg/<Name>.msg`."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    root = resources.root()
    shares = [p / "share" for p in (*prefixes, Path(sys.prefix))]
    return (*shares, root.parent, root, root / "interfaces")


def _find(typename: str) -> Path | None:
    package, _, name = typename.split("/")
    paths = (folder / package / "msg" / f"{name}.msg" for folder in _folders())
    return next((path for path in paths if path.is_file()), None)


def _normal(typename: str) -> str:
    """`pkg/msg/Name` for `pkg/Name` and `pkg/msg/Name`. Raises VipaError."""
    parts = typename.split("/")
    if len(parts) == 2:
        parts.insert(1, "msg")
    if len(parts) != 3 or parts[1] != "msg" or not all(parts):
        raise VipaError(f"message type '{typename}': want package/msg/Name")
    return "/".join(parts)


def _nested(typename: str, fields) -> list[str]:
    """Message types named by the fields of `typename`, in their order."""
    found = []
    for _, (node, detail) in fields:
        if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            node, detail = detail[0]
        if node == Nodetype.NAME and detail not in found:
            found.append(detail)
    return found


def _texts(typename: str, texts: dict[str, str]) -> None:
    """Adds the .msg text of `typename` and of all it is made of to `texts`, and teaches the store what it lacks."""
    if typename in texts:
        return
    store = _store()
    path = _find(typename)
    if path is not None:
        text = path.read_text(encoding="utf-8")
        fields = get_types_from_msg(text, typename)[typename][1]
    elif typename in store.fielddefs:
        text = store.generate_msgdef(typename, ros_version=2)[0].split(SEPARATOR)[0]
        fields = store.fielddefs[typename][1]
    else:
        raise VipaError(f"message type '{typename}': no {typename}.msg in {', '.join(str(f) for f in _folders())}")
    texts[typename] = text.rstrip("\n") + "\n"
    for name in _nested(typename, fields):
        _texts(name, texts)
    if typename not in store.fielddefs:
        store.register(get_types_from_msg(text, typename))


@cache
def _store() -> Typestore:
    return get_typestore(Stores.ROS2_JAZZY)


@cache
def definition(typename: str) -> str:
    """The text of `typename` ("pkg/msg/Name") and of all types in it, as rosbag2 writes it to MCAP schemas.

    Raises VipaError if a definition is not found. Any thread.
    """
    texts: dict[str, str] = {}
    with _lock:
        _texts(_normal(typename), texts)
    (_, head), *rest = texts.items()
    parts = [head]
    for name, text in rest:
        package, _, short = name.split("/")
        parts.append(f"{SEPARATOR}\nMSG: {package}/{short}\n{text}")
    return "\n".join(parts)


@cache
def type_hash(typename: str) -> str:
    """RIHS01 hash ("RIHS01_" + 64 hex digits) of `typename`, as the compiled type has it. Raises VipaError.

    Read from the type description that rosidl leaves beside the .msg file; worked out by `rosbags` where there is none.
    (Its hashes differ from rosidl's for the types with `char` or `byte` fields.)
    """
    definition(typename)
    typename = _normal(typename)
    path = _find(typename)
    if path is not None and path.with_suffix(".json").is_file():
        hashes = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["type_hashes"]
        found = next((h["hash_string"] for h in hashes if h["type_name"] == typename), None)
        if found:
            return found
    return _store().hash_rihs01(typename)


@cache
def typestore() -> Typestore:
    """Types of Jazzy and ours (OWN_PACKAGES), with serialize_cdr and deserialize_cdr. Any thread."""
    for folder in _folders():
        for package in OWN_PACKAGES:
            for path in sorted((folder / package / "msg").glob("*.msg")):
                definition(f"{package}/msg/{path.stem}")
    return _store()


def clean_cdr(typename: str, data: bytes) -> bytes:
    """A serialized message of `typename` as its fields alone make it. Any thread.

    What rclpy serializes may be longer than the message, and what lies between its fields and behind them is memory that
    was never written: readers that know the message's length refuse it, and it is nobody's to see. Raises VipaError if it is
    no such message.
    """
    store = typestore()
    try:
        definition = store.get_msgdef(typename)
        read = definition.deserialize_cdr_le if data[1] else definition.deserialize_cdr_be
        message, _ = read(memoryview(data)[4:], 0, definition.cls, store)
        return bytes(store.serialize_cdr(message, typename))
    except Exception as error:  # noqa: BLE001 - bytes of any kind may make generated code raise anything
        raise VipaError(f"message of {typename}: {error or type(error).__name__}") from None
