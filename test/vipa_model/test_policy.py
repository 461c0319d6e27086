"""Export parity, and the policy on numpy alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.synthetic_frames import observation

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.runtime.policy import Policy  # noqa: E402

TEST = Path(__file__).resolve().parents[1]
SOURCES = TEST.parent / "src"


def test_graphs_agree_with_eager(trained):
    folder, differences = trained
    assert differences["condition-fp32"] <= 1e-5 and differences["velocity-fp32"] <= 1e-5
    assert differences["condition-int8"] < 0.5 and differences["velocity-int8"] < 0.5
    names = {p.name for p in folder.iterdir()}
    assert {"config.json", "processor_config.json", "model.safetensors", "SHA256SUMS"} <= names
    check = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder)
    assert check.returncode == 0


def test_runtimes_act_alike(trained, store):
    folder, seen = trained[0], observation(store, 12)
    chunks = [Policy.from_pretrained(folder, runtime).act(seen) for runtime in ("onnxruntime", "torch")]
    for a, b in zip(chunks[0].poses["arm"], chunks[1].poses["arm"], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(chunks[0].hand["arm"], chunks[1].hand["arm"], atol=1e-5)
    assert chunks[0].poses["arm"].shape == (8, 7) and chunks[0].hand["arm"].shape == (8, 1)
    np.testing.assert_allclose(np.linalg.norm(chunks[0].poses["arm"][:, 3:], axis=1), 1, atol=1e-12)
    assert set(chunks[0].timing) == {"prepare", "condition", "integrate", "decode", "total"}
    assert chunks[0].dt == pytest.approx(0.1)
    np.testing.assert_allclose(chunks[0].auxiliary["subtask"].sum(), 1, atol=1e-5)


def test_bfloat16_is_close_and_keeps_prefix_and_target(trained, store):
    """On a CPU; what CUDA adds to it (graphs, its own kernels) is not tested anywhere."""
    seen = observation(store, 12)
    exact, half = (Policy.from_pretrained(trained[0], "torch", p, device="cpu") for p in ("fp32", "bf16"))
    a, b = exact.act(seen), half.act(seen)
    np.testing.assert_allclose(a.poses["arm"], b.poses["arm"], atol=5e-3)
    np.testing.assert_allclose(a.hand["arm"], b.hand["arm"], atol=5e-2)
    np.testing.assert_allclose(a.auxiliary["target"], b.auxiliary["target"], atol=1e-2)
    prefix = {"arm": {"poses": a.poses["arm"][:2], "hand": a.hand["arm"][:2]}}
    np.testing.assert_array_equal(half.act(seen, prefix).poses["arm"][:2], a.poses["arm"][:2])
    half.steps = 3  # another number of steps is another recorded integration
    assert np.isfinite(half.act(seen).poses["arm"]).all()


@pytest.mark.parametrize(
    "given, said",
    [
        ({"runtime": "onnxruntime", "precision": "bf16"}, "allowed for onnxruntime: fp32, int8"),
        ({"runtime": "torch", "precision": "int8"}, "allowed for torch: fp32, bf16"),
        ({"runtime": "onnxruntime", "device": "cuda"}, "On a GPU the runtime is torch"),
        ({"runtime": "torch", "device": "tpu"}, "allowed: auto, cpu, cuda"),
    ],
)
def test_what_a_runtime_cannot_do_is_refused(trained, given, said):
    with pytest.raises(ValueError, match=said):
        Policy.from_pretrained(trained[0], **given)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_cuda_is_refused_where_there_is_none(trained):
    with pytest.raises(ValueError, match="torch finds no CUDA device"):
        Policy.from_pretrained(trained[0], "torch", device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_graphs_agree_with_the_cpu(trained, store):
    slow, fast = (Policy.from_pretrained(trained[0], "torch", "fp32", device=d) for d in ("cpu", "cuda"))
    for frame in (3, 12, 30):
        a, b = slow.act(observation(store, frame)), fast.act(observation(store, frame))
        np.testing.assert_allclose(a.poses["arm"], b.poses["arm"], atol=1e-3)


def test_same_seed_same_chunks(trained, store):
    policy, seen = Policy.from_pretrained(trained[0]), observation(store, 3)
    first, second = policy.act(seen).poses["arm"], policy.act(seen).poses["arm"]
    policy.reset()
    np.testing.assert_array_equal(policy.act(seen).poses["arm"], first)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_prefix_is_kept(trained, store, precision):
    policy, seen = Policy.from_pretrained(trained[0], precision=precision), observation(store, 12)
    free = policy.act(seen)
    prefix = {"arm": {"poses": free.poses["arm"][:5] + [0.01, 0, 0, 0, 0, 0, 0], "hand": np.full((5, 1), 0.3)}}
    policy.reset()
    held = policy.act(seen, prefix)
    np.testing.assert_array_equal(held.poses["arm"][:3], prefix["arm"]["poses"][:3])
    np.testing.assert_array_equal(held.hand["arm"][:3], prefix["arm"]["hand"][:3])
    assert not np.allclose(held.poses["arm"][3:], free.poses["arm"][3:], atol=1e-9)
    with pytest.raises(ValueError, match="prefix has groups"):
        policy.act(seen, {"left": prefix["arm"]})


def test_missing_depth_is_allowed_missing_image_is_not(trained, store):
    policy, seen = Policy.from_pretrained(trained[0]), observation(store, 12)
    assert np.isfinite(policy.act(seen | {"depths": {}}).poses["arm"]).all()
    with pytest.raises(ValueError, match="no image of camera 'wrist'"):
        policy.act(seen | {"images": {"scene": seen["images"]["scene"]}})
    state = {"arm": seen["state"]["arm"] | {"hand": np.array([np.nan])}}
    with pytest.raises(ValueError, match="state of group 'arm' holds NaN"):
        policy.act(seen | {"state": state})
    with pytest.raises(ValueError, match="allowed: up to 20"):
        policy.act(seen | {"instruction": "a quite different and very long instruction"})


def test_changed_files_are_refused(trained, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(trained[0], folder)
    graph = folder / "velocity-fp32.onnx"
    graph.write_bytes(graph.read_bytes() + b"x")
    with pytest.raises(ValueError, match="SHA-256"):
        Policy.from_pretrained(folder)
    graph.unlink()
    with pytest.raises(FileNotFoundError, match="vipa export"):
        Policy.from_pretrained(folder)
    with pytest.raises(ValueError, match="allowed: onnxruntime, torch"):
        Policy.from_pretrained(folder, "tensorrt")


def test_export_command(monkeypatch, tmp_path, capsys):
    """The command hands on what was asked for and prints each graph's difference."""
    from vipa_model import cli
    from vipa_model.runtime import export

    monkeypatch.setattr(export, "export", lambda folder, precisions: {f"condition-{p}": 1e-6 for p in precisions})
    assert cli.export_main([str(tmp_path), "--precision", "int8"]) == 0
    assert "condition-int8: largest difference to eager 1e-06" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.export_main([str(tmp_path), "--precision", "int4"])


def test_policy_needs_no_torch(trained, store):
    """In a process where torch and transformers cannot be imported, the policy acts."""
    code = f"""
import sys
for name in ("torch", "transformers", "safetensors", "onnx"):
    sys.modules[name] = None
sys.path[:0] = [{str(SOURCES)!r}, {str(TEST)!r}]
from helpers.synthetic_frames import observation
from vipa_model import FrameStore, Policy
store = FrameStore({str(store.folder)!r})
print(Policy.from_pretrained({str(trained[0])!r}).act(observation(store, 2)).poses["arm"].shape)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert out.stdout.strip() == "(8, 7)", out.stderr


def test_a_file_of_another_run_is_refused_by_training_and_export_too(trained, tmp_path):
    import shutil

    from vipa_model.network.modeling_vipa import VipaForActionPrediction
    from vipa_model.runtime.export import export

    folder = tmp_path / "copy"
    shutil.copytree(trained[0], folder)
    with (folder / "processor_config.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(ValueError, match="processor_config.json has SHA-256"):
        export(folder)
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ValueError, match="model.safetensors has SHA-256"):
        VipaForActionPrediction.from_pretrained(folder)
    with pytest.raises(ValueError, match="SHA-256"):
        Policy.from_pretrained(folder, "torch")
