"""Alignment in training: groups of records, turns that do not see each other, numbers beside words, the ablation's capacity."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from helpers.synthetic_frames import make_store  # noqa: E402
from helpers.tiny_model import tiny_config  # noqa: E402
from vipa_model.data import alignment, on_device  # noqa: E402
from vipa_model.data.alignment import AlignmentSource, Groups  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.processing.images import Crop  # noqa: E402
from vipa_model.processing.processing_vipa import VipaProcessor  # noqa: E402
from vipa_model.processing.tokenization_vipa import ByteTokenizer  # noqa: E402
from vipa_model.recipes import Augmentation, named_recipe  # noqa: E402
from vipa_model.runtime.alignment_score import constant_answer, score_checkpoint  # noqa: E402
from vipa_model.training.loop import train  # noqa: E402
from vipa_model.training.setup import prepare  # noqa: E402
from vipa_model.training.stages import set_stage  # noqa: E402

SCENES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six scenes of noise in two views, three questions and a motion each."""
    out, rng = tmp_path_factory.mktemp("align"), np.random.default_rng(0)
    np.save(out / "color.npy", rng.integers(0, 256, (SCENES, 2, 32, 32, 3), np.uint8))
    np.save(out / "depth.npy", rng.integers(400, 900, (SCENES, 2, 32, 32), np.uint16))
    k, visual, action = [[30.0, 0.0, 15.5], [0.0, 30.0, 15.5], [0.0, 0.0, 1.0]], [], []
    pose = [[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 0.1], [0.0, 0.0, 1.0, -0.4], [0.0, 0.0, 0.0, 1.0]]
    for i in range(SCENES):
        both = {
            "images": [f"color.npy#{i},{v}" for v in range(2)],
            "depths": [f"depth.npy#{i},{v}" for v in range(2)],
            "intrinsics": [k, k],
            "extrinsics": [pose, pose],
        }
        for n, name in enumerate(("mug", "pot", "lid")):
            text = {"question": f"Where is the {name}?", "answer": f"left, 0.{10 + i}m"}
            visual.append({"id": f"{i}-{n}", "type": "spatial_relationship", "vector": [-0.1, 0.0, 0.0]} | text | both)
        kind = "motion_translation" if i == 0 else "instructional_motion_generation"
        way = {"trajectory": [[0.1, 0.1, 0.5], [0.2, 0.1, 0.5]], "goal": [0.1, 0.0, 0.0, 0.5]}
        if i > 1:
            way |= {"target": [0.5, 0.1, 0.0], "tip": [0.4, 0.2, 0.1]}
            way |= {"others": [{"instruction": "take the lid", "target": [0.5, 0.1, 0.4]}]}
        action.append({"id": f"{i}", "type": kind, "instruction": "take the mug"} | way | both)
    for name, records in (("visual", visual), ("action", action)):
        (out / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return out


def source_of(folder, **changes):
    """A configuration and its source of the records; what the action queries are told: a record's own instruction and one other."""
    config = tiny_config(vectors=True, **changes)
    processor = VipaProcessor(config, ByteTokenizer.train(["Where is the mug?", "left, 0."], 300))
    recipe = named_recipe("align1").changed(held_out=0.2, turns=4, told=2)
    return config, AlignmentSource([folder / "visual.jsonl", folder / "action.jsonl"], config, processor, recipe)


def test_records_of_the_same_pictures_are_one_sample(folder):
    groups = Groups([folder / "visual.jsonl", folder / "action.jsonl"])
    assert len(groups) == SCENES
    for i in range(SCENES):
        records = groups.read(i)[1]
        assert len(records) == 4
        assert len({tuple(r["images"]) for r in records}) == 1


def test_wrong_records_are_named(folder, tmp_path):
    line = json.loads((folder / "visual.jsonl").read_text(encoding="utf-8").splitlines()[0])
    for change, message in (({"vector": [1, 2]}, "vector"), ({"type": "dance"}, "dance"), ({"depths": []}, "a depth")):
        (tmp_path / "wrong.jsonl").write_text(
            json.dumps(line) + "\n" + json.dumps(line | change) + "\n", encoding="utf-8"
        )
        with pytest.raises(ValueError, match=f"wrong.jsonl:2: .*{message}"):
            Groups([tmp_path / "wrong.jsonl"])
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="no records"):
        Groups([tmp_path / "empty.jsonl"])


def test_a_turn_sees_the_pictures_and_itself_alone(folder):
    """What the other turns say changes nothing; what the pictures show does."""
    config, source = source_of(folder)
    torch.manual_seed(0)
    model = VipaForActionPrediction(config).eval()
    batch = source.batch(np.arange(2), None)
    last = batch["turns"] == 3

    def hidden(batch):
        with torch.no_grad():
            prompt = model.model.embed_prompt(batch)
            return model.model.run_language(prompt, batch["attention_mask"], batch["turns"])[last]

    wanted = hidden(batch)
    other = dict(batch, input_ids=torch.where(batch["turns"] == 2, 65, batch["input_ids"]))
    assert torch.allclose(hidden(other), wanted, atol=1e-6)
    assert not torch.allclose(hidden(dict(batch, pixels=255 - batch["pixels"])), wanted, atol=1e-4)
    alone = batch["turns"] != 2
    kept = {k: v[alone].unflatten(0, (2, -1)) for k, v in batch.items() if k in ("input_ids", "turns")}
    short = dict(batch, **kept, attention_mask=batch["attention_mask"][alone].unflatten(0, (2, -1)))
    with torch.no_grad():
        prompt = model.model.embed_prompt(short)
        found = model.model.run_language(prompt, short["attention_mask"], short["turns"])[short["turns"] == 3]
    assert torch.allclose(found, wanted, atol=1e-5)  # nor where in the sequence a turn stands


def test_numbers_are_asked_where_they_are_known(folder):
    config, source = source_of(folder, answers=True, tip=True)
    model = VipaForActionPrediction(config)
    batch = source.batch(np.arange(SCENES), None)
    assert batch["goal"].isfinite().all()
    assert batch["vector"].isfinite().all(-1).sum() == 3 * SCENES
    known = {key: batch[key].isfinite().all(-1).sum(0).tolist() for key in ("target", "tip")}
    assert known == {"target": [SCENES - 2, SCENES - 2], "tip": [SCENES - 2, 0]}  # of what else is told, no tip
    losses = model(batch)
    parts = ("language", "vector", "goal", "target", "tip")
    assert losses["loss"].item() == pytest.approx(sum(losses[k].item() for k in parts))
    losses["loss"].backward()
    for name in (
        "queries",
        "numbers.goal.weight",
        "numbers.vector.weight",
        "answers.read.2.weight",
        "fusion.layers.0.alpha",
    ):
        assert model.model.get_parameter(name).grad.abs().max() > 0, name
    unknown = dict(batch, target=torch.full_like(batch["target"], torch.nan))
    assert float(model(unknown)["target"].detach()) == 0.0


def test_queries_follow_each_instruction_of_the_same_pictures(folder):
    """The second ones see what else could be told and not the first; what they answer is held against its own place."""
    config, source = source_of(folder, answers=True)
    torch.manual_seed(0)
    model, batch = VipaForActionPrediction(config).eval(), source.batch(np.arange(2, 4), None)
    own, other = ((batch["turns"] == batch["query_turn"][:, i, None]) for i in (0, 1))
    texts = [
        [source.processor.tokenizer.decode(i[t].tolist()) for i, t in zip(batch["input_ids"], m)] for m in (own, other)
    ]
    assert [set(t) for t in texts] == [{"take the mug"}, {"take the lid"}]

    def target(changes):
        with torch.no_grad():
            return float(model(batch | changes)["target"])

    def rows(which):
        hidden = torch.full_like(batch["target"], torch.nan)
        hidden[:, which] = batch["target"][:, which]
        return {"target": hidden}

    unlike = {"input_ids": torch.where(other & (batch["input_ids"] < 256), 65, batch["input_ids"])}
    assert target(rows(0) | unlike) == pytest.approx(target(rows(0)), abs=1e-6)
    assert abs(target(rows(1) | unlike) - target(rows(1))) > 1e-4


def test_where_the_target_is_seen_is_looked_at(folder):
    """Known by the pictures' tokens alone: words have no place in a picture. A new part changes nothing of what was learnt."""
    plain, _ = source_of(folder, answers=True)
    config, source = source_of(folder, answers=True, look=True)
    torch.manual_seed(0)
    model, batch = VipaForActionPrediction(config), source.batch(np.arange(SCENES), None)
    assert batch["sight"].shape == (SCENES, 2, 2, 2) and batch["sight"].isfinite().sum() > 0
    before = VipaForActionPrediction(plain).eval()
    before.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("model.look")})
    with torch.no_grad():
        assert torch.equal(before(batch)["target"], model.eval()(batch)["target"])
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        losses.append(model.train()(batch))
        losses[-1]["loss"].backward()
        optimizer.step()
    assert losses[-1]["look"] < 0.2 * losses[0]["look"]
    assert losses[-1]["loss"].item() == pytest.approx(
        sum(losses[-1][k].item() for k in ("language", "look", "vector", "goal", "target")), rel=1e-5
    )
    nowhere = model(dict(batch, sight=torch.full_like(batch["sight"], torch.nan)))
    assert float(nowhere["look"].detach()) == 0.0


def test_a_picture_that_a_sample_lacks_shows_nothing(folder, tmp_path):
    """Beside samples of two pictures, one of the first alone."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    both = ("images", "depths", "intrinsics", "extrinsics")
    for name in ("visual", "action"):
        records = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        records = [r | ({k: r[k][:1] for k in both} if "#2" in r["images"][0] else {}) for r in records]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    config, source = source_of(tmp_path, answers=True, look=True)
    batch = source.batch(np.arange(SCENES), None)
    lacks = (batch["input_ids"] == config.text.image_token).sum(1) == config.vision.tokens
    assert lacks.sum() == 1
    assert not batch["sight"][lacks][:, :, 1].isfinite().any() and batch["sight"][~lacks][:, :, 1].isfinite().any()
    assert VipaForActionPrediction(config)(batch)["look"].isfinite()


def test_what_is_seen_moves_with_the_pictures_in_the_device_s_memory(folder, monkeypatch):
    monkeypatch.setattr(on_device, "CHUNK", 2)  # texts of each are of another length
    config, source = source_of(folder, answers=True, look=True)
    source.recipe = source.recipe.changed(augmentation=Augmentation(8, 0, 0, 0, 0))
    made = on_device.OnDevice(source, torch.device("cpu"), source.processor.tokenizer.pad, 4)
    plain, moved, checked = source.batch(made.train, None), made.batch(made.train, np.random.default_rng(1)), 0
    own = plain["sight"][:, 0]  # whose place is the first of the told
    for b, v in zip(*np.nonzero(own.isfinite().all(-1).numpy()), strict=True):
        fits = [
            (x, y)
            for x in range(-8, 9, 4)
            for y in range(-8, 9, 4)
            if torch.equal(moved["pixels"][b, v, 8 + y : 24 + y, 8 + x : 24 + x], plain["pixels"][b, v, 8:24, 8:24])
        ]
        torch.testing.assert_close(moved["sight"][b, 0, v], own[b, v] + torch.tensor(fits[0]))
        checked += 1
    assert checked > 1
    assert VipaForActionPrediction(config)(moved)["loss"].isfinite()


def test_vocabulary_and_motion_in_stage_two(folder):
    config, source = source_of(folder, motion_tokens=3072)
    batch = source.batch(np.arange(SCENES), None)
    assert (
        (batch["labels"] >= config.text.vocab).sum(1) > 0
    ).sum() == SCENES - 1  # the translated motion is in the question
    model = VipaForActionPrediction(config)
    set_stage(model, "2-small")
    model(batch)["loss"].backward()
    assert model.model.vision.layers[0].weight.grad is None
    assert model.model.language.embed_tokens.weight.grad[config.text.vocab :].abs().max() > 0


def test_what_is_held_out_is_looked_at(folder, monkeypatch):
    monkeypatch.setattr(alignment, "HELD_OUT_MOST", 2)
    config, source = source_of(folder)
    source = AlignmentSource(source.groups.files, config, source.processor, source.recipe.changed(held_out=0.5))
    assert len(source.held_out) == 2 and len(source.train) == SCENES - 2
    assert not set(source.held_out) & set(source.train)


def test_the_ablation_has_the_same_capacity_and_sees_no_depth(folder):
    config, _source = source_of(folder)
    other, blind = source_of(folder, kind="colour")
    count = [sum(p.numel() for p in VipaForActionPrediction(c).parameters()) for c in (config, other)]
    assert count[0] == count[1]
    batch = blind.batch(np.arange(2), None)
    assert "pointmap" not in batch
    model = VipaForActionPrediction(other)
    model(batch)["loss"].backward()
    assert model.model.spatial.embed.weight.grad.abs().max() > 0


def test_scores_are_of_what_a_checkpoint_says(folder, tmp_path):
    """A model that has learnt by heart six scenes that all say the same answers right; an untrained one does not."""
    config, source = source_of(folder, motion_tokens=0, answers=True, tip=True)
    torch.manual_seed(0)
    model, files = VipaForActionPrediction(config), [folder / "visual.jsonl"]
    source.processor.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    before = score_checkpoint(tmp_path, files, SCENES)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    batch = source.batch(np.arange(SCENES), None)
    for _ in range(60):
        optimizer.zero_grad()
        model(batch)["loss"].backward()
        optimizer.step()
    model.save_pretrained(tmp_path)
    asked = score_checkpoint(tmp_path, [*files, folder / "action.jsonl"], SCENES)
    for name in ("queries: target", "queries: tip"):
        assert asked[name]["questions"] == SCENES - 2 and asked[name]["distance_error_m"] is None
        assert asked[name]["point_error_m"] < 0.03
    otherwise = asked["queries: told otherwise"]
    assert otherwise["questions"] == SCENES - 2 and otherwise["point_error_m"] < 0.03
    after = score_checkpoint(tmp_path, files, SCENES)["spatial_relationship"]
    assert after["questions"] == 3 * SCENES
    assert after["direction_score"] == 3.0 > before["spatial_relationship"]["direction_score"]
    assert after["point_error_m"] < 0.03 < before["spatial_relationship"]["point_error_m"]
    unseen = score_checkpoint(tmp_path, files, SCENES, without_depth=True)["spatial_relationship"]
    assert unseen["point_error_m"] != after["point_error_m"]
    with pytest.raises(ValueError, match="no question"):
        score_checkpoint(tmp_path, [folder / "action.jsonl"], SCENES)


def test_told_one_thing_it_does_not_learn_to_be_told_another(folder, tmp_path):
    """As above, but the queries are told a record's own instruction alone."""
    config, source = source_of(folder, motion_tokens=0, answers=True)
    source.recipe = source.recipe.changed(told=1)
    torch.manual_seed(0)
    model, batch = VipaForActionPrediction(config), source.batch(np.arange(SCENES), None)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model(batch)["loss"].backward()
        optimizer.step()
    source.processor.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    asked = score_checkpoint(tmp_path, [folder / "visual.jsonl", folder / "action.jsonl"], SCENES)
    assert asked["queries: target"]["point_error_m"] < 0.03
    assert asked["queries: told otherwise"]["point_error_m"] > 0.2  # it has never been told of a lid


def test_an_answer_that_looks_at_no_picture_is_the_mean(folder):
    row = constant_answer([folder / "visual.jsonl"], SCENES)["spatial_relationship"]
    assert row["direction_score"] == 3.0  # all of them say left
    assert row["distance_error_m"] == pytest.approx(0.0, abs=1e-9)


def test_the_three_stages_one_after_the_other(folder, tmp_path):
    """Aligned, taught motions, taught demonstrations of the same robot: what was learnt goes on, pictures are cropped as they were."""
    (tmp_path / "data").mkdir()
    for file in folder.iterdir():
        (tmp_path / "data" / file.name).write_bytes(file.read_bytes())
    crop = {"scene": [0.1, 0.0, 0.9, 1.0]}
    (tmp_path / "data" / "scenes.json").write_text(json.dumps({"crops": crop}), encoding="utf-8")
    files = [tmp_path / "data" / f"{name}.jsonl" for name in ("visual", "action")]
    first, changes = (
        None,
        {k: v for k, v in flat(tiny_config().to_dict()) if k not in ("model_type", "size", "vectors")},
    )
    for recipe in ("align1", "align2"):
        how = named_recipe(recipe).changed(steps=2, batch=2, held_out=0.2, precision="fp32")
        prepared = prepare(how, files, first, None, changes if first is None else {})
        first = tmp_path / recipe
        train(how, *prepared, first, quiet=True)
    processor = VipaProcessor.from_pretrained(first)
    assert processor.crops == {"scene": Crop(*crop["scene"])}
    store = make_store(tmp_path / "demos", 4, size=32)
    how = named_recipe("stage3").changed(steps=2, batch=4, held_out=0.25, precision="fp32", lr=1e-3)
    model, processor, source = prepare(how, [store.folder], first)
    before = load_file(first / "model.safetensors")
    assert processor.crops == store.crops
    assert np.any(processor.action_statistics.offset)
    train(how, model, processor, source, tmp_path / "policy", quiet=True)
    after = load_file(tmp_path / "policy" / "model.safetensors")
    changed = {k for k in after if not torch.equal(after[k], before[k])}
    assert any(k.startswith("model.language") for k in changed)
    assert not any(k.startswith(("model.vision", "model.spatial", "model.fusion")) for k in changed)


def flat(values: dict, prefix: str = ""):
    """(dotted key, value) of the parts of a configuration."""
    for key, value in values.items():
        if isinstance(value, dict) and key != "extra":
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
