"""A second discriminator beside the first: on the hole's own patch, as the outer of two nested networks has it (Li et
al. 2019, "Face inpainting via nested generative adversarial networks")."""

from dataclasses import replace

import keras
import tensorflow as tf

from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter
from faceinpaint.networks import build_discriminator


def _resampling(lost, side):
    """Weights [B, side, size] that sample a picture's rows, bilinearly, from the first to the last that are `lost`.

    lost: [B, size], 1 where a row has a hole. Of a picture without one: all rows.
    """
    size = lost.shape[1]
    first = tf.cast(tf.argmax(lost, axis=1), tf.float32)
    last = size - tf.cast(tf.argmax(tf.reverse(lost, [1]), axis=1), tf.float32)  # the row after it
    step = (last - first)[:, None] / side
    centres = first[:, None] + step * (tf.range(side, dtype=tf.float32) + 0.5) - 0.5
    weights = tf.nn.relu(1.0 - tf.abs(centres[..., None] - tf.range(size, dtype=tf.float32)))
    return weights / tf.reduce_sum(weights, axis=2, keepdims=True)


def hole_patch(pictures, side):
    """The smallest rectangle that holds the hole, resampled to a square.

    pictures: [B, H, W, C], the mask their last channel → [B, side, side, C].
    """
    rows, columns = (_resampling(tf.reduce_max(pictures[..., -1], axis=axis), side) for axis in (2, 1))
    return tf.einsum("bph,bhwc,bqw->bpqc", rows, pictures, columns)


class HolePatch(keras.layers.Layer):
    """`hole_patch` as a layer."""

    def __init__(self, side, **options):
        super().__init__(dtype="float32", **options)
        self.side = side

    def call(self, pictures):
        return hole_patch(pictures, self.side)

    def compute_output_shape(self, shape):
        return shape[0], self.side, self.side, shape[3]


def build_nested_discriminators(config: Config, dtype="float32") -> keras.Model:
    """The paper's discriminator twice: of the whole picture, and of the hole's patch at about half its size.

    Input: as `networks.build_discriminator`. Output: logits [B, 2], the whole picture's and the patch's.
    """
    side = 16 * -(-config.size // 32)
    inputs = keras.Input((config.size, config.size, 4), name="image_or_restored_and_mask")
    whole, inner = (build_discriminator(replace(config, size=size), dtype) for size in (config.size, side))
    inner.name = "inner_discriminator"
    logits = [whole(inputs), inner(HolePatch(side, name="patch")(inputs))]
    return keras.Model(inputs, keras.layers.Concatenate(name="logits")(logits), name="discriminators")


class Nested(Inpainter):
    """The paper's system with both discriminators of `build_nested_discriminators`, their losses averaged (Li et al.
    2019: a global and a local one).

    Left out: the inner network, inside their generator, whose discriminator compares codes; and its residual structure.
    """

    build_discriminator = staticmethod(build_nested_discriminators)

    def adversarial_loss(self, fake_logits):
        """The mean of both, each as `losses.adversarial_loss`: [B, 2] → [B]."""
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(fake_logits), fake_logits), axis=1)
