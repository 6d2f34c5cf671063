"""Generators: functions from a `Config` to a `keras.Model` that maps a filled image and its mask to an image."""

import keras
from keras import layers

from faceinpaint.config import Config


def _conv(channels, kernel=3, strides=1, **options):
    return layers.Conv2D(
        channels, kernel, strides, padding="same", activation="relu", kernel_initializer="he_normal", **options
    )


def folded(x, name, dtype):
    """Squares of 2x2 pixels become channels: [B, H, W, C] → [B, H / 2, W / 2, 4 C]. A 1x1 convolution then is what one
    of 2x2 with strides of 2 was before, as one matrix product: its gradient takes a third of the time."""
    height, width, channels = x.shape[1:]
    x = layers.Reshape((height // 2, 2, width // 2, 2 * channels), dtype=dtype, name=f"{name}_squares")(x)
    x = layers.Permute((1, 3, 2, 4), dtype=dtype, name=f"{name}_order")(x)
    return layers.Reshape((height // 2, width // 2, 4 * channels), dtype=dtype, name=f"{name}_folded")(x)


def unfolded(x, name, dtype):
    """Channels become squares of 2x2 pixels: [B, H, W, 4 C] → [B, 2 H, 2 W, C] (Shi et al. 2016, eq. 4)."""
    height, width, channels = x.shape[1:]
    x = layers.Reshape((height, width, 2, channels // 2), dtype=dtype, name=f"{name}_squares")(x)
    x = layers.Permute((1, 3, 2, 4), dtype=dtype, name=f"{name}_order")(x)
    return layers.Reshape((2 * height, 2 * width, channels // 4), dtype=dtype, name=f"{name}_unfolded")(x)


def build_unet(config: Config, dtype="float32") -> keras.Model:
    """U-Net (Ronneberger et al. 2015): the paper's generator.

    Input: filled_image [B, size, size, 3] in [-1, 1] and mask [B, size, size, 1], concatenated to 4 channels.
    Output: generated [B, size, size, 3], float32 in [-1, 1].

    Where it departs from the original, it is for speed. It works from half the picture's resolution down: a
    convolution takes 4x4 pixels in and a transposed one gives them back, and full resolution, where a processor waits
    for memory more than it multiplies, is left to them. Between the scales squares of 2x2 pixels are folded into
    channels and out again, which leaves the arithmetic to matrix products and 3x3 convolutions, what processors do
    best; skips are added, not concatenated, which halves the decoder; and there are no normalisation layers.
    """
    size, (first, *widths) = config.size, config.generator_widths
    inputs = keras.Input((size, size, 4), name="filled_image_and_mask")
    x = _conv(first, kernel=4, strides=2, dtype=dtype, name="encode0")(inputs)  # [B, size / 2, size / 2, first]
    skips = []
    for scale, width in enumerate(widths, start=1):
        skips.append(x)
        x = folded(x, f"down{scale}", dtype)  # side size / 2**(scale + 1)
        x = _conv(width, kernel=1, dtype=dtype, name=f"down{scale}")(x)
        x = _conv(width, dtype=dtype, name=f"encode{scale}")(x)
    x = _conv(widths[-1], dtype=dtype, name="bottom")(x)
    for scale in range(len(widths) - 1, -1, -1):
        skip = skips.pop()
        x = layers.Conv2D(4 * skip.shape[-1], 1, dtype=dtype, name=f"up{scale}")(x)
        x = unfolded(x, f"up{scale}", dtype)  # side doubles
        x = layers.Add(dtype=dtype, name=f"skip{scale}")([x, skip])
        x = layers.ReLU(dtype=dtype, name=f"relu{scale}")(x)
        x = _conv(skip.shape[-1], dtype=dtype, name=f"decode{scale}")(x)
    x = layers.Conv2DTranspose(3, 4, 2, padding="same", dtype=dtype, name="up")(x)  # [B, size, size, 3]
    generated = layers.Activation("tanh", dtype="float32", name="generated")(x)
    return keras.Model(inputs, generated, name="unet")


def _gated_conv(x, channels, name, dtype, strides=1):
    """A convolution that decides for itself where it applies: ELU(features) * sigmoid(gate) (Yu et al. 2019, "Free-form
    image inpainting with gated convolution", eq. 2)."""
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
    """Two stages of gated convolutions, the kind of network the paper compares itself with (SC-FEGAN, Jo and Park 2019;
    DeepFill v2, Yu et al. 2019; without their sketches and contextual attention).

    The first stage repairs coarsely, its result is pasted into the hole, the second refines it.
    Input: as `build_unet`. Output: [coarse, generated], each [B, size, size, 3], float32 in [-1, 1].
    """
    inputs = keras.Input((config.size, config.size, 4), name="filled_image_and_mask")
    filled_image, mask = inputs[..., :3], inputs[..., 3:]
    widths = (config.generator_widths[0] // 2, *config.generator_widths[:3])  # from full resolution down
    coarse = _gated_stage(inputs, widths, "coarse", dtype)
    pasted = filled_image + mask * (coarse - filled_image)
    generated = _gated_stage(layers.Concatenate(name="pasted")([pasted, mask]), widths, "fine", dtype)
    return keras.Model(inputs, [coarse, generated], name="coarse_to_fine")


GENERATORS = {"unet": build_unet, "coarse_to_fine": build_coarse_to_fine}


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
