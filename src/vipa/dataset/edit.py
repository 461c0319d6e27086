"""Edits of datasets: episodes deleted, split off, merged, relabelled, trimmed.

LeRobot 0.6.1's own edit functions keep LeRobot's files alone (no lossless depth, no section vipa, no episode keys) and encode depth
anew; here packets are copied. What is read stays as it is; what is written appears whole or not at all.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from vipa import files
from vipa.dataset.episode import LOCK, staged
from vipa.dataset.excerpt import Excerpt
from vipa.dataset.layout import Layout, derive, episode_rows
from vipa.dataset.reader import Dataset
from vipa.dataset.spec import DatasetSpec
from vipa.dataset.writer import difference, spec_at
from vipa.errors import VipaError

Progress = Callable[[float], None] | None
WORK = ".edit"  # in the new dataset while it is made: video that was encoded anew


class Editable:
    """A dataset that is to be edited: complete, one of ours. rows: of meta/episodes, with statistics.

    Raises VipaError if it is another tool's, of an earlier version, or has episodes that are saved and not part of it.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        if spec_at(self.root) is None:
            raise VipaError(f"{self.root}: no dataset; allowed: a folder with meta/info.json")
        self.dataset = Dataset(self.root)
        if waiting := staged(self.root / ".staging"):
            raise VipaError(
                f"{self.root}: {len(waiting)} episodes are saved and not part of it yet; first: vipa dataset build RUNS --out {self.root}"
            )
        self.rows = episode_rows(self.root)
        for number, row in enumerate(self.rows):
            try:
                json.loads(row["vipa/meta"])
            except (KeyError, TypeError, ValueError) as error:
                raise VipaError(f"{self.root}: meta/episodes, episode {number}: vipa/meta: {error}") from None

    def chosen(self, episodes: Iterable[int]) -> list[int]:
        """The numbers in order, each once. Raises VipaError for one that is not there, or for none."""
        found = sorted(set(episodes))
        if wrong := [n for n in found if not 0 <= n < len(self.rows)]:
            raise VipaError(f"{self.root}: episode {', '.join(map(str, wrong))}; allowed: 0 to {len(self.rows) - 1}")
        if not found:
            raise VipaError(f"{self.root}: no episode is named; allowed: 0 to {len(self.rows) - 1}")
        return found


def delete(root: Path, episodes: Iterable[int], out: Path, progress: Progress = None) -> int:
    """Writes `root` without `episodes` to `out`; returns how many are left. Raises VipaError if none would be."""
    source = Editable(root)
    gone = set(source.chosen(episodes))
    rest = [n for n in range(len(source.rows)) if n not in gone]
    if not rest:
        raise VipaError(
            f"{root}: all {len(source.rows)} episodes are named; allowed: fewer, a dataset holds at least one"
        )
    return _write(out, source.dataset.spec, [(source, n) for n in rest], progress=progress)


def split(root: Path, parts: dict[str, Sequence[int]], out: Path, progress: Progress = None) -> dict[str, int]:
    """Writes a dataset `out`/name of each part's episodes, all parts or none; returns how many each has.

    Raises VipaError if an episode is in two parts.
    """
    source = Editable(root)
    chosen = {name: source.chosen(episodes) for name, episodes in parts.items()}
    seen: dict[int, str] = {}
    for name, numbers in chosen.items():
        if "/" in name or name.startswith(".") or not name:
            raise VipaError(f"part {name!r}; allowed: the name of a folder")
        for number in numbers:
            if number in seen:
                raise VipaError(f"episode {number} is in the parts {seen[number]} and {name}; allowed: in one")
            seen[number] = name
    with files.new_folder(out) as folder:
        done = 0
        for name, numbers in chosen.items():
            tell = _share(progress, done / len(seen), len(numbers) / len(seen))
            _lay_out(folder / name, source.dataset.spec, [(source, n) for n in numbers], None, tell)
            done += len(numbers)
    return {name: len(numbers) for name, numbers in chosen.items()}


def shares(root: Path, parts: dict[str, float], seed: int = 0) -> dict[str, list[int]]:
    """Draws a share of the episodes for each part, by chance from `seed`. Raises VipaError unless each has one and they fit."""
    source = Editable(root)
    count = len(source.rows)
    if any(not 0 < part <= 1 for part in parts.values()) or sum(parts.values()) > 1 + 1e-9:
        raise VipaError(
            f"shares {', '.join(f'{n}={p:g}' for n, p in parts.items())}; allowed: above 0, together at most 1"
        )
    ends = [round(count * end) for end in np.cumsum(list(parts.values()))]
    drawn = np.random.default_rng(seed).permutation(count)
    found = {n: sorted(drawn[a:b].tolist()) for n, a, b in zip(parts, [0, *ends], ends)}
    if empty := [name for name, numbers in found.items() if not numbers]:
        raise VipaError(f"{root}: {count} episodes give none to {', '.join(empty)}; allowed: greater shares")
    return found


def merge(roots: Sequence[Path], out: Path, progress: Progress = None) -> int:
    """Writes the episodes of all datasets, one behind another, to `out`; returns how many.

    Raises VipaError if they differ in robot, rate, cameras or columns, or hold one episode twice.
    """
    sources = [Editable(root) for root in roots]
    if len(sources) < 2:
        raise VipaError("one dataset; allowed: two or more")
    spec = sources[0].dataset.spec
    for other in sources[1:]:
        if other.dataset.spec != spec:
            raise VipaError(
                f"{other.root}: is no dataset like {sources[0].root}: {difference(spec, other.dataset.spec)}"
            )
        spec = dataclasses.replace(spec, velocities=other.dataset.spec.velocities | spec.velocities)
    seen: dict[str, Path] = {}
    for source in sources:
        for row in source.rows:
            if (key := row["vipa/key"]) in seen:
                raise VipaError(f"episode {key} is in {seen[key]} and in {source.root}; allowed: each once")
            seen[key] = source.root
    return _write(out, spec, [(s, n) for s in sources for n in range(len(s.rows))], progress=progress)


def relabel(
    root: Path,
    out: Path,
    instruction: str | None = None,
    episodes: Iterable[int] | None = None,
    subtasks: dict[str, str] | None = None,
    progress: Progress = None,
) -> int:
    """Writes `root` to `out` with another instruction and other names of sub-tasks (old → new) for `episodes` (None: all);
    returns how many of them changed.

    Raises VipaError for an empty instruction, or a sub-task that is not there.
    """
    source = Editable(root)
    names = subtasks or {}
    if instruction is None and not names:
        raise VipaError("nothing to relabel; allowed: an instruction, names of sub-tasks, or both")
    if any(not text.strip() for text in [*([] if instruction is None else [instruction]), *names.values()]):
        raise VipaError("an empty instruction or name; allowed: words")
    if wrong := [name for name in names if name not in source.dataset.subtasks]:
        raise VipaError(
            f"{root}: no sub-task {', '.join(wrong)}; allowed: {', '.join(source.dataset.subtasks) or 'none'}"
        )
    chosen = set(source.chosen(range(len(source.rows)) if episodes is None else episodes))
    changed = 0

    def edit(excerpt: Excerpt) -> None:
        nonlocal changed
        if excerpt.row["episode_index"] in chosen:
            before = excerpt.instruction, excerpt.subtasks
            excerpt.relabel(instruction, names)
            changed += before != (excerpt.instruction, excerpt.subtasks)

    _write(out, source.dataset.spec, [(source, n) for n in range(len(source.rows))], edit=edit, progress=progress)
    return changed


def trim(root: Path, spans: dict[int, tuple[int, int | None]], out: Path, progress: Progress = None) -> int:
    """Writes `root` to `out` with only the frames first .. end - 1 of the episodes in `spans` (end None: to its end); returns how
    many frames are gone.

    Raises VipaError for a span that is empty or not within its episode.
    """
    source, gone = Editable(root), 0
    for number in source.chosen(spans):
        (first, end), length = spans[number], source.rows[number]["length"]
        end = length if end is None else end
        if not 0 <= first < end <= length:
            raise VipaError(f"{root}: episode {number}: frames {first}:{end}; allowed: within 0:{length}, at least one")
        gone += length - (end - first)
    entries = [(source, n, *spans.get(n, (0, None))) for n in range(len(source.rows))]
    _write(out, source.dataset.spec, entries, progress=progress)
    return gone


def _write(
    out: Path,
    spec: DatasetSpec,
    entries: Sequence[tuple],
    edit: Callable[[Excerpt], None] | None = None,
    progress: Progress = None,
) -> int:
    """Writes a dataset of `entries` (source, episode[, first, end]) to `out`; where `out` is their source, in its place."""
    in_place = Path(out).resolve() in {source.root.resolve() for source, *_ in entries}
    out = Path(out).resolve() if in_place else Path(out)  # a symbolic link to it stays one
    with ExitStack() as held:
        if in_place:  # nobody lays out meanwhile
            held.enter_context(files.locked(out / LOCK))
        folder = held.enter_context(files.new_folder(out, replace=in_place))
        _lay_out(folder, spec, entries, edit, progress)
    return len(entries)


def _lay_out(folder: Path, spec: DatasetSpec, entries: Sequence[tuple], edit, progress: Progress) -> None:
    work = folder / WORK
    work.mkdir(parents=True)
    excerpts = [_excerpt(work, *entry) for entry in entries]
    for excerpt in excerpts:
        if edit is not None:
            edit(excerpt)
    (folder / "meta").mkdir()
    Layout(folder, spec, []).add(excerpts, progress)
    derive(folder, spec)
    shutil.rmtree(work)


def _excerpt(work: Path, source: Editable, number: int, first: int = 0, end: int | None = None) -> Excerpt:
    return Excerpt(source.dataset, source.rows[number], work, first, None if end is None else end - first)


def _share(progress: Progress, begun: float, share: float) -> Progress:
    return None if progress is None else lambda part: progress(begun + share * part)
