"""How a served policy is named."""

import pytest

from vipa import resources
from vipa.commanders.kind import CommanderRequest
from vipa.errors import VipaError
from vipa.serving.address import is_remote, parse
from vipa.tasks.scorecard import policy_id
from vipa_ros.bringup.episode_graph import EpisodeConfig, commander_spec, episode_graph


@pytest.mark.parametrize(
    "policy, scheme, host, port, shown",
    [
        ("vipa@localhost", "ws", "localhost", 8000, "vipa@localhost:8000"),
        ("vipa@10.0.0.5:8011", "ws", "10.0.0.5", 8011, "vipa@10.0.0.5:8011"),
        ("openpi_droid@wss://gpu.lab:443", "wss", "gpu.lab", 443, "openpi_droid@gpu.lab:443"),
        ("vipa@[::1]:9", "ws", "::1", 9, "vipa@[::1]:9"),
        ("groot_droid@gpu", "tcp", "gpu", 5555, "groot_droid@gpu:5555"),
    ],
)
def test_name_at_host_and_port(policy, scheme, host, port, shown):
    found = parse(policy)
    assert (found.scheme, found.host, found.port, str(found)) == (scheme, host, port, shown)


@pytest.mark.parametrize(
    "policy", ["vipa@", "@host", "vipa@host:x", "vipa@host:99999", "vipa@host:0", "vipa@host/path", "vipa@[::1"]
)
def test_what_names_no_address_is_refused(policy):
    with pytest.raises(VipaError, match="allowed: NAME@HOST or NAME@HOST:PORT"):
        parse(policy)


def test_schemes_and_names_are_checked():
    with pytest.raises(VipaError, match="scheme 'http'; allowed for openpi: ws, wss"):
        parse("vipa@http://host")
    with pytest.raises(VipaError, match="unknown policy 'nope'"):
        parse("nope@host")


def test_bring_up_and_scorecard_know_them(tmp_path):
    assert is_remote("vipa@localhost") and not is_remote("expert") and not is_remote(str(tmp_path))
    (tmp_path / "a@b").mkdir()
    assert not is_remote(str(tmp_path / "a@b"))
    spec = commander_spec(CommanderRequest("vipa@localhost"), {"robot": "fr3_single"})
    assert (spec.name, spec.executable, spec.parameters["remote"]) == ("policy", "policy", "vipa@localhost")
    assert policy_id("vipa@localhost:8000", "abc").checkpoint_sha256 == "abc"
    assert policy_id("expert") is None
    with pytest.raises(VipaError, match="no connection: Connection refused"):
        EpisodeConfig("water_plant", "vipa@127.0.0.1:9").checked()  # nothing is started without the server


def test_how_a_checkpoint_runs_is_checked_and_handed_on():
    folder = str(resources.checkpoint("water_plant"))
    for given, said in (
        ({"runtime": "tensorrt"}, "unknown runtime 'tensorrt'; allowed: onnxruntime, torch"),
        ({"precision": "bf16"}, "unknown precision for onnxruntime 'bf16'; allowed: fp32, int8"),
        ({"device": "cuda"}, "unknown device for onnxruntime 'cuda'; allowed: auto, cpu"),
    ):
        with pytest.raises(VipaError, match=said):
            EpisodeConfig("water_plant", folder, **given).checked()
    config = EpisodeConfig("water_plant", folder, runtime="torch", device="cuda", precision="bf16").checked()
    policy = next(spec for spec in episode_graph(config) if spec.name == "policy")
    assert {"runtime": "torch", "device": "cuda", "precision": "bf16"}.items() <= policy.parameters.items()
