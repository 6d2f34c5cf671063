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
        self.config, self.steps = config, steps
        keras.utils.set_random_seed(config.seed)
        self.network, self.optimizer = build_unet(config), keras.optimizers.Adam(rate)
        self.optimizer.build(self.network.trainable_variables)
        self.state = [*self.network.weights, *self.optimizer.variables]
        self.start = [variable.numpy() for variable in self.state]
        seed = [config.seed, 4]
        self.noise = tf.random.stateless_uniform([1, config.size, config.size, 4], seed, 0.0, 0.1)  # as in section 3

    def restore(self, images, masks):
        """As `Inpainter.restore`; each picture takes `steps` steps of training."""
        images, masks, single = checked(images, masks, self.config.size)
        parts = [self._fitted(image, mask) for image, mask in zip(to_float(images), tf.constant(masks), strict=True)]
        restored = np.where(masks > 0, np.stack(parts), images)
        return restored[0] if single else restored

    def _fitted(self, image, mask):
        """One picture, image [H, W, 3] in [-1, 1], drawn by the network from its start: uint8 [H, W, 3]."""
        for variable, value in zip(self.state, self.start, strict=True):
            variable.assign(value)
        for _ in range(self.steps):
            self._step(image[None], mask[None])
        return to_uint8(composite(image, self.network(self.noise)[0], mask)).numpy()

    @tf.function
    def _step(self, image, mask):
        with tf.GradientTape() as tape:
            loss = known_error(image, self.network(self.noise), mask)
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
