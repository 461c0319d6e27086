"""Several tasks in one checkpoint: their data in one run, parts of tasks drawn alike, and an instruction that decides."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from helpers.synthetic_frames import make_store, observation  # noqa: E402
from helpers.tiny_model import tiny_config  # noqa: E402
from vipa_model.configuration_vipa import VipaConfig  # noqa: E402
from vipa_model.data.alignment import prepare_alignment  # noqa: E402
from vipa_model.data.frame_source import fitting_config, prepare_frames  # noqa: E402
from vipa_model.recipes import named_recipe  # noqa: E402
from vipa_model.runtime.policy import Policy  # noqa: E402
from vipa_model.training.loop import train  # noqa: E402

pytestmark = pytest.mark.train
RECIPE = named_recipe("small").changed(held_out=0.2, augmentation=None, precision="fp32")


def with_tip(arrays):
    return arrays | {"tip": arrays["target"] + [0.1, 0.0, 0.0]}


def upwards(arrays):
    """The same pictures, and an arm that was told to rise."""
    rising = arrays["commanded_tool_pose"].copy()
    rising[:, 2] += 0.01 * np.arange(1, len(rising) + 1)
    return arrays | {"commanded_tool_pose": rising, "commanded_hand": np.ones_like(arrays["hand"])}


@pytest.fixture
def stores(tmp_path):
    """Reaches that have a tip, and others of another instruction, without one, that share a sub-task."""
    reach = make_store(tmp_path / "reach", 4, 32, change=with_tip)
    leave = make_store(
        tmp_path / "leave", 3, 32, seed=1, instruction="leave it", subtasks=("grasp", "rise"), change=upwards
    )
    return [reach, leave]


def test_each_frame_keeps_its_own_words_points_and_subtask(stores):
    config = fitting_config(
        stores, "xs", **{k: getattr(tiny_config(), k) for k in ("vision", "text", "spatial", "fusion", "head")}
    )
    assert config.subtasks == 3 and config.tip and config.target
    _, processor, source = prepare_frames(stores, RECIPE, config)
    data, own = source.dataset, [np.asarray(s.arrays["subtask"]) for s in stores]
    assert data.subtasks == ["reach", "grasp", "rise"]
    first = len(stores[0])
    every = data.batch(np.arange(len(data)))
    assert (every["subtask"].numpy() == np.concatenate([own[0], own[1] + 1])).all()
    assert torch.isfinite(every["tip"][:first]).all() and torch.isnan(every["tip"][first:]).all()
    said = [processor.tokenizer.decode(ids[ids != config.text.image_token].tolist()) for ids in every["input_ids"]]
    assert set(said[:first]) == {"reach the ball"} and set(said[first:]) == {"leave it"}


def test_parts_of_tasks_are_drawn_alike_where_the_recipe_says_so(stores):
    plain, alike = (prepare_frames(stores, RECIPE.changed(balanced=b), tiny_config())[2] for b in (False, True))
    parts = plain.dataset.parts()
    assert len(np.unique(parts)) == 4  # "grasp" of the one task is not that of the other

    def share(source):
        return np.unique(parts[source.train], return_counts=True)[1] / len(source.train)

    assert share(plain).min() < 0.1 < 0.15 < share(alike).min(), (share(plain), share(alike))
    assert (np.unique(alike.train) == plain.train).all() and (alike.held_out == plain.held_out).all()


def test_the_same_pictures_are_acted_on_as_the_instruction_says(tmp_path):
    """Two tasks that differ in nothing but their words."""
    stores = [
        make_store(tmp_path / "reach", 6, 32),
        make_store(tmp_path / "leave", 6, 32, instruction="leave it", change=upwards),
    ]
    recipe = RECIPE.changed(steps=150, batch=32, lr=3e-3, save_every=150, log_every=50, ema=0.9)
    train(recipe, *prepare_frames(stores, recipe, tiny_config(target=True)), tmp_path / "run", quiet=True)
    policy = Policy.from_pretrained(tmp_path / "run", runtime="torch")
    rise = {}
    for text in ("reach the ball", "leave it"):
        seen = observation(stores[0], 2) | {"instruction": text}
        policy.reset()
        rise[text] = policy.act(seen).poses["arm"][-1, 2] - seen["state"]["arm"]["tool_pose"][2]
    assert rise["leave it"] > 0.03 and rise["reach the ball"] < -0.03, rise


def test_a_checkpoint_takes_in_a_task_with_a_longer_instruction(trained, tmp_path):
    words = "put everything that lies on the table into the drawer, and close it"
    more = make_store(tmp_path / "more", 3, 32, 10, instruction=words)
    old = VipaConfig.from_pretrained(trained[0]).text.max_tokens
    recipe = RECIPE.changed(steps=1, batch=4, save_every=1)
    train(recipe, *prepare_frames([more], recipe, start=trained[0]), tmp_path / "run", quiet=True)
    policy = Policy.from_pretrained(tmp_path / "run", runtime="torch")
    assert policy.config.text.max_tokens == policy.processor.max_tokens > old
    for text in (words, "reach the ball"):
        assert np.isfinite(policy.act(observation(more, 2) | {"instruction": text}).poses["arm"]).all()


def test_scenes_that_are_cropped_differently_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for name, edge in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "color.npy", rng.integers(0, 256, (4, 1, 32, 32, 3), np.uint8))
        np.save(folder / "depth.npy", rng.integers(400, 900, (4, 1, 32, 32), np.uint16))
        rows = [
            {"id": f"{i}", "type": "spatial_relationship", "question": "Where is it?", "answer": "left, 0.10m",
             "images": [f"color.npy#{i},0"], "depths": [f"depth.npy#{i},0"], "intrinsics": [np.eye(3).tolist()]}
            for i in range(4)
        ]  # fmt: skip
        (folder / "visual.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        (folder / "scenes.json").write_text(json.dumps({"crops": {"scene": [edge, 0, 1, 1]}}), encoding="utf-8")
    files = {name: tmp_path / name / "visual.jsonl" for name in "abc"}
    recipe = named_recipe("align1")
    _, processor, source = prepare_alignment(recipe, [files["a"], files["b"]], None, {})
    assert processor.crops["scene"].left == 0.1 and len(source.groups) == 8
    with pytest.raises(ValueError, match="scenes are cropped differently: .*0.2.*allowed: the same for all"):
        prepare_alignment(recipe, [files["a"], files["c"]], None, {})
    shutil.rmtree(tmp_path / "c")
