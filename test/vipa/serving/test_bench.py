"""`vipa bench policy` measures every case, the served one with the same answers; how long they take is not judged."""

import json

import pytest

from vipa.errors import VipaError
from vipa_cli.bench import policy


@pytest.mark.train
def test_every_case_is_measured(tiny_checkpoint, tmp_path, capsys):
    policy.run(tiny_checkpoint, 2, tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert found["conditions"]["calls"] == 2 and found["conditions"]["versions"]["onnxruntime"]
    assert len(found["cases"]) == 3 * 2 + 1
    name = tiny_checkpoint.name
    row = found["cases"][f"{name}, ONNX int8, 10 steps"]
    parts = sum(row[f"{part}_cpu_ms"] for part in ("prepare", "condition", "integrate", "decode"))
    assert row["act_over_parts"] == pytest.approx(row["act_cpu_ms"] / parts)
    served = found["cases"][f"{name}, ONNX int8, 4 steps, served"]
    assert served["added_ms"] == pytest.approx(served["p50_ms"] - served["in_process_p50_ms"])
    assert len(capsys.readouterr().out.splitlines()) == 3 + 7


@pytest.mark.parametrize(
    "given, said",
    [
        ({"count": 0}, "--count must be at least 1"),
        ({"sizes": "xs,xl"}, "unknown size 'xl'; allowed: s, xs"),
        ({"views": "4"}, "unknown number of views '4'; allowed: 1, 2, 3"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, said):
    with pytest.raises(VipaError, match=said):
        policy.run(None, **({"count": 1} | given))
