"""The paper's two networks: functions from a `Config` to a `keras.Model`."""

import keras
from keras import layers, ops

from faceinpaint.config import Config


def _conv(channels, kernel=3, strides=1, **options):
    return layers.Conv2D(
        channels, kernel, strides, padding="same", activation="relu", kernel_initializer="he_normal", **options
    )


def build_unet(config: Config, dtype="float32", any_side=False, name="unet") -> keras.Model:
    """The generator: a U-Net (Ronneberger et al. 2015).

    Input: filled_image [B, size, size, 3] in [-1, 1] and mask [B, size, size, 1], concatenated to 4 channels.
    Output: generated [B, size, size, 3], float32 in [-1, 1].

    It departs from the original for speed. It works from half of the picture's resolution down: one convolution takes
    4x4 pixels in, and a transposed one gives them back. Between the scales, squares of 2x2 pixels become channels and
    channels squares (Shi et al. 2016, eq. 4), which leaves matrix products and 3x3 convolutions to compute. Skips are
    added, not concatenated, which halves the decoder. There are no normalisation layers.

    dtype: a Keras dtype or policy, of all layers but the last. any_side: leaves the sides open, any multiple of the
    deepest scale's pixel.
    """
    first, *widths = config.generator_widths
    side = None if any_side else config.size
    inputs = keras.Input((side, side, 4), name="filled_image_and_mask")
    x = _conv(first, kernel=4, strides=2, dtype=dtype, name="encode0")(inputs)  # [B, size / 2, size / 2, first]
    skips = []
    for scale, width in enumerate(widths, start=1):
        skips.append(x)
        x = ops.space_to_depth(x, 2)  # [B, size / 2**(scale + 1), ..., 4 times its channels]
        x = _conv(width, kernel=1, dtype=dtype, name=f"down{scale}")(x)
        x = _conv(width, dtype=dtype, name=f"encode{scale}")(x)
    x = _conv(widths[-1], dtype=dtype, name="bottom")(x)
    for scale, skip in reversed(list(enumerate(skips))):
        x = layers.Conv2D(4 * skip.shape[-1], 1, dtype=dtype, name=f"up{scale}")(x)
        x = ops.depth_to_space(x, 2)  # the skip's shape
        x = layers.Add(dtype=dtype, name=f"skip{scale}")([x, skip])
        x = layers.ReLU(dtype=dtype, name=f"relu{scale}")(x)
        x = _conv(skip.shape[-1], dtype=dtype, name=f"decode{scale}")(x)
    x = layers.Conv2DTranspose(3, 4, 2, padding="same", dtype=dtype, name="up")(x)  # [B, size, size, 3]
    generated = layers.Activation("tanh", dtype="float32", name="generated")(x)
    return keras.Model(inputs, generated, name=name)


def build_discriminator(config: Config, dtype="float32") -> keras.Model:
    """The discriminator: convolutions, then dense layers, as the paper has it.

    Is what the mask covers photographed, or was it generated? It is told where to look: in a restored image most pixels
    are the photograph's own.

    Input: image or restored [B, size, size, 3] in [-1, 1] and mask [B, size, size, 1], concatenated to 4 channels.
    Output: logit [B, 1], float32; the losses apply the sigmoid. dtype: as `build_unet`.
    """
    *widths, last = config.discriminator_widths
    inputs = keras.Input((config.size, config.size, 4), name="image_or_restored_and_mask")
    x = inputs
    for scale, width in enumerate(widths, start=1):
        x = layers.Conv2D(width, 4, 2, padding="same", dtype=dtype, name=f"down{scale}")(x)
        x = layers.LeakyReLU(0.2, dtype=dtype, name=f"leak{scale}")(x)  # [B, size / 2**scale, ..., width]
    x = ops.space_to_depth(x, 2)
    x = layers.Conv2D(last, 1, dtype=dtype, name="squares")(x)  # of few pixels and many channels: a matrix product
    x = layers.LeakyReLU(0.2, dtype=dtype, name="leak_squares")(x)
    x = layers.Flatten(dtype=dtype, name="flatten")(x)
    x = layers.Dense(config.discriminator_dense, dtype=dtype, name="dense")(x)
    x = layers.LeakyReLU(0.2, dtype=dtype, name="leak_dense")(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    return keras.Model(inputs, logit, name="discriminator")
