"""The table of commanders."""

import importlib.util

import pytest

from vipa.commanders import registry
from vipa.commanders.inference import InferenceOptions
from vipa.commanders.kind import CommanderRequest
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task


@pytest.mark.parametrize(
    "name, commander_id, wants_cameras, wants_truth",
    [
        ("expert", "expert", False, True),
        ("water_plant", "policy", True, False),
        ("vipa@localhost:8000", "policy", True, False),
    ],
)
def test_a_name_gives_its_kind(name, commander_id, wants_cameras, wants_truth):
    kind = registry.kind_of(name)
    assert (kind.commander_id, kind.wants_cameras, kind.wants_truth) == (commander_id, wants_cameras, wants_truth)


def test_an_unknown_name_lists_the_forms_and_what_is_here():
    with pytest.raises(VipaError) as error:
        registry.kind_of("nobody")
    assert all(kind.form in str(error.value) for kind in registry.KINDS)
    assert "names here: expert, water_plant" in str(error.value)


@pytest.mark.parametrize("kind", registry.KINDS, ids=lambda kind: type(kind).__name__)
def test_every_kind_has_a_node_and_a_form(kind):
    assert importlib.util.find_spec(f"vipa_ros.nodes.{kind.executable}") and kind.commander_id and kind.form
    assert all(registry.kind_of(name) is kind for name in kind.names())


def test_what_is_made_is_what_the_table_says():
    robot, task = load_robot("fr3_single"), load_task("water_plant")
    expert = registry.make(CommanderRequest("expert", seed=3, noise=0.01), robot, task)
    assert (expert.commander_id, expert.wants_cameras, expert.seed, expert.noise) == ("expert", False, 3, 0.01)
    policy = registry.make(CommanderRequest("water_plant"), robot, task)
    assert (policy.commander_id, policy.wants_cameras) == ("policy", True)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"runtime": "tensorrt"}, "unknown runtime 'tensorrt'; allowed: onnxruntime, torch"),
        ({"precision": "bf16"}, "unknown precision for onnxruntime 'bf16'; allowed: fp32, int8"),
        ({"device": "cuda"}, "unknown device for onnxruntime 'cuda'; allowed: auto, cpu"),
    ],
)
def test_inference_options_that_no_policy_runs_on_are_refused(given, message):
    with pytest.raises(VipaError, match=message):
        InferenceOptions(**given)
