"""SHA256SUMS: what a checkpoint's files are, so that none of another run, or a damaged one, is taken for this one's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from vipa_model.onnx_files import external_files

CHECKSUMS = "SHA256SUMS"
_KINDS = (".json", ".safetensors", ".txt", ".jinja")


def write(folder: Path, graphs: bool = True) -> None:
    """List the files a checkpoint is made of, in the format of sha256sum. graphs: ONNX files, too, with what they keep
    outside themselves; without, those of earlier weights are no longer part of it."""
    names = {p.name for p in folder.iterdir() if p.is_file() and p.suffix in _KINDS}
    for path in folder.glob("*.onnx") if graphs else ():
        names |= {path.name, *external_files(path)}
    lines = [f"{digest(folder / n)}  {n}\n" for n in sorted(names)]
    (folder / CHECKSUMS).write_text("".join(lines), "utf-8")


def verify(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Check that the files ``names`` are those of SHA256SUMS, and whatever else it lists and is there; return it as
    {name: hash}. Raises FileNotFoundError without SHA256SUMS, ValueError naming a file that is not listed or is another.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; make it with: vipa export {folder}")
    sums = listed(folder)
    there = {n for n in sums if (folder / n).is_file()}
    for name in sorted(there | set(names)):
        check(folder, name, sums)
    return sums


def verify_if_listed(folder: Path, name: str) -> None:
    """As ``verify``, of one file, where the folder has a SHA256SUMS; a checkpoint in the making has none."""
    if (folder / CHECKSUMS).is_file():
        check(folder, name, listed(folder))


def void(folder: Path) -> None:
    """Who changes a file of a checkpoint forgets what its files were."""
    (folder / CHECKSUMS).unlink(missing_ok=True)


def listed(folder: Path) -> dict[str, str]:
    """SHA256SUMS as {name: hash}. Raises ValueError for a line of another form, or a name that leads out of the folder."""
    path, sums = folder / CHECKSUMS, {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        value, _, name = line.partition("  ")
        if len(value) != 64 or not name or Path(name).name != name:
            raise ValueError(
                f"{path}: line {number} is {line[:100]!r}; allowed: HASH, two blanks, the name of a file here"
            )
        sums[name] = value
    return sums


def check(folder: Path, name: str, sums: dict[str, str]) -> None:
    """Raises ValueError unless the file ``name`` is listed in ``sums`` and is what it was."""
    if name not in sums:
        raise ValueError(
            f"{folder / name} is not in {folder / CHECKSUMS}; allowed: the files of one export. Export again"
        )
    found = digest(folder / name)
    if sums[name] != found:
        raise ValueError(
            f"{folder / name} has SHA-256 {found}; allowed: {sums[name]}, as {folder / CHECKSUMS} says. Export again"
        )


def digest(path: Path) -> str:
    """SHA-256 of the file `path`, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
