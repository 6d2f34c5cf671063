"""The losses of SC-FEGAN (Jo and Park 2019, "SC-FEGAN: Face editing generative adversarial network with user's sketch
and color"), without sketch and colour."""

import keras
import tensorflow as tf
from keras import layers

from faceinpaint import losses, lpips
from faceinpaint.config import Config
from faceinpaint.variations.coarse_to_fine import CoarseToFine

PERCEPTUAL, STYLE = 0.05, 120.0  # Jo and Park's weights of these terms beside the pixels' L1, sigma and gamma


def build_patch_discriminator(config: Config, dtype="float32") -> keras.Model:
    """A spectrally normalised patch discriminator (Yu et al. 2019, "Free-form image inpainting with gated convolution",
    section 3.2; Miyato et al. 2018): convolutions alone, a logit for each patch.

    Input: as `networks.build_discriminator`. Output: logits [B, patches], float32. dtype: of the convolutions; what
    normalises them writes to their weights, which bfloat16 would round.
    """
    x = inputs = keras.Input((config.size, config.size, 4), name="image_or_restored_and_mask")
    for scale, width in enumerate(config.discriminator_widths):
        conv = layers.Conv2D(width, 5, 2, padding="same", dtype=dtype, name=f"down{scale}")
        x = layers.SpectralNormalization(conv, dtype="float32", name=f"normalised{scale}")(x)
        x = layers.LeakyReLU(0.2, dtype=dtype, name=f"leak{scale}")(x)
    logit = layers.Conv2D(1, 1, dtype="float32", name="logit")
    logits = layers.SpectralNormalization(logit, dtype="float32", name="normalised_logit")(x)
    return keras.Model(inputs, layers.Flatten(dtype="float32", name="logits")(logits), name="patch_discriminator")


def perceptual_loss(activations, others):
    """Mean absolute difference of features, summed over layers (Jo and Park 2019, L_percept). Lists of
    [B, h, w, C]."""
    return sum(tf.reduce_mean(tf.abs(x - y)) for x, y in zip(activations, others, strict=True))


def gram(features):
    """Which channels go together: features^T features / (h w C), [B, h, w, C] → [B, C, C]."""
    _, height, width, channels = features.shape
    flat = tf.reshape(features, [-1, height * width, channels])
    return tf.matmul(flat, flat, transpose_a=True) / (height * width * channels)


def style_loss(activations, others):
    """Mean absolute difference of `gram` matrices, summed over layers (Jo and Park 2019, L_style)."""
    return sum(tf.reduce_mean(tf.abs(gram(x) - gram(y))) for x, y in zip(activations, others, strict=True))


class ScFegan(CoarseToFine):
    """The two-stage network, to which the paper counts SC-FEGAN, with its losses: L1, perceptual, style and hinge. (Jo
    and Park's own generator is one U-Net of gated convolutions.)

    Perceptual and style loss are those of what is restored, by the AlexNet that LPIPS uses (theirs: VGG-16), which is
    fetched when training begins. Left out: total variation, the penalties on the discriminator's gradient and its
    square.
    """

    min_size = lpips.MIN_SIDE
    build_discriminator = staticmethod(build_patch_discriminator)

    def compile(self, steps_per_epoch):
        super().compile(steps_per_epoch)
        self.activations = lpips.load_activations()

    def discriminator_loss(self, real_logits, fake_logits):
        """E[max(0, 1 - D(image))] + E[max(0, 1 + D(restored))] (Yu et al. 2019, section 3.2, hinge)."""
        return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))

    def adversarial_loss(self, fake_logits):
        """-D(restored), the mean over patches: [B, patches] → [B]."""
        return -tf.reduce_mean(fake_logits, axis=1)

    def balance(self, image, restored, mask):
        """All images alike."""
        return 1.0

    def reconstruction_loss(self, image, stages, mask):
        """L1 in the hole of both stages, `perceptual_loss` and `style_loss` of the last (Jo and Park 2019, L_G)."""
        pixels = tf.reduce_mean([losses.hole_error(image, restored, mask) for restored in stages])
        seen = self.activations(tf.concat([image, stages[-1]], axis=0))
        there, here = zip(*(tf.split(layer, 2) for layer in seen), strict=True)
        return pixels + PERCEPTUAL * perceptual_loss(here, there) + STYLE * style_loss(here, there)
