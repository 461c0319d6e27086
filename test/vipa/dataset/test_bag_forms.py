"""The same dataset comes of a bag in every form that rosbag2 writes, and of one in which a person took over."""

import json

import numpy as np
import pytest

from helpers.bag_forms import FORMS, rewrite
from helpers.synthetic_bag import EPISODE_ID, START_NS, Messages, write_episode
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.dataset.reader import Dataset
from vipa.recording.topic_names import INTERVENTION

SECONDS = 2.0


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


DRIVES = [  # seconds, who, intervention: a pause, a person, a pause, given back
    (0.0, "expert", False),
    (0.5, "", True),
    (0.7, "teleop", True),
    (1.2, "", True),
    (1.4, "expert", False),
]


def interventions():
    m = Messages()
    for count, (at, driver, flag) in enumerate(DRIVES):
        ns = START_NS + round(at * 1e9)
        said = m(
            "vipa_msgs/msg/Intervention",
            header=m.header(ns),
            episode_id=EPISODE_ID,
            commander="expert",
            driver=driver,
            intervention=flag,
            operator_id="person" if flag else "",
            count=int(count > 0),
        )
        for late in (0, 40_000_000):  # it is said again, as the task manager does
            yield INTERVENTION, "vipa_msgs/msg/Intervention", ns + late, m.serialize(said)


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
