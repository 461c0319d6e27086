"""metadata.yaml of a rosbag2 bag, version 9, as Jazzy writes it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from vipa import documents
from vipa.errors import VipaError

VERSION = 9
FOREVER = {"sec": 9223372036, "nsec": 854775807}


@dataclass(frozen=True)
class Qos:
    """What a publisher offers. `depth`: messages kept by keep_last."""

    reliability: Literal["reliable", "best_effort"] = "reliable"
    durability: Literal["volatile", "transient_local"] = "volatile"
    depth: int = 10
    history: Literal["keep_last", "keep_all"] = "keep_last"

    def as_rosbag2(self) -> dict:
        return {
            "history": self.history,
            "depth": self.depth,
            "reliability": self.reliability,
            "durability": self.durability,
            "deadline": dict(FOREVER),
            "lifespan": dict(FOREVER),
            "liveliness": "automatic",
            "liveliness_lease_duration": dict(FOREVER),
            "avoid_ros_namespace_conventions": False,
        }


def qos_text(profiles: tuple[Qos, ...]) -> str:
    """The profiles as the YAML text that stands in a channel's metadata."""
    return yaml.safe_dump([q.as_rosbag2() for q in profiles], sort_keys=False).strip() if profiles else "[]"


@dataclass(frozen=True)
class TopicEntry:
    """A topic of a bag. `qos`: YAML text of its offered profiles. `count`: messages. `encoding`: of its messages."""

    name: str
    type: str
    qos: str
    type_hash: str
    count: int
    encoding: str = "cdr"


def bag_information(
    mcap_name: str, topics: list[TopicEntry], start_ns: int, end_ns: int, custom_data: dict[str, str]
) -> dict:
    """What stands under `rosbag2_bagfile_information`, for a bag of the one file `mcap_name`. Times: log times."""
    count = sum(t.count for t in topics)
    start = {"nanoseconds_since_epoch": start_ns}
    duration = {"nanoseconds": max(0, end_ns - start_ns)}
    return {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": dict(duration),
        "starting_time": dict(start),
        "message_count": count,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": t.name,
                    "type": t.type,
                    "serialization_format": t.encoding,
                    "offered_qos_profiles": _profiles(t.qos),
                    "type_description_hash": t.type_hash,
                },
                "message_count": t.count,
            }
            for t in topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [mcap_name],
        "files": [{"path": mcap_name, "starting_time": start, "duration": duration, "message_count": count}],
        "custom_data": dict(custom_data) or None,
        "ros_distro": "jazzy",
    }


def _profiles(text: str) -> list:
    try:
        profiles = documents.parse_yaml(text, "profiles", finite=False)
    except VipaError:  # a channel of a damaged or foreign file
        return []
    return profiles if isinstance(profiles, list) else []


def joined(parts: list[dict]) -> dict:
    """The information of a bag whose files are those of `parts`, each of one file, in the order they were written."""
    filled = [p for p in parts if p["message_count"]] or parts
    start = min(p["starting_time"]["nanoseconds_since_epoch"] for p in filled)
    end = max(p["starting_time"]["nanoseconds_since_epoch"] + p["duration"]["nanoseconds"] for p in filled)
    topics: dict[tuple[str, str], dict] = {}
    for topic in (t for p in parts for t in p["topics_with_message_count"]):
        key = topic["topic_metadata"]["name"], topic["topic_metadata"]["type"]
        before = topics.get(key, {"message_count": 0})["message_count"]
        topics[key] = {**topic, "message_count": before + topic["message_count"]}
    return {
        **parts[0],
        "duration": {"nanoseconds": end - start},
        "starting_time": {"nanoseconds_since_epoch": start},
        "message_count": sum(p["message_count"] for p in parts),
        "topics_with_message_count": list(topics.values()),
        "relative_file_paths": [name for p in parts for name in p["relative_file_paths"]],
        "files": [file for p in parts for file in p["files"]],
    }


def dump(data: dict) -> str:
    """`data` as YAML in the order of its keys."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def is_plain_mcap(information: dict) -> bool:
    """Whether the bag's files are MCAP, not compressed as a whole."""
    mode = information.get("compression_mode")
    return information.get("storage_identifier") == "mcap" and (not mode or str(mode).lower() == "none")


def write_metadata(folder: Path, information: dict) -> None:
    """Writes `folder`/metadata.yaml in one step: a reader sees the old one or the new one."""
    text = dump({"rosbag2_bagfile_information": information})
    temporary = folder / ".metadata.yaml.tmp"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, folder / "metadata.yaml")


def read_metadata(folder: Path) -> dict | None:
    """`rosbag2_bagfile_information` of a bag, or None if metadata.yaml is absent or is no such file."""
    try:
        information = documents.read_yaml(folder / "metadata.yaml")["rosbag2_bagfile_information"]
    except (VipaError, KeyError, TypeError):
        return None
    return information if isinstance(information, dict) else None
