"""From bags to a dataset: every recorded topic is read at the ticks of one rate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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


def build_from_bags(
    run_folders: Iterable[Path],
    out: Path,
    fps: int = 10,
    everything: bool = False,
    progress: Callable[[float], None] | None = None,
) -> BuildResult:
    """Adds an episode of each run folder (bag/, with scorecard.json and config.yaml where there are such) to the dataset
    `out`, in the order in which they were recorded; `out` is made if it is not there, run folders that are in it already are
    skipped, so that a killed build goes on.

    everything: episodes that were no success, too. A run folder that cannot be used (cut-off bag, no pictures, another robot
    or cameras than the dataset's, nothing moved) is named in the report and the others are built. Raises VipaError if there
    would be no episode in the end, or `out` holds something else; then nothing is left that was not there before.
    """
    return _Build(Path(out), fps, everything, progress or (lambda _: None)).run(run_folders)


class _Build:
    def __init__(self, out: Path, fps: int, everything: bool, progress: Callable[[float], None]):
        self.out, self.fps, self.everything, self.progress = out, fps, everything, progress
        self.report, self.writer = BuildResult(), None
        self.keys: set[str] = set()

    def run(self, run_folders: Iterable[Path]) -> BuildResult:
        there = spec_at(self.out)
        if there is not None:
            self._open(there)
        folders = sorted((Path(f) for f in run_folders), key=lambda f: (recorded(f), str(f)))
        try:
            for number, folder in enumerate(folders):
                begun = number / (len(folders) + 1)
                self._add(folder, lambda part, begun=begun: self.progress(begun + min(part, 1.0) / (len(folders) + 1)))
        except BaseException:
            if self.writer is not None:
                self.writer.discard_episode()
            raise
        if self.writer is not None:
            self.writer.finalize()
            if self.writer.remove_if_empty():
                self.writer = None
        if self.writer is None:
            raise VipaError(f"{self.out}: no run folder can be used; nothing was written\n{self.report}")
        self.progress(1.0)
        return self.report

    def _open(self, spec: DatasetSpec) -> None:
        self.writer = DatasetWriter(self.out, spec)
        self.keys = self.writer.keys()

    def _add(self, folder: Path, progress: Callable[[float], None]) -> None:
        run, name = None, str(folder)
        try:
            with Run(folder) as run:
                self._write(run, name, progress)
        except Exception as error:  # noqa: BLE001  a run of any content may raise anything: the others are built
            if self.writer is not None:
                self.writer.discard_episode()
            # another build of the same dataset may have been faster
            if self.writer is not None and run is not None and run.key in self.writer.keys():
                self.report.skipped[name] = "is in the dataset"
            else:
                self.report.failed[name] = "; ".join([reason(error), *(run.bag.skipped.lines() if run else [])])

    def _write(self, run: Run, name: str, progress: Callable[[float], None]) -> None:
        if not self.everything and not run.meta["success"]:
            if run.cut:
                raise VipaError(f"{run.cut}; what is before it is no success. With --all it is kept, to there")
            self.report.skipped[name] = f"not a success ({run.meta['outcome']}); --all takes it"
            return
        spec = run.spec(self.fps)
        if self.writer is None:
            self._open(spec)
        if spec != self.writer.spec:
            raise VipaError(f"another robot or cameras than the dataset's: {difference(self.writer.spec, spec)}")
        if run.key in self.keys:
            self.report.skipped[name] = "is in the dataset"
            return
        frames = run.write(self.writer, progress)
        self.keys.add(run.key)
        self.report.added.append(run.key)
        self.report.episodes.append(f"{run.key}  {frames / self.fps:.1f} s  {described(run.meta)}")
        notes = ([f"ends at the jump: {run.cut}"] if run.cut else []) + run.bag.skipped.lines()
        if notes:
            self.report.notes[name] = notes


def described(meta: dict) -> str:
    """Seed, outcome and commander of an episode, and when it was recorded, as far as known."""
    known = {key: meta.get(key) for key in ("seed", "outcome", "commander", "recorded")}
    return "  ".join(f"{key} {value}" for key, value in known.items() if value not in (None, ""))
