"""The discriminator: is what the mask covers photographed, or was it generated?"""

import keras
from keras import layers

from faceinpaint.config import Config
from faceinpaint.generator import folded


def build_discriminator(config: Config, dtype="float32") -> keras.Model:
    """Convolutions, then dense layers, as the paper has it. It is told where to look: in a restored image most pixels
    are the photograph's own.

    Input: image or restored [B, size, size, 3] in [-1, 1] and mask [B, size, size, 1], concatenated.
    Output: logit [B, 1], float32; the losses apply the sigmoid.
    """
    inputs = keras.Input((config.size, config.size, 4), name="image_or_restored_and_mask")
    x, scales = inputs, len(config.discriminator_widths)
    for scale, width in enumerate(config.discriminator_widths, start=1):
        if scale < scales:
            x = layers.Conv2D(width, 4, 2, padding="same", dtype=dtype, name=f"down{scale}")(x)
        else:  # few pixels, many channels: a matrix product for each square is several times as fast
            x = layers.Conv2D(width, 1, dtype=dtype, name=f"down{scale}")(folded(x, f"down{scale}", dtype))
        x = layers.LeakyReLU(0.2, dtype=dtype, name=f"leak{scale}")(x)  # [B, size / 2**scale, ..., width]
    x = layers.Flatten(dtype=dtype, name="flatten")(x)
    x = layers.Dense(config.discriminator_dense, dtype=dtype, name="dense")(x)
    x = layers.LeakyReLU(0.2, dtype=dtype, name="leak_dense")(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    return keras.Model(inputs, logit, name="discriminator")
