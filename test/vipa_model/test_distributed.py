"""Two processes train what one does: in data parallel, and with weights, gradients and moments in shards (gloo, on the CPU)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from helpers import two_processes  # noqa: E402
from helpers.hand3d_files import write_hand3d  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(folder, what each rank says, checkpoint of one process)."""
    out = tmp_path_factory.mktemp("distributed")
    data, _ = write_hand3d(out / "data", visual=60)
    script = Path(two_processes.__file__)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
        str(data),
        str(out),
    ]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    result = subprocess.run(launch, capture_output=True, text=True, encoding="utf-8", timeout=240, env=env, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    said = [json.loads((out / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]
    two_processes.run(data, out / "one")
    return out, said, load_file(out / "one/model.safetensors")


@pytest.mark.parametrize("how", ["plain", "shard"])
def test_two_processes_see_different_samples(runs, how):
    """Of each step's eight samples each sees four, in two micro-batches, and none is left out."""
    _, said, _ = runs
    first, second = (s[how]["seen"][: 2 * two_processes.STEPS] for s in said)
    for step in range(two_processes.STEPS):
        mine, others = ({i for part in s[2 * step : 2 * step + 2] for i in part} for s in (first, second))
        assert len(mine) == len(others) == 4 and not mine & others


@pytest.mark.parametrize("how", ["plain", "shard", "parts"])
def test_two_processes_learn_what_one_does(runs, how):
    out, _, one = runs
    both = load_file(out / how / "model.safetensors")
    assert both.keys() == one.keys()
    for name, value in one.items():
        torch.testing.assert_close(both[name], value, atol=2e-5, rtol=1e-4)
    VipaForActionPrediction.from_pretrained(out / how)
    rows = [json.loads(line) for line in (out / how / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = [json.loads(line) for line in (out / "one/log.jsonl").read_text(encoding="utf-8").splitlines()]
    norms = [[r["grad_norm"] for r in part if "grad_norm" in r] for part in (rows, wanted)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_gradients_are_summed_over_devices_once_a_step(runs):
    _, said, _ = runs
    assert [s["plain"]["kept_back"] for s in said] == [two_processes.STEPS] * 2


def test_each_process_keeps_its_shard_and_goes_on_from_it(runs):
    out, _, _ = runs
    whole, halves = out / "plain/training-state", out / "shard/training-state"
    names = [f"{k}-{i:05d}-of-00002.safetensors" for k in ("ema", "model", "optimizer") for i in (1, 2)]
    assert sorted(p.name for p in halves.iterdir()) == sorted([*names, "progress.json"])
    size = sum((halves / f"optimizer-0000{i}-of-00002.safetensors").stat().st_size for i in (1, 2))
    assert size < 1.6 * (whole / "optimizer.safetensors").stat().st_size
    a, b = (load_file(out / how / "model.safetensors") for how in ("shard", "parts"))
    assert all(torch.equal(v, b[k]) for k, v in a.items())
    with pytest.raises(ValueError, match="has 2 shards; allowed: as many processes, here 1"):
        two_processes.run(out / "data/visual.jsonl", out / "shard")
