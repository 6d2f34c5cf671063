"""Two stages of gated convolutions: the kind of network that the paper compares itself with."""

import keras
import tensorflow as tf
from keras import layers

from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter


def _gated_conv(x, channels, name, dtype, strides=1):
    """A convolution that decides for itself where it applies: ELU(features) * sigmoid(gate) (Yu et al. 2019, "Free-form
    image inpainting with gated convolution", section 3.1)."""
    both = layers.Conv2D(2 * channels, 3, strides, padding="same", dtype=dtype, name=f"{name}_conv")(x)
    features = layers.Activation("elu", dtype=dtype, name=f"{name}_features")(both[..., :channels])
    gate = layers.Activation("sigmoid", dtype=dtype, name=f"{name}_gate")(both[..., channels:])
    return layers.Multiply(dtype=dtype, name=name)([features, gate])


def _gated_stage(x, widths, stage, dtype):
    """Encoder and decoder of gated convolutions: [B, H, W, C] → image [B, H, W, 3]."""
    first, *rest = widths
    x = _gated_conv(x, first, f"{stage}_in", dtype)
    for scale, width in enumerate(rest, start=1):
        x = _gated_conv(x, width, f"{stage}_down{scale}", dtype, strides=2)
        x = _gated_conv(x, width, f"{stage}_encode{scale}", dtype)
    for scale, width in reversed(list(enumerate(widths[:-1]))):
        x = layers.UpSampling2D(2, dtype=dtype, name=f"{stage}_up{scale}")(x)
        x = _gated_conv(x, width, f"{stage}_decode{scale}", dtype)
    x = layers.Conv2D(3, 3, padding="same", dtype=dtype, name=f"{stage}_out")(x)
    return layers.Activation("tanh", dtype="float32", name=f"{stage}_image")(x)


def build_coarse_to_fine(config: Config, dtype="float32") -> keras.Model:
    """The generator of DeepFill v2 (Yu et al. 2019), without sketches, dilated convolutions and contextual attention.

    The first stage repairs coarsely, its result is pasted into the hole, the second refines it.
    Input and output: as `networks.build_unet`; the layer `coarse_image` gives the first stage's image.
    """
    inputs = keras.Input((config.size, config.size, 4), name="filled_image_and_mask")
    filled_image, mask = inputs[..., :3], inputs[..., 3:]
    widths = (config.generator_widths[0] // 2, *config.generator_widths[:3])  # from full resolution down
    coarse = _gated_stage(inputs, widths, "coarse", dtype)
    pasted = filled_image + mask * (coarse - filled_image)
    generated = _gated_stage(layers.Concatenate(name="pasted")([pasted, mask]), widths, "fine", dtype)
    return keras.Model(inputs, generated, name="coarse_to_fine")


class CoarseToFine(Inpainter):
    """The paper's system with the generator of `build_coarse_to_fine`; the reconstruction loss teaches both stages."""

    build_generator = staticmethod(build_coarse_to_fine)

    def __init__(self, config: Config):
        super().__init__(config)
        coarse = self.generator.get_layer("coarse_image").output
        self.both_stages = keras.Model(self.generator.input, [coarse, self.generator.output])

    def stages(self, filled_image, mask):
        return self.both_stages(tf.concat([filled_image, mask], axis=-1), training=True)
