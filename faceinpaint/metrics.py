"""How close a restored image is to the true one: one value for each image, float32 [B]. And how far restored images
are, as a set, from true ones (`frechet_distance`).

`image` and `restored` are [B, H, W, 3] in [-1, 1], tensors or arrays; uint8 images go through `pipeline.to_float`
first. With a `mask` [B, H, W, 1], 1 = hole, the value is of the hole alone, else of the whole image. The two differ
much: known pixels are perfect, so a hole of a tenth of the image adds 10 dB to its own PSNR. A hole-only value of an
image without a hole is NaN.
"""

import numpy as np
import tensorflow as tf

RANGE = 2.0  # from black, -1, to white, 1
SSIM_RADIUS = 5  # pixels: Wang et al.'s 11 x 11 window, a Gaussian of 1.5 pixels


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


def ssim(image, restored, mask=None):
    """Structural similarity of pictures on the scale [0, 1] (Wang et al. 2004, eq. 13), in [-1, 1], 1 for identical
    ones: the mean over pixels and RGB channels.

    Whole image: the 5 pixels at each border, where the window leaves the image, do not count, as in scikit-image.
    Hole only: all pixels of the hole count, the picture mirrored at its border; a pixel's window sees up to 5 pixels
    of the known surroundings. H and W must be at least 11.
    """
    pair = [(tf.cast(picture, tf.float32) + 1.0) / RANGE for picture in (image, restored)]
    if mask is not None:
        border = [[0, 0], [SSIM_RADIUS, SSIM_RADIUS], [SSIM_RADIUS, SSIM_RADIUS], [0, 0]]
        pair = [tf.pad(picture, border, "SYMMETRIC") for picture in pair]
    with tf.device("CPU"):  # a small variance is the difference of large moments; a GPU may round these to 10 bits
        similarity = tf.image.ssim(*pair, max_val=1.0, return_index_map=True)  # [B, H, W], less 10 pixels if unpadded
    return _mean(similarity[..., None], mask)


def frechet_distance(features, others) -> float:
    """How far apart two sets of pictures are: the squared Fréchet distance, as FID reports it, of the normal
    distributions that have the means and covariances of their features (Heusel et al. 2017, eq. 6).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), in float64; covariances divide by the number of pictures.
    features, others: [N, D] and [M, D], one row a picture. Depends on N and M: only distances of equal ones are
    comparable.
    """
    first, second = (np.asarray(rows, np.float64) for rows in (features, others))
    covariances = [np.cov(rows, rowvar=False, bias=True) for rows in (first, second)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0.0)).sum()
    between_means = np.sum((first.mean(axis=0) - second.mean(axis=0)) ** 2)
    return float(between_means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2.0 * shared)
