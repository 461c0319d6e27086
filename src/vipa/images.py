"""Pixels of a sensor_msgs/Image, live or from a bag, as arrays: the one table of encodings."""

import numpy as np

ENCODINGS = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}


def image_array(image) -> np.ndarray:
    """A sensor_msgs/Image (any object with its fields) as an array: (H, W, 3) uint8 RGB for colour, (H, W) uint8, uint16 or
    float32 else.

    Raises ValueError for an encoding that is not known or a data size that does not fit.
    """
    if image.encoding not in ENCODINGS:
        raise ValueError(f"image encoding '{image.encoding[:32]}'; allowed: {', '.join(ENCODINGS)}")
    scalar, channels = ENCODINGS[image.encoding]
    dtype = np.dtype(scalar).newbyteorder(">" if image.is_bigendian else "<")
    row = image.width * channels * dtype.itemsize
    if not image.width or not image.height or image.step < row or len(image.data) < image.step * image.height:
        raise ValueError(
            f"image {image.width}x{image.height} {image.encoding}: step {image.step} and {len(image.data)} bytes; "
            f"allowed: pixels, step >= {row} and step * height bytes"
        )
    rows = np.frombuffer(image.data, np.uint8, image.step * image.height).reshape(image.height, image.step)
    pixels = np.ascontiguousarray(rows[:, :row]).view(dtype).reshape(image.height, image.width, channels)
    if channels == 1:
        return pixels[..., 0].astype(scalar, copy=False)
    if image.encoding.startswith("bgr"):
        return np.ascontiguousarray(pixels[..., 2::-1])
    return np.ascontiguousarray(pixels[..., :3])
