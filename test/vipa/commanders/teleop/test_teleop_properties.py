"""Whatever a device says: chunks are valid and bounded, begin where the arm is, and need the deadman."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.driven_arm import Puppet
from vipa.commanders.commander import CommanderInput
from vipa.commanders.teleop import device, track
from vipa.commanders.teleop.commander import Teleop
from vipa.commanders.teleop.device import SELECTED, ArmInput, DeviceInput
from vipa.geometry import rotation
from vipa.motion.chunk import Mode, MotionStatus
from vipa.motion.validation import check_chunk
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import GroupState

ROBOT = load_robot("fr3_single")
ARM = ROBOT.groups[0]
KINEMATICS = Kinematics(ROBOT).group("arm")
HOME = np.array(ARM.home)

numbers = st.one_of(st.floats(-1, 1), st.sampled_from([np.nan, np.inf, -np.inf, 1e9, 0.0]))
vectors = lambda n: st.one_of(st.none(), st.lists(numbers, min_size=n, max_size=n).map(np.array))  # noqa: E731
poses = st.one_of(vectors(7), st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6).map(
    lambda v: np.concatenate([v[:3], rotation.exp(np.array(v[3:]))])))  # fmt: skip
arms = st.builds(ArmInput, st.booleans(), vectors(6), vectors(6), poses, vectors(7), st.one_of(st.none(), numbers))
readings = st.builds(
    DeviceInput, st.one_of(st.just({}), arms.map(lambda a: {SELECTED: a})),
    st.lists(st.sampled_from(device.EVENTS), max_size=2).map(tuple), st.sampled_from(["", "", "", "gone"]),
)  # fmt: skip


class World:
    """An arm that is where the last chunk led, or stays where it is (`stuck`)."""

    def __init__(self, deadman, clock_step=0.02):
        self.device = Puppet(deadman)
        self.teleop = Teleop(ROBOT, self.device, clock=lambda: 0.0)
        self.now_ns, self.q, self.pose = 10**9, HOME, KINEMATICS.forward(HOME)
        self.epoch = 1

    def step(self, reading, stuck=False, seconds=0.02):
        self.now_ns += round(seconds * 1e9)
        self.device.given = reading
        state = GroupState(self.q, 0 * self.q, self.pose, np.zeros(3), np.array([1.0]))
        chunk = self.teleop.step(CommanderInput(self.now_ns, {"arm": state}, MotionStatus(self.now_ns, self.epoch, "teleop", Mode.HOLDING)))  # fmt: skip
        if chunk and not stuck:
            for group in chunk.groups:
                self.pose = group.poses[-1] if group.poses is not None else self.pose
                self.q = group.joints[-1] if group.joints is not None else self.q
        return chunk


def assert_bounded(chunk):
    assert check_chunk(chunk, ROBOT, chunk.stamp_ns) == ""
    for group in chunk.groups:
        if group.poses is not None:
            way = np.linalg.norm(np.diff(group.poses[:, :3], axis=0), axis=1)
            assert np.all(way <= track.DT_S * ARM.tool_speed + 1e-9)
        if group.joints is not None:
            assert np.all(np.abs(np.diff(group.joints, axis=0)) <= track.DT_S * np.array(ARM.max_velocity) + 1e-9)
        last = chunk.start_ns + 20_000_000 * (max(len(v) for v in (group.poses, group.joints, group.hand) if v is not None) - 1)  # fmt: skip
        assert last - chunk.stamp_ns <= track.AHEAD_NS + track.DT_NS


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(), st.lists(st.tuples(readings, st.booleans(), st.sampled_from([0.02, 0.02, 0.001, 0.5])), max_size=25)
)
def test_chunks_are_finite_bounded_and_short(deadman, sequence):
    world = World(deadman)
    for reading, stuck, seconds in sequence:
        chunk = world.step(reading, stuck, seconds)
        if chunk is not None:
            assert_bounded(chunk)
            if not stuck:
                for group in chunk.groups:
                    if group.poses is not None:
                        assert np.linalg.norm(group.poses[0, :3] - world.pose[:3]) < 0.1


@settings(max_examples=40, deadline=None)
@given(st.lists(readings, max_size=25))
def test_nothing_is_sent_without_the_deadman(sequence):
    world = World(deadman=True)
    for reading in sequence:
        loose = {name: ArmInput(False, a.rate, a.steps, a.pose, a.joints, a.hand) for name, a in reading.arms.items()}
        assert world.step(DeviceInput(loose, reading.events, reading.fault)) is None


@settings(max_examples=40, deadline=None)
@given(poses, st.booleans(), st.lists(readings, max_size=10))
def test_a_clutch_begins_where_the_arm_is(pose, elsewhere, before):
    world = World(deadman=True)
    for reading in before:
        world.step(reading)
    for _ in range(10):  # let go of, and the arm has come to rest
        world.step(DeviceInput())
    if elsewhere:  # or somebody else has moved it meanwhile
        world.epoch += 1
        world.q = HOME + 0.1
        world.pose = KINEMATICS.forward(world.q)
    here = world.pose.copy()
    chunk = world.step(DeviceInput({SELECTED: ArmInput(True, pose=pose)}))
    if chunk is not None:
        poses = chunk.groups[0].poses
        assert np.allclose(poses[:, :3], here[:3], atol=1e-9)
