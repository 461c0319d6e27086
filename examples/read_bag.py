"""An episode's bag as numpy arrays, without ROS: python examples/read_bag.py [RUN]   (default runs/latest)"""

import sys
from pathlib import Path

import numpy as np

from vipa.images import image_array
from vipa.recording import topic_names
from vipa.recording.reader import BagReader
from vipa.recording.signals import read_signals
from vipa.robot.description import load_robot


def main(run: str = "runs/latest", robot: str = "fr3_single") -> dict[str, np.ndarray]:
    """Returns joints (T, n) rad, tool positions (T, 3) m, forces (F,) N and one picture (H, W, 3) uint8 RGB a camera."""
    with BagReader(Path(run) / "bag") as bag:
        print(f"{bag.duration:.1f} s, {len(bag.topics)} topics, {sum(t.count for t in bag.topics.values())} messages")
        joints = np.array([m.data.position for m in bag.messages([topic_names.JOINT_STATES])])
        arm = read_signals(bag, load_robot(robot))[0]
        arrays = {"joints": joints, "tool": arm.position, "force": arm.force}
        for camera in bag.camera_names():
            first = next(bag.messages([f"/camera/{camera}/color/image_raw"]))
            arrays[camera] = image_array(first.data)
    for name, array in arrays.items():
        print(f"  {name:8} {array.shape} {array.dtype}")
    return arrays


if __name__ == "__main__":
    main(*sys.argv[1:])
