"""Pictures as image_transport's plugins `compressed` and `compressedDepth` have them on the wire: colour as JPEG, depth as PNG, which loses
nothing. For links that are narrower than the pictures."""

import io
import struct

import cv2
import numpy as np
from PIL import Image

QUALITY = (
    95  # of JPEG, 0 to 100: 14 % of the bytes of a noisy 640x480 picture, 6 of 255 RMS off it, most of that its noise
)
# fastest; differences to the row above, which take 10 (noisy) to 60 % (rendered depth) less time than the filter that OpenCV takes by itself
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # an older OpenCV, such as Ubuntu 24.04's, has no choice
    PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
HEADER = struct.Struct("<iff")  # of compressedDepth: kind, and two numbers of a quantisation that 16UC1 does without
COLOR, DEPTH = "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png"  # CompressedImage.format
MAX_BYTES, MAX_PIXELS = 32 << 20, 4096 * 4096


def color_bytes(color: np.ndarray) -> bytes:
    """RGB (H, W, 3) uint8 as JPEG."""
    return cv2.imencode(".jpg", color[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def depth_bytes(depth: np.ndarray) -> bytes:
    """(H, W) uint16 millimetres as PNG behind compressedDepth's header."""
    return HEADER.pack(0, 0.0, 0.0) + cv2.imencode(".png", depth, PNG)[1].tobytes()


def pixels(format_: str, data: bytes) -> np.ndarray:
    """RGB (H, W, 3) uint8, or (H, W) uint16 of a depth image, from a sensor_msgs/CompressedImage's `format` and data. Raises ValueError for
    what is no such picture, or too large to be one."""
    deep = "compressedDepth" in format_
    data = bytes(data[HEADER.size :] if deep else data)
    if not data or len(data) > MAX_BYTES:
        raise ValueError(f"compressed image of {len(data)} bytes; allowed: 1 to {MAX_BYTES}")
    _check_size(data, "PNG" if deep or "png" in format_ else "JPEG")
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if deep else cv2.IMREAD_COLOR)
    wanted = (np.uint16, 2) if deep else (np.uint8, 3)
    if found is None or (found.dtype, found.ndim) != wanted:
        raise ValueError(
            f"compressed image '{format_[:40]}' is damaged; allowed: JPEG or PNG of 8 bits, PNG of 16 bits of depth"
        )
    return found if deep else np.ascontiguousarray(found[..., ::-1])


def _check_size(data: bytes, kind: str) -> None:
    """Raises ValueError for another kind of picture, or more pixels than a camera has: nothing is decoded yet."""
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
            width, height = picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"compressed image is no {kind}: {error}") from None
    if width * height > MAX_PIXELS:
        raise ValueError(f"compressed image of {width}x{height} pixels; allowed: {MAX_PIXELS} in all")
