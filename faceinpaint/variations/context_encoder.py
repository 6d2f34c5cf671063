"""Context encoders: a narrow passage instead of skips, and a squared error (Pathak et al. 2016, "Context encoders:
feature learning by inpainting")."""

import keras
import tensorflow as tf
from keras import layers

from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter


def build_encoder_decoder(config: Config, dtype="float32") -> keras.Model:
    """The generator of Pathak et al. (section 3.1): an encoder, every place of its coarsest scale connected with every
    other in a channel-wise fully-connected layer, and a decoder.

    Nothing passes beside: no skips. Input and output: as `networks.build_unet`.
    """
    x = inputs = keras.Input((config.size, config.size, 4), name="filled_image_and_mask")
    for scale, width in enumerate(config.generator_widths):
        x = layers.Conv2D(width, 4, 2, padding="same", dtype=dtype, name=f"encode{scale}")(x)
        x = layers.LeakyReLU(0.2, dtype=dtype, name=f"leak{scale}")(x)  # [B, size / 2**(scale + 1), ..., width]
    *coarsest, width = x.shape[1:]
    places = coarsest[0] * coarsest[1]
    x = layers.Reshape((places, width), dtype=dtype, name="places")(x)
    x = layers.EinsumDense("bpc,pqc->bqc", (places, width), activation="relu", dtype=dtype, name="channelwise")(x)
    x = layers.Reshape((*coarsest, width), dtype=dtype, name="picture")(x)
    x = layers.Conv2D(width, 1, activation="relu", dtype=dtype, name="across_channels")(x)
    for scale, width in reversed(list(enumerate(config.generator_widths[:-1]))):
        x = layers.Conv2DTranspose(width, 4, 2, "same", activation="relu", dtype=dtype, name=f"decode{scale}")(x)
    x = layers.Conv2DTranspose(3, 4, 2, padding="same", dtype=dtype, name="up")(x)
    generated = layers.Activation("tanh", dtype="float32", name="generated")(x)
    return keras.Model(inputs, generated, name="context_encoder")


def squared_error(image, restored, mask):
    """||mask * (image - restored)||^2 as a mean over the hole (Pathak et al. 2016, eq. 1): [B, H, W, 3] → [B]."""
    error = tf.reduce_sum(mask * tf.square(image - restored), axis=(1, 2, 3))
    return tf.math.divide_no_nan(error, 3.0 * tf.reduce_sum(mask, axis=(1, 2, 3)))


class ContextEncoder(Inpainter):
    """0.999 of the squared error and 0.001 of the adversarial loss (Pathak et al. 2016, eq. 3 and section 5), the mean
    colour in the hole: the preset `context_encoder` has these weights and this fill.

    Theirs judges the hole's square alone; here the paper's discriminator does, which is told where the hole is.
    """

    build_generator = staticmethod(build_encoder_decoder)

    def reconstruction_loss(self, image, stages, mask):
        return tf.reduce_mean([squared_error(image, restored, mask) for restored in stages])

    def balance(self, image, restored, mask):
        """All images alike."""
        return 1.0
