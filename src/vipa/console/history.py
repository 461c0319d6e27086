"""Runs that stand in a folder, for the console's history. A scorecard does not change any more, so each is read once."""

from pathlib import Path

from vipa.errors import VipaError
from vipa.run_folder import LATEST, RunFolder
from vipa.tasks import scorecard

MAX_LISTED = 40  # runs that are listed


class History:
    """The run folders in `folder`. blind: who commanded is not told, and no report is shown."""

    def __init__(self, folder: Path, blind: bool = False):
        self.folder, self.blind = Path(folder), blind
        self._read: dict[str, dict] = {}

    def rows(self) -> list[dict]:
        """The newest runs, newest first: name, task, outcome, done sub-tasks of all, seconds, whether there is a report; outside of blind sets
        the commander, too."""
        found = []
        for path in self._folders():
            if path.name not in self._read and (row := _row(path, self.blind)) is not None:
                self._read[path.name] = row
            if row := self._read.get(path.name):
                found.append(row | {"report": not self.blind and RunFolder(path).report.is_file()})
            if len(found) == MAX_LISTED:
                break
        return found

    def report(self, name: str) -> bytes | None:
        """The report of the run `name`, None if there is none here."""
        if self.blind or name not in {p.name for p in self._folders()}:  # names a folder here, whatever it is made of
            return None
        try:
            return RunFolder(self.folder / name).report.read_bytes()
        except OSError:
            return None

    def _folders(self) -> list[Path]:
        try:
            found = [p for p in self.folder.iterdir() if p.name != LATEST and RunFolder(p).scorecard.is_file()]
        except OSError:
            return []
        return sorted(found, key=lambda p: p.name, reverse=True)


def _row(path: Path, blind: bool) -> dict | None:
    try:
        card = scorecard.read(RunFolder(path).scorecard)
    except VipaError:
        return None
    who = {} if blind else {"commander": card.policy.name if card.policy else card.commander}
    done = [s.status == "done" for s in card.subtasks]
    return {"name": path.name, "task": card.task, "outcome": card.outcome, "done": sum(done), "of": len(done), "duration_s": card.duration_s,
            "seed": card.seed, "cell": card.cell, **who}  # fmt: skip
