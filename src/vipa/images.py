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
    "yuv422_yuy2": (np.uint8, 2),
    "yuv422": (np.uint8, 2),  # UYVY
}
YUV = {"yuv422_yuy2": "COLOR_YUV2RGB_YUY2", "yuv422": "COLOR_YUV2RGB_UYVY"}  # of cv2


def image_array(image) -> np.ndarray:
    """A sensor_msgs/Image (any object with its fields) as an array: (H, W, 3) uint8 RGB for colour, (H, W) uint8, uint16 or
    float32 else.

    Raises ValueError for an encoding that is not known or a data size that does not fit.
    """
    check(image)
    scalar, channels = ENCODINGS[image.encoding]
    dtype = np.dtype(scalar).newbyteorder(">" if image.is_bigendian else "<")
    rows = np.frombuffer(image.data, np.uint8, image.step * image.height).reshape(image.height, image.step)
    pixels = np.ascontiguousarray(rows[:, : image.width * channels * dtype.itemsize]).view(dtype)
    return in_our_order(pixels.reshape(image.height, image.width, channels).astype(scalar, copy=False), image.encoding)


def check(image) -> None:
    """Raises ValueError for a sensor_msgs/Image whose encoding is not known or whose data do not fit."""
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
    if image.encoding in YUV and image.width % 2:
        raise ValueError(f"image {image.width} pixels wide in {image.encoding}; allowed: an even width")


def in_our_order(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Pixels (H, W, C) or (H, W) as `encoding` has them, as `image_array` gives them."""
    if ENCODINGS[encoding][1] == 1:
        return pixels.reshape(pixels.shape[:2])
    if encoding in YUV:
        import cv2  # here: the domain loads without it

        return cv2.cvtColor(pixels, getattr(cv2, YUV[encoding]))
    return np.ascontiguousarray(pixels[..., 2::-1] if encoding.startswith("bgr") else pixels[..., :3])
