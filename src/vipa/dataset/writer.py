"""Writes a dataset: episodes are staged one by one, then laid out as LeRobotDataset v3.0. See docs/dataset.md."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vipa import files
from vipa.dataset.episode import LOCK, EpisodeWriter, staged, sweep
from vipa.dataset.layout import Layout, derive, episode_rows
from vipa.dataset.reader import read_info
from vipa.dataset.spec import SCHEMA, DatasetSpec, has_section, spec_of
from vipa.errors import VipaError


class DatasetWriter:
    """A LeRobot v3.0 dataset in the making. One thread; any number of processes may each have one of the same dataset.

    `add_frame`, `save_episode`: an episode at a time. `finalize`: what was saved becomes part of the dataset.

    Args:
        root: folder; made if it is not there.
        spec: cameras and features.

    Raises:
        VipaError: `root` holds a dataset of another spec, or something else.
    """

    def __init__(self, root: Path, spec: DatasetSpec):
        self.root, self.spec = Path(root), spec
        self.staging = self.root / ".staging"
        self._open: EpisodeWriter | None = None
        if not self._there():  # a refusal leaves nothing behind
            self.root.mkdir(parents=True, exist_ok=True)
            with files.locked(self.root / LOCK):
                if not self._there():
                    (self.root / "meta").mkdir(exist_ok=True)
                    files.write_json(self.root / "meta" / "info.json", spec.info())

    def _there(self) -> bool:
        """Whether the dataset is there. Raises VipaError if it is of another spec, or something else is there."""
        there = spec_at(self.root)
        if there is not None and there != self.spec:
            raise VipaError(f"{self.root}: holds a dataset of other content: {difference(there, self.spec)}")
        return there is not None

    def keys(self) -> set[str]:
        """Keys of all episodes, staged or part of the dataset: what a resumed run need not make again."""
        return {e.key for e in staged(self.staging)} | {row["vipa/key"] for row in episode_rows(self.root)}

    def episode_writer(self, key: str) -> EpisodeWriter:
        """A writer of one episode, for use in another process or thread too (then of its own DatasetSpec)."""
        return EpisodeWriter(self.staging, self.spec, key)

    def add_frame(self, frame: dict[str, np.ndarray], key: str | None = None) -> None:
        """The next frame of the episode in the making; its first one begins it. `key`: its name, default its number."""
        if self._open is None:
            self._open = self.episode_writer(key or f"episode-{len(self.keys()):06d}")
        self._open.add(frame)

    def save_episode(
        self, instruction: str, subtasks: list[str] | None = None, meta: dict[str, Any] | None = None
    ) -> None:
        """Completes the episode in the making. Raises VipaError if it has no frames."""
        if self._open is None:
            raise VipaError(f"{self.root}: save_episode before add_frame")
        episode, self._open = self._open, None
        episode.save(instruction, subtasks or [], meta)

    def discard_episode(self) -> None:
        """Forgets the episode in the making."""
        if self._open is not None:
            self._open.discard()
            self._open = None

    def finalize(self, progress: Callable[[float], None] | None = None) -> int:
        """Makes the saved episodes part of the dataset and returns how many were added; an unfinished one is discarded.

        What other processes have saved becomes part of it, too; what they are writing stays. One at a time: others wait.
        """
        self.discard_episode()
        with files.locked(self.root / LOCK):
            rows = episode_rows(self.root)
            known = {row["vipa/key"] for row in rows}
            found = staged(self.staging)
            new = [episode for episode in found if episode.key not in known]
            if new:
                Layout(self.root, self.spec, rows).add(new, progress)
            derive(self.root, self.spec)
            for episode in found:
                shutil.rmtree(episode.folder)
            sweep(self.staging)
            return len(new)

    def remove_if_empty(self, root_too: bool) -> bool:
        """Removes the dataset if it has no episode and nobody writes one, and its folder for `root_too` if there is nothing beside
        it; whether it did."""
        with files.locked(self.root / LOCK):
            if episode_rows(self.root) or self.staging.exists():
                return False
            shutil.rmtree(self.root / "meta")
            (self.root / LOCK).unlink()
            if root_too and not any(self.root.iterdir()):
                self.root.rmdir()
        return True


def spec_at(root: Path) -> DatasetSpec | None:
    """Of the dataset in `root`; None if there is none yet. Raises VipaError if something else is there, or a dataset that
    nothing can be added to."""
    info = root / "meta" / "info.json"
    if info.is_file():
        found = read_info(info)
        if not has_section(found):
            raise VipaError(
                f"{root}: has no section 'vipa' in meta/info.json: other tools, such as LeRobot's, have written it, without "
                "depth and without what tells which runs it holds; allowed: a new folder, built from the runs, which loses nothing"
            )
        spec = spec_of(found, str(info))
        if spec.schema != SCHEMA:
            raise VipaError(
                f"{root}: was built by an earlier version ({spec.schema}): it is read and trained on as it is, and nothing is added "
                "to it; allowed: a new folder, built from the same runs: vipa dataset build RUNS --out NEW"
            )
        return spec
    if root.is_dir() and any(p.name not in (".staging", LOCK, "meta") for p in root.iterdir()):
        raise VipaError(f"{root}: holds files and no dataset; name a new folder")
    return None


def difference(a: DatasetSpec, b: DatasetSpec) -> str:
    """What differs between the spec of a dataset and another one, in one line."""
    names = [
        n
        for n in ("robot_type", "fps", "cameras", "features", "groups", "action", "lerobot")
        if getattr(a, n) != getattr(b, n)
    ]
    return "; ".join(f"{n} there {getattr(a, n)!r}, here {getattr(b, n)!r}"[:300] for n in names)
