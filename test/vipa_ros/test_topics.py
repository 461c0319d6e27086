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
