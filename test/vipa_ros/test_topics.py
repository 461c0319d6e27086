"""The topic table is what the docs show."""

import pytest

from vipa import resources
from vipa.recording import topics
from vipa.robot.description import load_robot


def test_the_docs_show_the_table():
    table = topics.markdown(topics.topic_table(load_robot("fr3_single")))
    assert table in (resources.root() / "docs/topics.md").read_text(encoding="utf-8"), (
        "run: python -m vipa.recording.topics > docs/topics.md"
    )


def test_names_are_distinct_and_every_type_exists():
    pytest.importorskip("rclpy")
    from vipa_ros.nodes.recorder import message_class

    rows = topics.topic_table(load_robot("fr3_single"))
    assert len({r.name for r in rows}) == len(rows)
    for row in rows:
        assert message_class(row.type).__name__ == row.type.split("/")[-1]


def test_what_is_recorded_is_neither_lost_on_the_way_nor_missed_where_others_write_it():
    """The recorder hears reliably; the clock, which others may publish best-effort, is read as they do."""
    pytest.importorskip("rclpy")
    from rclpy.qos import QoSCompatibility, ReliabilityPolicy, qos_check_compatible

    from vipa_ros.common.qos import CLOCK_READER, PROFILES, recorder_profile

    for row in topics.topic_table(load_robot("fr3_dual")):
        offered, read = PROFILES[row.qos], recorder_profile(PROFILES[row.qos])
        assert not row.recorded or read.reliability == ReliabilityPolicy.RELIABLE, row.name
        assert qos_check_compatible(offered, read)[0] != QoSCompatibility.ERROR, row.name
    for offered in (PROFILES["clock"], CLOCK_READER):  # ours, and another's, best-effort
        assert qos_check_compatible(offered, CLOCK_READER)[0] != QoSCompatibility.ERROR
