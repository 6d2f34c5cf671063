"""How close a restored image is to the true one: one value for each image, [B], so that batches of any size average.

`image` and `restored` are [B, H, W, 3] in [-1, 1]. With a `mask` [B, H, W, 1], 1 = hole, each metric looks at the hole
alone: the known pixels of a restored image are exact, and counting them flatters small holes. Publications differ in
which of the two they print, so both are named everywhere: `psnr`, `hole_psnr`. An empty hole gives NaN.
"""

import tensorflow as tf

PEAK = 2.0  # the largest possible difference of two values in [-1, 1]


def _mean(values, mask):
    """Mean over rows, columns and channels, in the hole alone if there is a `mask`: [B, H, W, C] → [B]."""
    if mask is None:
        return tf.reduce_mean(values, axis=(1, 2, 3))
    weights = tf.broadcast_to(tf.cast(mask, tf.float32), tf.shape(values))
    return tf.reduce_sum(weights * values, axis=(1, 2, 3)) / tf.reduce_sum(weights, axis=(1, 2, 3))


def l1(image, restored, mask=None):
    """Mean absolute error on the scale [0, 1]: half the difference of values in [-1, 1]."""
    return _mean(tf.abs(image - restored), mask) / PEAK


def psnr(image, restored, mask=None):
    """Peak signal-to-noise ratio in dB, 10 log10(PEAK^2 / MSE). Infinite for identical images."""
    mse = _mean(tf.square(image - restored), mask)
    return 10.0 * tf.math.log(PEAK**2 / mse) / tf.math.log(10.0)


def ssim(image, restored, mask=None):
    """Structural similarity, 1 for identical images (Wang et al. 2004, eq. 13: Gaussian window of 11 pixels, sigma
    1.5, K1 = 0.01, K2 = 0.03), each channel alone, then averaged.

    The window must fit into the image, so the map ends 5 pixels before the border, as in the authors' program; a
    hole-only value averages the map over the hole's pixels there, and is NaN for a hole within those 5 pixels.
    """
    similarity = _ssim_map(image, restored)  # [B, H - 10, W - 10, 3]
    return _mean(similarity, None if mask is None else mask[:, 5:-5, 5:-5])


def _ssim_map(a, b):
    size = 11
    offsets = tf.range(size, dtype=tf.float32) - size // 2
    window = tf.nn.softmax(-tf.square(offsets) / (2 * 1.5**2))

    def blurred(x):
        channels = x.shape[-1]
        rows = tf.tile(window[:, None, None, None], [1, 1, channels, 1])
        columns = tf.tile(window[None, :, None, None], [1, 1, channels, 1])
        x = tf.nn.depthwise_conv2d(x, rows, [1, 1, 1, 1], "VALID")
        return tf.nn.depthwise_conv2d(x, columns, [1, 1, 1, 1], "VALID")

    a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
    mean_a, mean_b = blurred(a), blurred(b)
    variance_a, variance_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return luminance * structure
