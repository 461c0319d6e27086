"""Run folders: whole files, the link to the newest, clear errors."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from vipa import files, run_folder
from vipa.errors import VipaError

NOW = datetime(2026, 3, 4, 5, 6, 7)


def test_name_and_latest(tmp_path):
    base = tmp_path / "runs"
    first = run_folder.create(base, "water_plant", run_folder.new_episode_id(), NOW)
    assert (base / "latest").resolve() == first.path.resolve()
    second = run_folder.create(base, "water_plant", "0123456789", NOW)
    assert second.path.name == "20260304-050607-water_plant-01234567"
    assert os.readlink(base / "latest") == second.path.name
    assert sorted(p.name for p in base.iterdir()) == sorted([first.path.name, second.path.name, "latest"])


def test_latest_that_is_a_folder_is_not_overwritten(tmp_path):
    (tmp_path / "latest").mkdir()
    with pytest.raises(VipaError, match="latest"):
        run_folder.create(tmp_path, "t", "1", NOW)


def test_a_base_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(VipaError, match="file"):
        run_folder.create(tmp_path / "file" / "runs", "t", "1", NOW)


@dataclass
class Config:
    rate: float
    file: Path
    home: tuple


def test_config_and_scene(tmp_path):
    run = run_folder.create(tmp_path, "t", "1", NOW)
    run.write_config(robot=Config(10.0, Path("a/b"), (1, 2)), seed=np.int64(3))
    assert yaml.safe_load(run.config.read_text(encoding="utf-8")) == {
        "robot": {"rate": 10.0, "file": "a/b", "home": [1, 2]},
        "seed": 3,
    }
    run.write_scene({"poses": {"apple": np.zeros(2)}})
    assert json.loads(run.scene.read_text(encoding="utf-8")) == {"poses": {"apple": [0.0, 0.0]}}
    run.write_scene('{"seed": 1}')
    assert json.loads(run.scene.read_text(encoding="utf-8")) == {"seed": 1}


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"new": float("nan")})

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(VipaError, match="No space left on device"):
        files.write_json(path, {"new": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
