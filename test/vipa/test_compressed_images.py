"""Compressed pictures: depth comes back to the bit, colour nearly; what is none is refused before it is decoded."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from vipa import compressed_images as ci


def colour():
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def test_depth_loses_nothing():
    depth = np.random.default_rng(1).integers(0, 65535, (240, 320), np.uint16)
    depth[:40] = 0
    assert np.array_equal(ci.pixels(ci.DEPTH, ci.depth_bytes(depth)), depth)


def test_colour_is_nearly_the_same_and_in_our_order():
    color = colour()
    data = ci.color_bytes(color)
    off = np.sqrt(np.mean((ci.pixels(ci.COLOR, data).astype(float) - color) ** 2))
    assert off < 3.5 and len(data) < color.nbytes / 4, (off, len(data))
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    assert ci.pixels(ci.COLOR, ci.color_bytes(red))[0, 0, 0] > 150


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 60,000 pixels wide and high."""
    head = struct.pack(">IIBBBBB", 60000, 60000, 16, 0, 0, 0, 0)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "name, data",
    [
        (ci.COLOR, b""),
        (ci.COLOR, b"\xff\xd8 no more"),
        (ci.COLOR, ci.depth_bytes(np.zeros((8, 8), np.uint16))[12:]),  # a PNG where a JPEG is due
        (ci.DEPTH, b"\x00" * 11),
        (ci.DEPTH, b"\x00" * 12 + bomb()),
        (ci.DEPTH, b"\x00" * 12 + cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()),  # of 8 bits
        (ci.COLOR, ci.color_bytes(np.zeros((64, 64, 3), np.uint8))[:40]),
    ],
)
def test_what_is_no_picture_is_refused(name, data):
    with pytest.raises(ValueError, match="compressed image"):
        ci.pixels(name, data)
