"""The hole as a mosaic shows it: not lost, but coarse."""

import tensorflow as tf

BLOCKS = 8  # across the picture: of 8 pixels at 64


def mosaic(image, mask, seed=None):
    """Each block of the hole in the mean colour of its own pixels in the hole.

    Unlike every other fill it looks into the hole: there the damage is a mosaic, as where a face is to be hidden (Javed
    et al. 2019, "UMGAN: Generative adversarial network for image unmosaicing using perceptual loss"). Of a picture that
    is one there already it changes nothing.
    """
    block = image.shape[1] // BLOCKS
    total, count = (tf.nn.avg_pool2d(x, block, block, "VALID") for x in (image * mask, mask))
    means = tf.math.divide_no_nan(total, count)
    return image * (1.0 - mask) + tf.repeat(tf.repeat(means, block, axis=1), block, axis=2) * mask
