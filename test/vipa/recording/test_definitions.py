"""Definitions and hashes against what rosidl made."""

import json
import sys
from pathlib import Path

import pytest

from vipa.recording import definitions

DESCRIPTIONS = sorted(Path(sys.prefix).glob("share/*/msg/*.json"))


def test_known_hashes():
    assert definitions.type_hash("std_msgs/msg/Header").startswith("RIHS01_f49fb3ae2cf070f79364")
    assert definitions.type_hash("sensor_msgs/Image") == definitions.type_hash("sensor_msgs/msg/Image")


@pytest.mark.skipif(not DESCRIPTIONS, reason="no ROS wheels")
def test_hashes_are_those_of_rosidl():
    for path in DESCRIPTIONS:
        entry = json.loads(path.read_text(encoding="utf-8"))["type_hashes"][0]
        assert definitions.type_hash(entry["type_name"]) == entry["hash_string"]


def test_the_worked_out_hash_is_rosidls(monkeypatch):
    """Our own types have no type description until they are compiled: then rosbags works the hash out."""
    store = definitions.typestore()
    paths = [p for p in DESCRIPTIONS if p.parts[-3] in ("sensor_msgs", "geometry_msgs", "trajectory_msgs", "vipa_msgs")]
    for path in paths:
        entry = json.loads(path.read_text(encoding="utf-8"))["type_hashes"][0]
        definitions.definition(entry["type_name"])
        assert store.hash_rihs01(entry["type_name"]) == entry["hash_string"], entry["type_name"]


def test_own_types_are_known():
    types = definitions.typestore().types
    assert {"vipa_msgs/msg/EpisodeStatus", "vipa_msgs/msg/ActionChunk", "tf2_msgs/msg/TFMessage"} <= set(types)
