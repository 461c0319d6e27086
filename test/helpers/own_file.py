"""A user's own files: copies of shipped ones with changes."""

from vipa import resources


def own(tmp_path, shipped, *changes, folder="tasks"):
    """The path of a copy of a shipped file with `changes` (old text, new text)."""
    text = resources.find(folder, shipped).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
