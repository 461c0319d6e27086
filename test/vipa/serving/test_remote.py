"""The commander whose policy is served: the same chunks as in-process, and silence with a reason when there is no good answer."""

import time
from dataclasses import replace

import numpy as np
import pytest

from helpers.creeping import Creeping
from helpers.groot_server import MODALITIES, GrootServer
from helpers.running_server import WAIT, Running
from vipa.commanders import registry
from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.kind import CommanderRequest
from vipa.commanders.policy import remote as remote_module
from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.commanders.policy.remote import RemoteCommander
from vipa.errors import NoChunk, VipaError
from vipa.motion.chunk import Mode, MotionStatus
from vipa.robot.description import load_robot
from vipa.robot.state import CameraFrame, GroupState, Observation
from vipa.serving.address import parse
from vipa.serving.protocols.vipa import ServedPolicy
from vipa.tasks import scorecard
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode

ROBOT = load_robot("fr3_single")
START = EpisodeStart("id", "task", "do it", 0, "")


def seen(mode=Mode.HOLDING, epoch=5):
    frames = {
        name: CameraFrame(
            name, 900, np.full((48, 64, 3), 7, np.uint8), np.ones((48, 64), np.uint16), np.eye(3), np.eye(4)
        )
        for name in ("scene", "wrist")
    }
    group = GroupState(np.arange(7) / 10, np.zeros(7), np.array([0.4, 0, 0.3, 1, 0, 0, 0.0]), np.zeros(3), np.ones(1))
    observation = Observation(900, frames, {"arm": group}, "do it")
    return CommanderInput(1000, {"arm": group}, MotionStatus(1000, epoch, "policy", mode), observation)


def served(policy, sha256="abc", port=0):
    served = ServedPolicy(policy, "creeping", sha256)
    return Running(served.infer, served.metadata, port=port)


def connect(server, name="vipa", robot=ROBOT):
    """The commander of the policy at `server`, patient: nothing here depends on how fast the machine is."""
    remote = parse(f"{name}@127.0.0.1:{server.port}")
    return RemoteCommander(robot, replace(remote, mapping=replace(remote.mapping, timeout=WAIT)))


def same(a, b):
    assert (a.epoch, a.seq, a.start_ns, a.dt, a.observation_ns) == (b.epoch, b.seq, b.start_ns, b.dt, b.observation_ns)
    for x, y in zip(a.groups, b.groups, strict=True):
        assert (x.name, x.frame_id, x.tip_frame, x.hand_joint_names) == (
            y.name,
            y.frame_id,
            y.tip_frame,
            y.hand_joint_names,
        )
        np.testing.assert_array_equal(x.poses, y.poses)
        np.testing.assert_array_equal(x.hand, y.hand)


LATE = replace(ROBOT, groups=[replace(g, command_latency=0.04, hand_latency=0.14) for g in ROBOT.groups])


@pytest.mark.parametrize("robot", [ROBOT, LATE], ids=["prompt", "late"])
def test_served_or_here_is_the_same_chunk_from_the_same_observation(robot):
    far, near = Creeping(), Creeping()
    with served(far) as server:
        remote, local = connect(server, robot=robot), PolicyCommander(robot, near)
        assert remote.ahead_ns == (40_000_000 if robot is LATE else 0)
        assert remote.sha256 == "abc" and remote.period == local.period and set(remote.cameras) == {"scene", "wrist"}
        for commander in (remote, local):
            commander.reset(START)
        for _ in range(2):
            same(remote.step(seen()), local.step(seen()))
        for part in ("images", "depths", "intrinsics", "extrinsics"):
            for camera in ("scene", "wrist"):
                np.testing.assert_array_equal(far.asked[-1][0][part][camera], near.asked[-1][0][part][camera])
        assert far.asked[-1][0]["instruction"] == "do it"
        assert remote.step(seen(Mode.STOPPED)) is None
        remote.close()


def test_no_good_answer_is_silence_with_the_reason():
    policy = Creeping()
    with served(policy) as server:
        remote = connect(server)
        remote.reset(START)
        policy.bad = True
        with pytest.raises(NoChunk, match="the server says: the model gave NaN"):
            remote.step(seen())
        policy.bad = False
        remote.connection.open()  # not to wait for the back-off
        assert remote.step(seen()).seq == 1
        port = server.port
    with pytest.raises(NoChunk, match="policy vipa@127.0.0.1:.*connection lost"):
        remote.step(seen())
    with served(Creeping(), sha256="other", port=port) as server:
        assert server.port == port
        remote.connection._again = 0.0
        with pytest.raises(NoChunk, match=r"now serves another checkpoint \(other, before abc\)"):
            remote.step(seen())
    remote.close()


def test_a_server_that_does_not_fit_is_refused_at_once():
    policy = Creeping()
    policy.config.cameras = ["scene", "head"]
    with served(policy) as server, pytest.raises(VipaError, match="it wants observation/head/color, .* besides"):
        connect(server)
    policy = Creeping()
    policy.config.rate_hz = 20.0
    with served(policy) as server, pytest.raises(VipaError, match="rate_hz is 20.0, the policy's file says 10"):
        connect(server)


def test_groot_moves_the_joints_it_answers_with():
    with GrootServer() as server:
        remote = connect(server, "groot_droid")
        remote.reset(START)
        chunk = remote.step(seen())
        action = chunk.groups[0]
        assert action.poses is None and action.joints.shape == (8, 7) and chunk.dt == pytest.approx(1 / 15)
        np.testing.assert_allclose(action.joints[3], np.arange(7) / 10, atol=1e-6)
        assert (action.hand == 0.0).all()  # DROID's 1 is closed
        assert server.asked[0]["video"]["exterior_image_1_left"].shape == (1, 2, 180, 320, 3)
        remote.close()
    other = MODALITIES | {
        "video": {"delta_indices": [0], "modality_keys": ["exterior_image_1_left", "wrist_image_left"]}
    }
    refused = pytest.raises(VipaError, match="the server wants video of 1 times; the policy's file sends 2")
    with GrootServer(modalities=other) as server, refused:
        connect(server, "groot_droid")


def test_an_episode_without_answers_ends_as_the_commanders_error():
    policy = Creeping()
    policy.bad = True
    task = load_task("water_plant")
    with served(policy) as server, Loop(task, ROBOT, task.cameras, (64, 48), 10.0) as loop:
        remote = connect(server)
        card = run_episode(task, ROBOT, remote, 1, loop=loop).scorecard
        remote.close()
    assert card.outcome == "error" and card.failure.type == "commander" and "policy vipa@" in card.failure.detail
    assert card.duration_s == pytest.approx(5.8, abs=1.0)


@pytest.mark.train
def test_an_episode_with_the_served_checkpoint_is_the_one_in_process(tiny_checkpoint):
    task = load_task("water_plant")
    policy = load_policy(str(tiny_checkpoint))
    sha256 = scorecard.policy_id(str(tiny_checkpoint)).checkpoint_sha256
    served = ServedPolicy(load_policy(str(tiny_checkpoint)), "tiny", sha256)
    prefixed = []

    def infer(message):
        prefixed.append("prefix/arm/poses" in message)
        return served.infer(message)

    with Running(infer, served.metadata) as server, Loop(task, ROBOT, task.cameras, (64, 48), 10.0) as loop:
        remote = connect(server)
        far, near = (
            run_episode(task, ROBOT, c, 3, loop=loop, time_limit=4.0) for c in (remote, PolicyCommander(ROBOT, policy))
        )
        remote.close()
    assert remote.sha256 == sha256 and len(near.chunks) == 5 and not near.refused
    assert prefixed == [False, True, True, True, True]
    for a, b in zip(far.chunks, near.chunks, strict=True):
        same(a, b)


class Waking(Creeping):
    """Takes `first` seconds for its first answer, and gives others at once."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def act(self, observation, prefix=None):
        time.sleep(self.first if not self.asked else 0.0)
        return super().act(observation, prefix)


def hasty(monkeypatch, timeout, first_answer):
    """Policies whose answers are waited for `timeout` seconds, the first one for `first_answer`."""
    monkeypatch.setattr(
        remote_module, "parse", lambda text: replace(p := parse(text), mapping=replace(p.mapping, timeout=timeout))
    )
    monkeypatch.setattr(remote_module, "FIRST_ANSWER_TIMEOUT_S", first_answer)


def test_the_first_answer_has_a_patience_of_its_own(monkeypatch):
    policy = Waking(3.0)
    hasty(monkeypatch, 1.0, WAIT)
    with served(policy) as server:
        remote = remote_module.connect(ROBOT, f"vipa@127.0.0.1:{server.port}", "do it")
        assert len(policy.asked) == 1 and remote.connection.timeout == 1.0
        shown = policy.asked[0][0]
        assert shown["instruction"] == "do it"
        assert shown["images"]["scene"].shape == (240, 320, 3) and shown["depths"]["scene"].min() >= 500
        np.testing.assert_allclose(np.linalg.norm(shown["state"]["arm"]["tool_pose"][3:]), 1.0, atol=1e-6)
        remote.reset(START)
        assert remote.step(seen()).seq == 1
        remote.close()


def test_a_server_that_gives_no_first_answer_is_refused_before_anything_starts(monkeypatch):
    policy = Waking(1.0)
    hasty(monkeypatch, WAIT, 0.1)
    with (
        served(policy) as server,
        pytest.raises(VipaError, match="asked before the episode: policy vipa@.*: no answer within 0.1 s"),
    ):
        remote_module.connect(ROBOT, f"vipa@127.0.0.1:{server.port}", "do it")
    policy = Creeping()
    policy.bad = True
    with served(policy) as server, pytest.raises(VipaError, match="asked before the episode: .* the model gave NaN"):
        remote_module.connect(ROBOT, f"vipa@127.0.0.1:{server.port}", "do it")


def test_an_instruction_that_the_served_checkpoint_has_no_room_for_is_refused_before_anything_starts():
    native = ServedPolicy(load_policy("water_plant"), "water_plant", None)
    assert native.metadata["values"]["prompt"]["unit"] == "instruction, up to 24 tokens of this checkpoint"
    task = load_task("water_plant")
    long = replace(task, instruction="pour the blue can's water over every leaf of the plant in the pot")
    with Running(native.infer, native.metadata) as server:
        request = CommanderRequest(f"vipa@127.0.0.1:{server.port}")
        kind = registry.kind_of(request.name)
        assert kind.check(request, ROBOT, task) == ""
        with pytest.raises(VipaError, match="asked before the episode: .* tokens; allowed: up to 24"):
            kind.check(request, ROBOT, long)
