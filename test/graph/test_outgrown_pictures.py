"""What preflight's finding `pictures` warns of: a policy loses pictures where fewer frames fit into the shared memory than it wants."""

import subprocess
import sys

import pytest
from sensor_msgs.msg import Image

from helpers.graph_world import World
from vipa import resources
from vipa_ros.bringup import dds, environment
from vipa_ros.common.qos import CAMERA_READER
from vipa_ros.preflight.pictures import BYTES_A_PIXEL, MIN_FRAMES

pytestmark = [pytest.mark.graph, pytest.mark.slow]  # how many are lost hangs on the machine: by hand
CAMERAS, WIDTH, HEIGHT, COUNT = 2, 320, 240, 240
# colour and depth of two cameras at 30 Hz, numbered, once they are all listened to
WRITER = f"""
import array, time, rclpy
from sensor_msgs.msg import Image
from vipa_ros.common.qos import PROFILES
rclpy.init()
node = rclpy.create_node("writer")
messages = [Image(data=array.array("B", bytes({WIDTH * HEIGHT} * size))) for size in (3, 2)]
sent = [(node.create_publisher(Image, f"/p{{camera}}_{{size}}", PROFILES["camera"]), message)
        for camera in range({CAMERAS}) for size, message in zip((3, 2), messages)]
while any(publisher.get_subscription_count() == 0 for publisher, _ in sent):
    time.sleep(0.02)
time.sleep(1.0)
due = time.monotonic()
for number in range({COUNT}):
    for publisher, message in sent:
        message.header.frame_id = str(number)
        publisher.publish(message)
    due += 1 / 30
    time.sleep(max(0.0, due - time.monotonic()))
time.sleep(1.0)
"""


def lost(folder, frames):
    """Of 960 pictures those that a reader as the policy's did not get, where the writer's shared memory holds `frames` frames."""
    ours = resources.dds_profile()
    room = round(frames * CAMERAS * WIDTH * HEIGHT * BYTES_A_PIXEL)
    profile = folder / f"{frames}.xml"
    profile.write_text(ours.read_text("utf-8").replace(str(dds.segment_size(ours)), str(room)), encoding="utf-8")
    assert dds.segment_size(profile) == room
    with pytest.MonkeyPatch.context() as patch, World(folder, [], patch) as world:
        got = []
        for camera in range(CAMERAS):
            for size in (3, 2):
                topic = f"/p{camera}_{size}"
                world.node.create_subscription(
                    Image, topic, lambda msg, t=topic: got.append((t, msg.header.frame_id)), CAMERA_READER
                )
        env = environment.child_environment(world.domain.id) | dict.fromkeys(environment.DDS_PROFILES, str(profile))
        subprocess.run([sys.executable, "-c", WRITER], env=env, timeout=120, check=True)
    return 2 * CAMERAS * COUNT - len(set(got))


def test_pictures_are_lost_where_they_outgrow_the_shared_memory_and_not_where_enough_fit(tmp_path):
    outgrown, enough = lost(tmp_path, 0.5), lost(tmp_path, MIN_FRAMES)
    print(f"lost of {2 * CAMERAS * COUNT}: {outgrown} with room for half a frame, {enough} with room for {MIN_FRAMES}")
    assert outgrown > 0.02 * 2 * CAMERAS * COUNT and outgrown > 3 * enough
