"""How close a restored image is to the true one: one value for each image, [B]."""

import tensorflow as tf


def psnr(image, restored, mask=None):
    """Peak signal-to-noise ratio in dB, 10 log10(2^2 / MSE), of images [B, H, W, 3] in [-1, 1].

    With a `mask` [B, H, W, 1], over the hole alone. Infinite for identical images, NaN for an empty hole.
    """
    error = tf.square(tf.cast(image, tf.float32) - tf.cast(restored, tf.float32))
    if mask is None:
        mse = tf.reduce_mean(error, axis=(1, 2, 3))
    else:
        mse = tf.reduce_sum(mask * error, axis=(1, 2, 3)) / (3.0 * tf.reduce_sum(mask, axis=(1, 2, 3)))
    return 10.0 * tf.math.log(4.0 / mse) / tf.math.log(10.0)
