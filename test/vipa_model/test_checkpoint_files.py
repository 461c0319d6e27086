"""A checkpoint's files are those of one export, and every number in them can be: looked at before it is used. No torch."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from helpers.tiny_model import tiny_config
from vipa import resources
from vipa.commanders.policy.commander import load_policy
from vipa.errors import VipaError
from vipa_model import checksums
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.onnx_files import external_files
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer
from vipa_model.runtime.policy import Policy


@pytest.fixture
def folder(tmp_path):
    """Configuration and processor of a tiny model, not yet exported."""
    config = tiny_config()
    VipaProcessor(config, ByteTokenizer([[97, 110]])).save_pretrained(tmp_path)
    config.save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def shipped(tmp_path):
    """A copy of the policy that ships."""
    return shutil.copytree(resources.checkpoint("water_plant"), tmp_path / "water_plant")


def edit(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def resign(folder):
    """What somebody who changed a file on purpose would do."""
    checksums.write(folder)


def test_what_ships_is_what_it_says(shipped):
    Policy.from_pretrained(shipped)
    listed = (shipped / "SHA256SUMS").read_bytes()
    resign(shipped)
    assert (shipped / "SHA256SUMS").read_bytes() == listed


@pytest.mark.parametrize("name", ["processor_config.json", "config.json", "condition-fp32.onnx"])
def test_a_file_of_another_run_is_refused(shipped, name):
    with (shipped / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(VipaError, match=f"{name} has SHA-256"):
        load_policy(str(shipped))


def test_a_file_that_nobody_listed_is_refused(shipped):
    sums = shipped / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if "processor" not in line), encoding="utf-8")
    with pytest.raises(VipaError, match="processor_config.json is not in"):
        load_policy(str(shipped))
    sums.write_text("../config.json\n", encoding="utf-8")
    with pytest.raises(VipaError, match="line 1"):
        load_policy(str(shipped))
    sums.unlink()
    with pytest.raises(VipaError, match="SHA256SUMS is missing"):
        load_policy(str(shipped))


CONFIG = [
    (lambda c: c.update(rate_hz=0), "rate_hz is 0; allowed: above 0"),
    (lambda c: c.update(rate_hz=float("nan")), "config.rate_hz is 'nan'; allowed: float"),
    (lambda c: c["spatial"].update(scale=float("inf")), "spatial.scale is 'inf'"),
    (lambda c: c["spatial"].update(scale=0.0), "spatial.scale is 0.0; allowed: above 0"),
    (lambda c: c["spatial"].update(centre=[0.0, 0.1]), "spatial.centre is"),
    (lambda c: c["vision"].update(std=[0.1, 0.1, 0.0]), "vision.std is .* above 0"),
    (lambda c: c["vision"].update(downsample=0.0), "vision.downsample is 0.0"),
    (lambda c: c["head"].update(horizon="8"), "head.horizon is '8'; allowed: int"),
    (lambda c: c["head"].update(steps=-1), "head.steps is '-1'"),
    (lambda c: c.update(cameras="scene"), r"config.cameras is 'scene'; allowed: list\[str\]"),
    (lambda c: c.update(cameras=["scene", "scene"]), "none twice"),
    (lambda c: c.update(groups=[[]]), r"groups\[0\] is a list"),
    (lambda c: c.update(groups={}), "groups is a dict"),
    (lambda c: c.update(head=[]), "head is a list"),
    (lambda c: c.update(use_joints=1), "use_joints is '1'; allowed: bool"),
]


@pytest.mark.parametrize("change, said", CONFIG)
def test_a_configuration_of_nonsense_is_refused(folder, change, said):
    edit(folder / "config.json", change)
    with pytest.raises(ValueError, match=f"config.json.*{said}"):
        VipaConfig.from_pretrained(folder)


@pytest.mark.parametrize("text", ["[]", "7", "{", "[" * 100_000, '"vipa"'])
@pytest.mark.parametrize("name", ["config.json", "processor_config.json"])
def test_what_is_no_object_is_refused(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name}: .*allowed: (a )?JSON"):
        VipaProcessor.from_pretrained(folder)


PROCESSOR = [
    (lambda p: p["action_statistics"]["scale"].__setitem__(3, 0.0), "action_statistics: .*scale above 0"),
    (lambda p: p["state_statistics"]["scale"].__setitem__(3, -1.0), "state_statistics: .*scale above 0"),
    (lambda p: p["state_statistics"]["offset"].__setitem__(0, float("nan")), "state_statistics: .*NaN"),
    (lambda p: p["state_statistics"]["offset"].pop(), "state_statistics: offset has shape"),
    (
        lambda p: p["action_statistics"].update(offset=[[0.0]], scale=[[1.0]]),
        r"shape \(1, 1\).*allowed: \(10,\) or \(8, 10\)",
    ),
    (lambda p: p["action_statistics"].update(offset=[[0.0], [0.0, 1.0]]), "no array of numbers"),
    (lambda p: p["action_statistics"].update(kind="minmax"), "meanstd or quantile"),
    (lambda p: p.pop("state_statistics"), "no 'state_statistics'"),
    (lambda p: p.update(crops={"scene": {"left": 0.9, "right": 0.1}}), "crop is"),
    (lambda p: p.update(crops={"scene": {"left": "0"}}), "crops.scene.left is '0'"),
    (lambda p: p.update(crops=[]), "crops"),
    (lambda p: p["tokenizer"].update(merges=[[97, 5000]]), "merge 0"),
    (lambda p: p["tokenizer"].update(merges=[[97]]), "merge 0"),
    (lambda p: p.update(image_size=64), "image_size, stride"),
]


@pytest.mark.parametrize("change, said", PROCESSOR)
def test_a_processor_of_nonsense_is_refused(folder, change, said):
    edit(folder / "processor_config.json", change)
    with pytest.raises(ValueError, match=f"processor_config.json.*{said}"):
        VipaProcessor.from_pretrained(folder)


def test_graphs_of_another_configuration_are_refused_at_loading(shipped):
    """Everything is signed, and the numbers can be; the graphs are of a model with another horizon."""

    def shorter(data):
        data["head"] |= {"horizon": 12}

    edit(shipped / "config.json", shorter)
    for kind in ("offset", "scale"):
        edit(
            shipped / "processor_config.json",
            lambda p, k=kind: p["action_statistics"].update({k: p["action_statistics"][k][:12]}),
        )
    resign(shipped)
    with pytest.raises(VipaError, match=r"the graphs take noisy of shape \(1, 16, 10\)"):
        load_policy(str(shipped))


def test_saving_makes_the_sums_void(shipped):
    VipaProcessor.from_pretrained(shipped).save_pretrained(shipped)
    assert not (shipped / "SHA256SUMS").exists()


def test_weights_outside_a_graph_are_part_of_the_checkpoint(tmp_path):
    onnx = pytest.importorskip("onnx")
    tensor = onnx.numpy_helper.from_array(np.arange(600, dtype=np.float32), "w")
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [600])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [value], [tensor]))
    graph = tmp_path / "velocity-fp32.onnx"
    onnx.save(model, graph)
    assert external_files(graph) == set()
    onnx.save(model, graph, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert external_files(graph) == {"weights.bin"}
    checksums.write(tmp_path)
    digest = hashlib.sha256((tmp_path / "weights.bin").read_bytes()).hexdigest()
    assert checksums.listed(tmp_path)["weights.bin"] == digest
    (tmp_path / "weights.bin").write_bytes(bytes(2400))
    with pytest.raises(ValueError, match="weights.bin has SHA-256"):
        checksums.verify(tmp_path, external_files(graph))
    outside = onnx.load(graph, load_external_data=False)
    outside.graph.initializer[0].external_data[0].value = "../weights.bin"
    graph.write_bytes(outside.SerializeToString())
    with pytest.raises(ValueError, match="allowed: files beside it"):
        external_files(graph)
    graph.write_bytes(graph.read_bytes()[:-20])
    with pytest.raises(ValueError, match="no whole ONNX graph"):
        external_files(graph)
