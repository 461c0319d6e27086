"""The same dataset comes of a bag in every form that rosbag2 writes, and of one in which a person took over."""

import json

import numpy as np
import pytest
import yaml

from helpers.bag_forms import FORMS, compress, rewrite
from helpers.synthetic_bag import EPISODE_ID, START_NS, Messages, write_episode
from helpers.takeover import DRIVES, interventions
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.dataset.reader import Dataset
from vipa.errors import VipaError
from vipa.recording.reader import BagReader
from vipa.recording.topic_names import INTERVENTION

SECONDS = 2.0
QOS = {
    "history": "keep_last", "depth": 7, "reliability": "reliable", "durability": "volatile", "liveliness": "automatic",
    "deadline": {"sec": 0, "nsec": 0}, "lifespan": {"sec": 0, "nsec": 0}, "liveliness_lease_duration": {"sec": 0, "nsec": 0},
    "avoid_ros_namespace_conventions": False,
}  # fmt: skip


def run_of(folder, bag_writer):
    """A run folder whose bag is written by `bag_writer`."""
    folder.mkdir(parents=True)
    bag_writer(folder / "bag")
    (folder / "scorecard.json").write_text(
        json.dumps({"episode_id": EPISODE_ID, "outcome": "success"}), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """(bag, dataset) as the recorder writes it."""
    base = tmp_path_factory.mktemp("plain")
    run = run_of(base / "run", lambda bag: write_episode(bag, seconds=SECONDS))
    build_from_bags([run], base / "set")
    return run / "bag", base / "set"


@pytest.mark.parametrize("form", FORMS)
def test_a_bag_in_another_form_gives_the_same_dataset(plain, tmp_path, form):
    run = run_of(tmp_path / "run", lambda bag: rewrite(plain[0], bag, form))
    names = {path.name for path in (run / "bag").iterdir()}
    if "split" in form:
        assert len(names) == 4
    if "file" in form.split(", ")[1]:
        assert any(name.endswith(".zstd") for name in names)
    report = build_from_bags([run], tmp_path / "set")
    assert report.whole and len(report.added) == 1
    mine, wanted = Dataset(tmp_path / "set"), Dataset(plain[1])
    assert mine.spec == wanted.spec and check(tmp_path / "set") == []
    a, b = mine.episode(0), wanted.episode(0)
    assert a.table.equals(b.table)
    np.testing.assert_array_equal(a.images("scene"), b.images("scene"))
    np.testing.assert_array_equal(a.depth("wrist"), b.depth("wrist"))
    same = {k: v for k, v in b.meta.items() if k not in ("recorded", "run_folder")}
    assert {k: a.meta[k] for k in same} == same


@pytest.mark.parametrize("form", ["sqlite3, none, one file", "sqlite3, message, one file"])
def test_a_topic_whose_qos_is_told_in_two_ways_is_read(plain, tmp_path, form):
    """As in rosbag2's own test bags, whose metadata.yaml was written by another version than the file."""
    bag = rewrite(plain[0], tmp_path / "bag", form)
    told = yaml.safe_load((bag / "metadata.yaml").read_text("utf-8"))
    for topic in told["rosbag2_bagfile_information"]["topics_with_message_count"]:
        topic["topic_metadata"]["offered_qos_profiles"] = [QOS]
    (bag / "metadata.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    with BagReader(bag) as mine, BagReader(plain[0]) as wanted:
        assert sum(1 for _ in mine.raw()) == sum(t.count for t in mine.topics.values())
        assert sorted(mine.raw(["/joint_states"])) == sorted(wanted.raw(["/joint_states"]))


@pytest.mark.parametrize("damaged", [-1, 3])
def test_compressed_pictures_are_read_by_the_names_of_the_plain_ones(plain, tmp_path, damaged):
    run = run_of(tmp_path / "run", lambda bag: compress(plain[0], bag, damaged))
    with BagReader(run / "bag") as bag:
        assert bag.camera_names() == ["scene", "wrist"]
        color, deep = (bag.topics[f"/camera/scene/{name}/image_raw"] for name in ("color", "aligned_depth_to_color"))
        assert color.compressed == f"{color.name}/compressed" and deep.compressed == f"{deep.name}/compressedDepth"
        names = {message.topic for message in bag.messages()}
        assert color.compressed in names and color.name not in names  # all: as they stand in the bag
        both = [message.topic for message in bag.messages([color.name, color.compressed])]
        assert both.count(color.name) == color.count - (damaged >= 0) and set(both) == {color.name, color.compressed}
        with pytest.raises(VipaError, match="topic of the bag"):
            next(bag.raw([color.name]))
    report = build_from_bags([run], tmp_path / "set")
    assert len(report.added) == 1 and report.whole == (damaged < 0)
    if damaged >= 0:
        assert "scene/color/image_raw/compressed: 1 " in str(report)
        return
    mine, wanted = Dataset(tmp_path / "set").episode(0), Dataset(plain[1]).episode(0)
    assert (
        mine.table.drop_columns(["index"]).equals(wanted.table.drop_columns(["index"]))
        and check(tmp_path / "set") == []
    )
    np.testing.assert_array_equal(mine.depth("scene"), wanted.depth("scene"))
    off = mine.images("wrist").astype(int) - wanted.images("wrist")
    assert np.abs(off).mean() < 4


def test_plain_pictures_beside_compressed_ones_are_read(plain, tmp_path):
    compress(plain[0], tmp_path / "small")
    with BagReader(tmp_path / "small") as bag:
        kinds = {t.name: t.type for t in bag.topics.values() if not t.compressed}
        more = [(name, kinds[name], at, data) for name, at, data in bag.raw() if "/compressed" in name]
    rewrite(plain[0], tmp_path / "both", more=more)
    with BagReader(tmp_path / "both") as bag, BagReader(plain[0]) as alone:
        assert not any(info.compressed for info in bag.topics.values())
        topic = "/camera/scene/color/image_raw"
        a, b = (next(bag_.messages([topic])).data for bag_ in (bag, alone))
        np.testing.assert_array_equal(a.data, b.data)


def test_frames_of_a_takeover_carry_who_drove(plain, tmp_path):
    run = run_of(tmp_path / "run", lambda bag: rewrite(plain[0], bag, more=interventions()))
    build_from_bags([run], tmp_path / "set")
    episode, without = Dataset(tmp_path / "set").episode(0), Dataset(plain[1]).episode(0)
    at = (episode.stamps[:, 0] - START_NS) / 1e9
    flags = np.ravel(episode["intervention"]).astype(bool)
    np.testing.assert_array_equal(flags, (at >= 0.5) & (at < 1.4))
    assert flags.any() and not flags.all() and not np.ravel(without["intervention"]).any()
    assert episode.meta["interventions"] == 1
    begun = (episode.meta["start_ns"] - START_NS) / 1e9
    told = [(round(t + begun, 3), who, bool(flag)) for t, who, flag in episode.meta["drives"]]
    assert told == [(round(t, 3), who, flag) for t, who, flag in DRIVES]
    for column in ("action", "executed", "observation.state"):  # the whole attempt is kept
        np.testing.assert_array_equal(episode[column], without[column])
    assert check(tmp_path / "set") == []


def test_an_intervention_of_another_episode_says_nothing(plain, tmp_path):
    m = Messages()
    said = m(
        "vipa_msgs/msg/Intervention",
        header=m.header(START_NS),
        episode_id="another",
        driver="teleop",
        intervention=True,
    )
    more = [(INTERVENTION, "vipa_msgs/msg/Intervention", START_NS, m.serialize(said))]
    run = run_of(tmp_path / "run", lambda bag: rewrite(plain[0], bag, more=more))
    build_from_bags([run], tmp_path / "set")
    assert not np.ravel(Dataset(tmp_path / "set").episode(0)["intervention"]).any()
