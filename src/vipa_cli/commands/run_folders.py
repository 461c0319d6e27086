"""Run folders as commands name them."""

from pathlib import Path


def run_folders(paths: list[Path]) -> list[Path]:
    """Each path itself if it is a run folder (has a bag), else the run folders in it; a folder named twice (runs/latest)
    counts once."""
    found: dict[Path, Path] = {}
    for path in paths:
        inside = (
            [path] if (path / "bag").is_dir() or not path.is_dir() else sorted(p.parent for p in path.glob("*/bag"))
        )
        for folder in inside or [path]:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())
