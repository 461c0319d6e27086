"""YAML and JSON files are read by one loader: UTF-8, no key twice, bounded, finite; everything else is one line."""

import pytest

from vipa import config, documents
from vipa.errors import VipaError
from vipa.tasks.task import Task, load_task

DEEP = 100_000


@pytest.mark.parametrize(
    "text, message",
    [
        ("fixtures: [a]\nx: 1\nfixtures: []\n", "key 'fixtures' stands twice.*line 3"),
        ("a:\n  b: 1\n  b: 2\n", "key 'b' stands twice"),
        ("[" * DEEP, "nested too deep; allowed: 64 levels"),
        ("{a: " * DEEP, "nested too deep; allowed: 64 levels"),
        ("- " * DEEP, "nested too deep; allowed: 64 levels"),
        ("a: " + "9" * 5000, "not YAML"),
        ("a: .nan", "a: nan; allowed: a finite number"),
        ("a: {b: [1, -.inf]}", r"a: b\[1\]: -inf; allowed: a finite number"),
        ("a: 2024-13-45", "not YAML"),
        ("a: 2024-10-10", "a: .* is a date; allowed: texts, numbers"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
        ("&a [*a]", "too deep or too much"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(7)),
         "too deep or too much"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("a: \x00", "not YAML"),
    ],
)  # fmt: skip
def test_yaml_that_is_refused(tmp_path, text, message):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VipaError, match=message) as caught:
        documents.read_yaml(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"a": 1, "a": 2}', "key 'a' stands twice"),
        ("[" * DEEP, "nested too deep; allowed: 64 levels"),
        ("[" * 500 + "]" * 500, "too deep or too much"),
        ('{"a": NaN}', "a: nan; allowed: a finite number"),
        ('{"a": -Infinity}', "a: -inf; allowed: a finite number"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ('{"a": ', "not JSON"),
    ],
)
def test_json_that_is_refused(tmp_path, text, message):
    path = tmp_path / "own.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VipaError, match=message) as caught:
        documents.read_json(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [documents.read_yaml, documents.read_json, documents.read_text])
@pytest.mark.parametrize(
    "data, found",
    [
        ("a: 1\ninstruction: gieße\n".encode("cp1252"), r"byte 0xdf in line 2"),
        ("instruction: gieße".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_is_not_utf_8_is_told_in_one_line(tmp_path, read, data, found):
    path = tmp_path / "own.yaml"
    path.write_bytes(data)
    with pytest.raises(VipaError, match=rf"own.yaml: not UTF-8 \({found}\); allowed: text in UTF-8"):
        read(path)


def test_a_byte_order_mark_and_merged_keys_are_fine(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xef\xbb\xbfbase: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\n")
    assert documents.read_yaml(path)["mine"] == {"x": 1, "y": 3}


@pytest.mark.parametrize("name", ["../", "..", ".hidden", "a/b", "", "a\\nb", "a b"])
def test_a_task_name_that_would_leave_the_run_folder_is_refused(tmp_path, name):
    from vipa import resources

    shipped = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(shipped.replace("name: water_plant", f'name: "{name}"', 1), encoding="utf-8")
    with pytest.raises(VipaError, match="own.yaml: name: .*; allowed: letters, digits"):
        load_task(str(path))


def test_a_second_fixtures_key_does_not_remove_the_table(tmp_path):
    from vipa import resources

    path = tmp_path / "own.yaml"
    path.write_text(
        resources.find("tasks", "water_plant").read_text(encoding="utf-8") + "fixtures: []\n", encoding="utf-8"
    )
    with pytest.raises(VipaError, match="own.yaml: not YAML: .*key 'fixtures' stands twice"):
        config.load(path, Task)


def test_there_is_one_loader_of_yaml():
    from vipa import resources

    sources = {p.name: p.read_text(encoding="utf-8") for p in (resources.root() / "src").rglob("*.py")}
    assert [name for name, text in sources.items() if "yaml.safe_load(" in text or "yaml.load(" in text] == [
        "documents.py"
    ]
