"""What goes into the hole before the generator sees it.

What lives here: the fills of the paper, below, and those that they are compared with: `noises` of other kinds, and
`mosaic`. Each of `FILLS` takes `image` [B, H, W, C] (its hole's values are ignored, but by `mosaic`), `mask`
[B, H, W, 1] with 1 = hole, and `seed`, an integer tensor [2] (only those that draw something use it), and returns
`filled_image` [B, H, W, C], equal to `image` on known pixels.
"""

import tensorflow as tf

from faceinpaint.fills.mosaic import mosaic
from faceinpaint.fills.noises import noise, patch, salt_and_pepper, shuffle, uniform

__all__ = [
    "FILLS",
    "constant",
    "finer",
    "mean",
    "mosaic",
    "noise",
    "patch",
    "salt_and_pepper",
    "shuffle",
    "surround",
    "uniform",
]


def _push_pull(value, weight):
    """Colours everywhere from colours known in part. `value` holds colour times `weight`, `weight` lies in [0, 1].

    Pull: halve the resolution until a single pixel is left; push: come back up, each level keeping what it knows and
    taking the rest from the level below (Gortler et al. 1996, "The Lumigraph", section 3.4).
    """
    height, width = value.shape[1:3]
    if height == width == 1:
        return tf.math.divide_no_nan(value, weight)
    coarse_value = tf.nn.avg_pool2d(value, 2, 2, "SAME")
    coarse_weight = tf.nn.avg_pool2d(weight, 2, 2, "SAME")
    # One known pixel in four is enough to know a coarse pixel: colours come from as near by as possible.
    gain = tf.math.divide_no_nan(tf.minimum(4.0 * coarse_weight, 1.0), coarse_weight)
    coarse = _push_pull(gain * coarse_value, gain * coarse_weight)
    return value + (1.0 - weight) * tf.image.resize(coarse, (height, width))


def surround(image, mask, seed=None):
    """The paper's idea: known values from the hole's own surroundings, carried inwards by a push-pull pyramid.

    Holes of any shape, touching the border or not; a picture with nothing known becomes mid-grey, 0.
    """
    known = 1.0 - mask
    return _push_pull(image * known, known)


def mean(image, mask, seed=None):
    """The mean colour of the picture's known pixels; mid-grey, 0, where nothing is known."""
    known = 1.0 - mask
    total = tf.reduce_sum(image * known, axis=(1, 2), keepdims=True)
    colour = tf.math.divide_no_nan(total, tf.reduce_sum(known, axis=(1, 2), keepdims=True))
    return image * known + colour * mask


def constant(image, mask, seed=None):
    """Mid-grey, 0."""
    return image * (1.0 - mask)


def finer(image, mask, restored):
    """The paper's idea once more, an octave up: known values of the coarser picture.

    restored: `image` at half its side, repaired, [B, H / 2, W / 2, C]. It is enlarged by linear interpolation.
    """
    return image * (1.0 - mask) + tf.image.resize(restored, image.shape[1:3]) * mask


FILLS = {
    "surround": surround,
    "mean": mean,
    "noise": noise,
    "constant": constant,
    "uniform": uniform,
    "salt_and_pepper": salt_and_pepper,
    "shuffle": shuffle,
    "patch": patch,
    "mosaic": mosaic,
}
