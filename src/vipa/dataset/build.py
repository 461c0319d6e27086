"""From bags to a dataset: every recorded topic is read at the ticks of one rate."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vipa.dataset.readings import reason
from vipa.dataset.run import Run, recorded
from vipa.dataset.spec import DatasetSpec
from vipa.dataset.writer import DatasetWriter, difference, spec_at
from vipa.errors import VipaError


@dataclass
class BuildResult:
    """added: keys of the episodes that were added. episodes: a line for each. skipped: why a run folder was not asked for (it
    is in the dataset, no success), failed: why one could not be used, notes: what is missing of one that was, by run folder."""

    added: list[str] = field(default_factory=list)
    episodes: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Everything that was asked for was used, to the last message."""
        return not self.failed and not self.notes

    def take(self, other: "BuildResult") -> None:
        """Adds what `other` says."""
        self.added += other.added
        self.episodes += other.episodes
        for name in ("skipped", "failed", "notes"):
            getattr(self, name).update(getattr(other, name))

    def __str__(self) -> str:
        head = (
            f"{len(self.added)} episodes added, {len(self.skipped)} run folders skipped, {len(self.failed)} not usable"
        )
        lines = [head, *(f"  added    {line}" for line in self.episodes)]
        lines += [f"  skipped  {folder}: {why}" for folder, why in self.skipped.items()]
        lines += [f"  FAILED   {folder}: {why}" for folder, why in self.failed.items()]
        return "\n".join(
            lines + [f"  NOTE     {folder}: {note}" for folder, notes in self.notes.items() for note in notes]
        )


@dataclass(frozen=True)
class BuildConfig:
    """How run folders become episodes of the dataset `out`. everything: those that were no success, too. action, lerobot: see
    DatasetSpec."""

    out: Path
    fps: int = 10
    everything: bool = False
    action: str = "commanded"
    lerobot: str = "0.6"


def build_from_bags(
    run_folders: Iterable[Path],
    out: Path,
    fps: int = 10,
    everything: bool = False,
    progress: Callable[[float], None] | None = None,
    workers: int = 1,
    action: str = "commanded",
    lerobot: str = "0.6",
) -> BuildResult:
    """Adds an episode of each run folder (bag/, with scorecard.json and config.yaml where there are such) to the dataset
    `out`, in the order in which they were recorded; `out` is made if it is not there, run folders that are in it already are
    skipped, so that a killed build goes on.

    everything: episodes that were no success, too. workers: processes, a run folder each. A run folder that cannot be used
    (cut-off bag, no pictures, another robot or cameras than the dataset's, nothing moved) is named in the report and the others
    are built. Raises VipaError if there would be no episode in the end, or `out` holds something else; then nothing is left
    that was not there before.
    """
    if workers < 1:
        raise VipaError(f"{workers} workers; allowed: at least 1")
    config = BuildConfig(Path(out), fps, everything, action, lerobot)
    folders = sorted((Path(f) for f in run_folders), key=lambda f: (recorded(f), str(f)))
    return _build(config, folders, progress or (lambda _: None), workers)


def _build(config: BuildConfig, folders: list[Path], progress: Callable[[float], None], workers: int) -> BuildResult:
    report, made, spec = BuildResult(), not config.out.exists(), spec_at(config.out)
    keys = DatasetWriter(config.out, spec).keys() if spec else set()
    steps = len(folders) + 1
    rest = iter(enumerate(folders))
    for number, folder in rest:  # until one has said what the dataset is to hold
        if spec is not None and workers > 1:
            rest = iter([(number, folder), *rest])
            break
        report.take(stage(config, keys, folder, lambda part, n=number: progress((n + min(part, 1.0)) / steps)))
        keys |= set(report.added)
        spec = spec or spec_at(config.out)
    for number, part in _staged_by_others(config, keys, list(rest), workers):
        report.take(part)
        progress((number + 1) / steps)
    writer = DatasetWriter(config.out, spec) if spec else None
    if writer is not None:
        writer.finalize()
        if writer.remove_if_empty(made):
            writer = None
    if writer is None:
        raise VipaError(f"{config.out}: no run folder can be used; nothing was written\n{report}")
    progress(1.0)
    return report


def _staged_by_others(
    config: BuildConfig, keys: set[str], folders: list[tuple[int, Path]], workers: int
) -> Iterator[tuple[int, BuildResult]]:
    """Reports of run folders, in their order, each staged by one of `workers` processes."""
    if not folders:
        return
    with ProcessPoolExecutor(min(workers, len(folders)), multiprocessing.get_context("spawn")) as pool:
        try:
            parts = pool.map(partial(stage, config, keys), [folder for _, folder in folders])
            yield from zip([number for number, _ in folders], parts, strict=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def stage(
    config: BuildConfig, keys: set[str], folder: Path, progress: Callable[[float], None] | None = None
) -> BuildResult:
    """Stages the episode of one run folder, and says what came of it. keys: of the episodes that are there."""
    report, staging = BuildResult(), _Staging(config)
    run, name = None, str(folder)
    try:
        with Run(folder) as run:
            _stage(config, keys, run, staging, report, progress)
    except Exception as error:  # noqa: BLE001  a run of any content may raise anything: the others are built
        staging.discard()
        # another build of the same dataset may have been faster
        if run is not None and staging.writer is not None and run.key in staging.writer.keys():
            report.skipped[name] = "is in the dataset"
        else:
            report.failed[name] = "; ".join([reason(error), *(run.bag.skipped.lines() if run else [])])
    except BaseException:
        staging.discard()
        raise
    return report


class _Staging:
    """The dataset, opened, or made, when the first episode is to be written."""

    def __init__(self, config: BuildConfig):
        self.config = config
        self.writer: DatasetWriter | None = None

    def open(self, spec: DatasetSpec) -> DatasetWriter:
        there = spec_at(self.config.out)
        if there is not None and there != spec:
            raise VipaError(f"other content than the dataset's: {difference(there, spec)}")
        self.writer = DatasetWriter(self.config.out, spec)
        return self.writer

    def discard(self) -> None:
        if self.writer is not None:
            self.writer.discard_episode()


def _stage(
    config: BuildConfig,
    keys: set[str],
    run: Run,
    staging: _Staging,
    report: BuildResult,
    progress: Callable[[float], None] | None,
) -> None:
    name = str(run.folder)
    if not config.everything and not run.meta["success"]:
        if run.cut:
            raise VipaError(f"{run.cut}; what is before it is no success. With --all it is kept, to there")
        report.skipped[name] = f"not a success ({run.meta['outcome']}); --all takes it"
        return
    writer = staging.open(run.spec(config.fps, config.action, config.lerobot))
    if run.key in keys:
        report.skipped[name] = "is in the dataset"
        return
    frames = run.write(writer, progress)
    report.added.append(run.key)
    report.episodes.append(f"{run.key}  {frames / config.fps:.1f} s  {described(run.meta)}")
    notes = run.notes + ([f"ends at the jump: {run.cut}"] if run.cut else []) + run.bag.skipped.lines()
    if notes:
        report.notes[name] = notes


def described(meta: dict) -> str:
    """Seed, outcome and commander of an episode, and when it was recorded, as far as known."""
    known = {key: meta.get(key) for key in ("seed", "outcome", "commander", "recorded")}
    return "  ".join(f"{key} {value}" for key, value in known.items() if value not in (None, ""))
