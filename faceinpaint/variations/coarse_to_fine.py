"""Two stages of gated convolutions: the kind of network that the paper compares itself with."""

import keras
import tensorflow as tf
from keras import layers

from faceinpaint import losses
from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter, composite


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
    """The generator of SC-FEGAN (Jo and Park 2019) and DeepFill v2 (Yu et al. 2019), without their sketches and their
    contextual attention.

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
        self.stages = keras.Model(self.generator.input, [coarse, self.generator.output])

    def train_step(self, batch):
        """As `Inpainter.train_step`; reconstruction_loss is the mean of both stages' (Yu et al. 2019, section 3.4)."""
        image, mask, filled_image = batch
        weight = self.config.reconstruction_weight
        with tf.GradientTape(persistent=True) as tape:
            stages = self.stages(tf.concat([filled_image, mask], axis=-1), training=True)
            coarse, restored = (composite(image, stage, mask) for stage in stages)
            real_logits, fake_logits = self.judged(image, restored, mask)
            discriminator_loss = losses.discriminator_loss(real_logits, fake_logits)
            adversarial_loss = losses.adversarial_loss(fake_logits)
            coarse_error, error = (losses.hole_error(image, stage, mask) for stage in (coarse, restored))
            reconstruction_loss = losses.reconstruction_loss(tf.concat([coarse_error, error], axis=0))
            balance = losses.balance(error, mask) if weight else 1.0
            adversarial_term = self.config.adversarial_weight * tf.reduce_mean(balance * adversarial_loss)
            generator_loss = weight * reconstruction_loss + adversarial_term
        self.descend(self.generator_optimizer, tape, generator_loss, self.generator)
        self.descend(self.discriminator_optimizer, tape, discriminator_loss, self.discriminator)
        self.average_generator()
        return self.tracked(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            reconstruction_loss=reconstruction_loss,
            adversarial_loss=adversarial_loss,
            real_accuracy=tf.cast(real_logits > 0, tf.float32),
            fake_accuracy=tf.cast(fake_logits < 0, tf.float32),
        )
