"""What unmosaicing by a network is compared with: the mosaic as it is, and smoothly enlarged."""

import tensorflow as tf

from faceinpaint.contract import checked
from faceinpaint.fills.mosaic import BLOCKS, mosaic
from faceinpaint.inpainter import composite
from faceinpaint.pipeline import to_float, to_uint8


def _repair(images, masks, draw):
    images, masks, single = checked(images, masks)
    image = to_float(images)
    restored = to_uint8(composite(image, draw(mosaic(image, masks)), masks)).numpy()
    return restored[0] if single else restored


def block_means(images, masks):
    """A `restore` that leaves the mosaic as it is. The side of `images` is a multiple of 8."""
    return _repair(images, masks, lambda picture: picture)


def bicubic(images, masks):
    """A `restore` that enlarges the means of the mosaic's blocks, and of the known ones around it, bicubically."""

    def enlarged(picture):
        side = picture.shape[1]
        means = tf.nn.avg_pool2d(picture, side // BLOCKS, side // BLOCKS, "VALID")
        return tf.image.resize(means, [side, side], "bicubic")

    return _repair(images, masks, enlarged)
