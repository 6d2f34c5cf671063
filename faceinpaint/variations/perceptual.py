"""The paper's system with a perceptual term: what is drawn in the hole is also to look alike to a network that knows
photographs."""

import tensorflow as tf

from faceinpaint import lpips
from faceinpaint.inpainter import Inpainter

WEIGHT = 0.25  # of the term, beside the logarithm of L1
FLOOR = 1e-3  # below it a distance gains little by falling further, as `losses.ERROR_FLOOR`


def perceptual_loss(distance):
    """The mean of log(1 + distance / `FLOOR`), on the logarithmic scale of `losses.reconstruction_loss`.

    distance: LPIPS [B] between images and what was restored of them (Zhang et al. 2018, eq. 1) → scalar, at least 0.
    """
    return tf.reduce_mean(tf.math.log1p(distance / FLOOR))


class Perceptual(Inpainter):
    """The reconstruction loss is the paper system's and `WEIGHT` times `perceptual_loss`."""

    min_size = lpips.MIN_SIDE

    def compile(self, steps_per_epoch):
        """As `Inpainter.compile`. Fetches the weights of LPIPS, raises `UserError` where they cannot be had."""
        super().compile(steps_per_epoch)
        self.lpips = lpips.load()

    def reconstruction_loss(self, image, stages, mask):
        error = super().reconstruction_loss(image, stages, mask)
        return error + WEIGHT * perceptual_loss(self.lpips(image, stages[-1]))
