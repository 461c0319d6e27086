#!/usr/bin/env python3
"""Breaks the model and its training in one place at a time and says whether a test notices.

    .venv/bin/python scripts/mutations.py [NAME…]      run by hand, some ten seconds each; exit status 1 if one survives

A mutation is a line of the source replaced in a copy of the tree; its tests must fail there, and pass in a copy as it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL, TESTS = "src/vipa_model/", "test/vipa_model/"
# name → (file, what stands there, what is put in its place, the tests that should notice)
MUTATIONS = {
    "head ignores the condition": (
        "network/dit.py", "self.cross_key_value(condition).chunk", "self.cross_key_value(condition * 0).chunk", "test_sensitivity.py"),
    "condition from the first tokens": (
        "network/modeling_vipa.py", "mask)[:, prompt.shape[1] :]", "mask)[:, : queries.shape[1]]", "test_sensitivity.py"),
    "state is ignored": (
        "network/dit.py", "token = self.state_in(state)", "token = self.state_in(state * 0)", "test_sensitivity.py"),
    "stage 1 at a hundred times its rate": (
        "recipes.py", 'Recipe("stage1", "1", "hand3d-visual", epochs=1, batch=32, lr=1e-5',
        'Recipe("stage1", "1", "hand3d-visual", epochs=1, batch=32, lr=1e-3', "test_recipes.py"),
    "the rate is never applied": (
        "training/loop.py", 'group["lr"] = learning_rate(recipe, step, self.total)', "learning_rate(recipe, step, self.total)", "test_recipes.py"),
    "no weight decay": (
        "training/optimizer.py", '"weight_decay": recipe.weight_decay', '"weight_decay": 0.0', "test_recipes.py"),
    "stage 3 with another batch and length": (
        "recipes.py", "steps=30_000, batch=128", "steps=3_000, batch=32", "test_recipes.py"),
    "next-token loss is not shifted": (
        "network/modeling_vipa.py", 'labels = batch["labels"][:, 1:]', 'labels = batch["labels"][:, :-1]', "test_internvl.py"),
    "auxiliary losses weigh nothing": (
        "network/modeling_vipa.py", "self.config.aux_weight * extra", "0 * extra", "test_sensitivity.py"),
    "chat form is broken": (
        "processing/processing_vipa.py", '"<|im_end|>\\n<|im_start|>assistant\\n"', '"<|im_start|>assistant\\n"', "test_internvl.py"),
    "micro-batches are summed": (
        "training/loop.py", 'accelerator.backward(losses["loss"] / len(batches))', 'accelerator.backward(losses["loss"])',
        "test_distributed.py"),
    "all processes see the same samples": (
        "training/loop.py", "[self.rank :: world]", "[0::world]", "test_distributed.py"),
    "CUT3R's pictures are not scaled": (
        "network/spatial_cut3r.py", "antialias=True) * 2 - 1", "antialias=True)", "test_cut3r.py"),
    "fusion leaves alpha out": (
        "network/fusion.py", "semantic + self.alpha * self.out(attended)", "semantic + self.out(attended)", "test_fusion.py"),
    "spatial encoder random and frozen": (
        "training/stages.py", "+ new_here(model, stage)", "", "test_starting_point.py"),
    "dropout hangs on what came before": (
        "training/loop.py", "torch.manual_seed(_seed(recipe.seed, step, self.rank, 1))", "pass", "test_training.py"),
    "untied output does not train": (
        "training/stages.py", '("model.fusion", "model.language", "model.output")', '("model.fusion", "model.language")', "test_internvl.py"),
    "cache forgets where it is": (
        "network/modeling_vipa.py", "clamp(min=0)[:, seen:]", "clamp(min=0)[:, : total - seen]", "test_pretrained.py"),
    "constants are not filled in": (
        "network/pretrained.py", "        fill_constants(module)", "        return", "test_pretrained.py"),
    "crops are lost in stage 3": (
        "data/frame_source.py", "VipaProcessor.from_pretrained(start).tokenizer, stores[0].crops)",
        "VipaProcessor.from_pretrained(start).tokenizer)", "test_starting_point.py"),
    "what says where the target is stays frozen": (
        "training/stages.py", '        "model.grounding",\n        "model.answers",\n', "", "test_modeling.py"),
    "points leave their cached features": (
        "data/frame_source.py", "replace(recipe.augmentation, shift=0)", "replace(recipe.augmentation)", "test_training.py"),
}  # fmt: skip


def killed(name: str) -> bool:
    """Whether the tests of mutation `name` fail on the mutated copy. Raises ValueError where its line is not in the source."""
    file, old, new, tests = MUTATIONS[name]
    text = (ROOT / MODEL / file).read_text("utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{name}: {old!r} stands {text.count(old)} times in {file}; allowed: once")
    return not passes(tests, file, text.replace(old, new))


def passes(tests: str, file: str = "", text: str = "") -> bool:
    """Whether `tests` pass in a copy of the tree, in which `file` of the model holds `text`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("src", "test", "config", "tasks", "urdf"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if file:
            (copy / MODEL / file).write_text(text, "utf-8")
        env = os.environ | {"PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy / 'test'}", "PYTHONDONTWRITEBYTECODE": "1"}
        words = ["-m", "pytest", "-n", "0", "-q", "-x", "-m", "not slow and not gpu", "-p", "no:cacheprovider"]
        result = subprocess.run(
            [sys.executable, *words, TESTS + tests],
            cwd=copy,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if result.returncode not in (0, 1):
            raise ValueError(
                f"{tests}: pytest ended with {result.returncode}:\n{result.stdout[-2000:]}{result.stderr[-1000:]}"
            )
        return result.returncode == 0


def main() -> int:
    names = sys.argv[1:] or list(MUTATIONS)
    survived = []
    for tests in sorted({MUTATIONS[name][3] for name in names}):
        if not passes(tests):
            print(f"{tests} fails without a mutation: nothing can be said")
            return 2
    for name in names:
        dead = killed(name)
        print(f"{'killed  ' if dead else 'SURVIVED'}  {name}  ({MUTATIONS[name][3]})", flush=True)
        if not dead:
            survived.append(name)
    print(f"{len(names) - len(survived)} of {len(names)} killed")
    return bool(survived)


if __name__ == "__main__":
    raise SystemExit(main())
