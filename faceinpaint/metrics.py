"""How close a restored image is to the true one: one value for each image, float32 [B].

`image` and `restored` are [B, H, W, 3] in [-1, 1], tensors or arrays; uint8 images go through `pipeline.to_float`
first. With a `mask` [B, H, W, 1], 1 = hole, the value is of the hole alone, else of the whole image. The two differ
much: known pixels are perfect, so a hole of a tenth of the image adds 10 dB to its own PSNR. A hole-only value of an
image without a hole is NaN.
"""

import numpy as np
import tensorflow as tf

RANGE = 2.0  # from black, -1, to white, 1
SSIM_SIGMA, SSIM_RADIUS = 1.5, 5  # pixels: Wang et al.'s 11 x 11 window
SSIM_C1, SSIM_C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2


def _mean(values, mask=None):
    """Mean of `values` [B, H, W, C] for each image, over all its pixels or those of the hole → [B]."""
    if mask is None:
        return tf.reduce_mean(values, axis=(1, 2, 3))
    weights = tf.broadcast_to(tf.cast(mask, values.dtype), tf.shape(values))
    return tf.reduce_sum(weights * values, axis=(1, 2, 3)) / tf.reduce_sum(weights, axis=(1, 2, 3))


def _error(image, restored):
    return tf.cast(image, tf.float32) - tf.cast(restored, tf.float32)


def l1(image, restored, mask=None):
    """Mean absolute error as a fraction of the range of values, in [0, 1]: mean(|image - restored|) / 2."""
    return _mean(tf.abs(_error(image, restored)), mask) / RANGE


def psnr(image, restored, mask=None):
    """Peak signal-to-noise ratio in dB: 10 log10(2^2 / MSE). Infinite for identical images."""
    mse = _mean(tf.square(_error(image, restored)), mask)
    return 10.0 * tf.math.log(RANGE**2 / mse) / tf.math.log(10.0)


def _blur_matrix(size):
    """[size, size]: multiplying a column of pixels by it takes Gaussian means, the column mirrored at its ends."""
    offsets = np.arange(-SSIM_RADIUS, SSIM_RADIUS + 1)
    window = np.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    mirrored = np.pad(np.eye(size), [[SSIM_RADIUS, SSIM_RADIUS], [0, 0]], mode="symmetric")
    return sum(weight * mirrored[i : i + size] for i, weight in enumerate(window / window.sum()))


def _ssim_map(image, restored):
    """SSIM around each pixel and in each channel, [B, H, W, 3]: Wang et al. 2004, eq. 13, population (co)variances.

    In float64: a small variance is the difference of large moments, and a GPU may round float32 products to 10 bits.
    """
    x, y = (tf.transpose(tf.cast(i, tf.float64), [0, 3, 1, 2]) for i in (image, restored))
    moments = tf.concat([x, y, x * x, y * y, x * y], axis=1)  # [B, 15, H, W]
    moments = _blur_matrix(moments.shape[2]) @ moments @ _blur_matrix(moments.shape[3]).T
    x_mean, y_mean, xx, yy, xy = tf.split(moments, 5, axis=1)
    means, squares = x_mean * y_mean, x_mean * x_mean + y_mean * y_mean  # a power takes thrice as long
    luminance = (2.0 * means + SSIM_C1) / (squares + SSIM_C1)
    structure = (2.0 * (xy - means) + SSIM_C2) / (xx + yy - squares + SSIM_C2)
    return tf.transpose(tf.cast(luminance * structure, tf.float32), [0, 2, 3, 1])


def ssim(image, restored, mask=None):
    """Structural similarity (Wang et al. 2004), at most 1: the mean of the SSIM map over pixels and RGB channels.

    Whole image: the 5 pixels at each border, where the window leaves the image, do not count, as in scikit-image.
    Hole only: all pixels of the hole count, the picture mirrored at its border; a pixel's window sees up to 5 pixels
    of the known surroundings. H and W must be at least 11.
    """
    similarity = _ssim_map(image, restored)
    if mask is None:
        similarity = similarity[:, SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS]
    return _mean(similarity, mask)
