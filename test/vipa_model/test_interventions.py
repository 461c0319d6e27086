"""Who drove is known of every frame of a training, which weights and selects by it."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
from helpers.bag_forms import rewrite
from helpers.synthetic_bag import EPISODE_ID, START_NS, write_episode
from helpers.synthetic_frames import episode
from helpers.takeover import DRIVES, interventions
from helpers.tiny_model import tiny_config
from vipa.dataset.build import build_from_bags
from vipa_model.configuration_vipa import GroupConfig
from vipa_model.data.frame_source import prepare_frames
from vipa_model.data.frame_store import COMMANDER, NOBODY, PERSON, FrameStore, FrameStoreWriter
from vipa_model.data.lerobot_import import import_lerobot
from vipa_model.recipes import named_recipe

LENGTH = 24
DRIVER = np.array([COMMANDER] * 8 + [NOBODY] * 2 + [PERSON] * 6 + [NOBODY] * 2 + [COMMANDER] * 6)


@pytest.fixture
def store(tmp_path):
    """Four episodes; in the first three a person took over, the last does not say who drove."""
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 32, [GroupConfig()], ["reach", "grasp"])
    rng = np.random.default_rng(0)
    for i in range(4):
        told = {"driver": DRIVER} if i < 3 else {}
        writer.add(f"{i}", episode(rng, 32, LENGTH) | told, "reach the ball")
    return FrameStore(tmp_path)


def source(store, **changes):
    return prepare_frames([store], named_recipe("small").changed(held_out=0.25, **changes), tiny_config())[2]


def test_frames_of_a_person_are_drawn_as_often_as_the_recipe_says_and_those_of_a_pause_never(store):
    plain, often = source(store), source(store, interventions=4)
    driver = plain.dataset.driver
    assert (driver[: 3 * LENGTH].reshape(3, LENGTH) == DRIVER).all() and not driver[3 * LENGTH :].any()
    assert NOBODY not in driver[plain.train] and NOBODY not in driver[plain.held_out]
    frames, counts = np.unique(often.train, return_counts=True)
    assert (frames == plain.train).all() and (counts == np.where(driver[frames] == PERSON, 4, 1)).all()
    assert (counts > 1).any() and (often.held_out == plain.held_out).all()


@pytest.mark.parametrize("who, wanted", [("person", PERSON), ("commander", COMMANDER)])
def test_one_drivers_frames_alone_are_drawn(store, who, wanted):
    chosen = source(store, drivers=who)
    assert len(chosen.train) and (chosen.dataset.driver[chosen.train] == wanted).all()
    assert (chosen.dataset.driver[chosen.held_out] == wanted).all()


def test_what_is_not_there_is_refused(store, tmp_path):
    with pytest.raises(ValueError, match="drivers is 'robot'; allowed: all, person, commander"):
        source(store, drivers="robot")
    with pytest.raises(ValueError, match="interventions is 0; allowed: 1"):
        source(store, interventions=0)
    writer = FrameStoreWriter(tmp_path / "led", ["scene", "wrist"], 32, [GroupConfig()], ["reach", "grasp"])
    for i in range(2):
        writer.add(f"{i}", episode(np.random.default_rng(i), 32), "reach the ball")
    for changes in ({"interventions": 2}, {"drivers": "person"}):
        with pytest.raises(ValueError, match="in no frame of the data did somebody take over"):
            source(FrameStore(tmp_path / "led"), **changes)


def test_a_store_refuses_other_drivers(tmp_path):
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 32, [GroupConfig()], ["reach", "grasp"])
    frames = episode(np.random.default_rng(0), 32, LENGTH)
    with pytest.raises(ValueError, match=r"driver holds \[3\]; allowed: 0, 1 and 2"):
        writer.add("a", frames | {"driver": np.full(LENGTH, 3)}, "reach the ball")


@pytest.mark.parametrize("with_meta", [True, False])
def test_a_takeover_in_a_bag_is_known_to_the_training(tmp_path, with_meta):
    run = tmp_path / "run"
    run.mkdir()
    write_episode(tmp_path / "plain", seconds=2.0)
    rewrite(tmp_path / "plain", run / "bag", more=interventions())
    (run / "scorecard.json").write_text(json.dumps({"episode_id": EPISODE_ID, "outcome": "success"}), encoding="utf-8")
    build_from_bags([run], tmp_path / "set")
    if not with_meta:
        forget_meta(tmp_path / "set")
    store = import_lerobot(tmp_path / "set", tmp_path / "frames", 32)
    at = (np.asarray(store.arrays["stamps"]) - START_NS) / 1e9
    told = [next(who for begun, who, _ in reversed(DRIVES) if begun <= t + 1e-4) for t in at]
    pause = NOBODY if with_meta else PERSON
    assert store.arrays["driver"].tolist() == [{"expert": COMMANDER, "teleop": PERSON, "": pause}[who] for who in told]
    assert {"expert", "teleop", ""} <= set(told)


def forget_meta(dataset):
    """As LeRobot's own tools leave it."""
    import pyarrow.parquet as pq

    for path in (dataset / "meta" / "episodes").glob("chunk-*/file-*.parquet"):
        table = pq.read_table(path, partitioning=None)
        pq.write_table(table.drop_columns(["vipa/meta"]), path)
