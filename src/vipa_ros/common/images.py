"""Images of the wire as arrays: by cv_bridge where ROS provides it, by `vipa.images` elsewhere, with the same result."""

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from vipa import images

try:
    from cv_bridge import CvBridge
except ImportError:
    CvBridge = None


def pixels(image: Image | CompressedImage) -> np.ndarray:
    """See `vipa.images.image_array`, whose table of encodings and checks hold here too, and `vipa.compressed_images`. Raises ValueError."""
    if isinstance(image, CompressedImage):
        from vipa import compressed_images  # here: it loads OpenCV, which few nodes want

        return compressed_images.pixels(image.format, image.data)
    if CvBridge is None:
        return images.image_array(image)
    images.check(image)
    scalar, channels = images.ENCODINGS[image.encoding]
    # cv_bridge of Jazzy swaps bytes by a method that NumPy 2 no longer has, and misreads rows padded by less than a pixel
    if image.is_bigendian or image.step % (np.dtype(scalar).itemsize * channels):
        return images.image_array(image)
    return images.in_our_order(CvBridge().imgmsg_to_cv2(image, "passthrough"), image.encoding)
