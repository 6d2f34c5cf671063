"""No training at all: an untrained network fitted to one picture (Ulyanov et al. 2018, "Deep image prior")."""

import keras
import numpy as np
import tensorflow as tf

from faceinpaint.config import Config
from faceinpaint.contract import checked
from faceinpaint.inpainter import composite
from faceinpaint.networks import build_unet
from faceinpaint.pipeline import to_float, to_uint8


def known_error(image, generated, mask):
    """||(generated - image) * (1 - mask)||^2 as a mean over the known pixels (Ulyanov et al. 2018, eq. 5, whose mask is
    1 where ours is 0): [B, H, W, 3] → scalar."""
    known = 1.0 - mask
    error = tf.reduce_sum(known * tf.square(generated - image))
    return tf.math.divide_no_nan(error, 3.0 * tf.reduce_sum(known))


class DeepImagePrior:
    """What the paper's U-Net finds easiest to draw. It has seen no face but the damaged one.

    For each picture a U-Net with random weights learns to draw its known pixels from a fixed picture of noise. What it
    draws in the hole meanwhile is the answer, until it has learned the noise as well: `steps` are few.
    """

    def __init__(self, config: Config, steps=300, rate=1e-3):
        """steps, rate: of Adam, for each picture; 200 and 600 steps were alike on validation faces."""
        self.config, self.steps, self.rate = config, steps, rate

    def restore(self, images, masks):
        """As `Inpainter.restore`; each picture takes `steps` steps of training."""
        images, masks, single = checked(images, masks, self.config.size)
        parts = [self._fitted(image, mask) for image, mask in zip(to_float(images), masks, strict=True)]
        restored = np.where(masks > 0, np.stack(parts), images)
        return restored[0] if single else restored

    def _fitted(self, image, mask):
        """One picture, image [H, W, 3] in [-1, 1], drawn by a network of its own: uint8 [H, W, 3]."""
        keras.utils.set_random_seed(self.config.seed)
        network, optimizer = build_unet(self.config), keras.optimizers.Adam(self.rate)
        optimizer.build(network.trainable_variables)
        seed = [self.config.seed, 4]
        noise = tf.random.stateless_uniform([1, *image.shape[:2], 4], seed, 0.0, 0.1)  # as in section 3

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = known_error(image[None], network(noise), mask[None])
            optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)

        for _ in range(self.steps):
            step()
        return to_uint8(composite(image, network(noise)[0], mask)).numpy()
