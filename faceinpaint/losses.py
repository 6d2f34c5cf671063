"""One pure function for each formula; the weights of the terms are in the config."""

import tensorflow as tf

ERROR_FLOOR = 0.01  # about one grey level on [-1, 1]: an error below it does not pay


def discriminator_loss(real_logits, fake_logits):
    """Binary cross-entropy of telling real images from restored ones, halved so that 0.69 is a coin toss.

    Goodfellow et al. 2014, eq. 1: -(log D(image) + log(1 - D(restored))) / 2, with D = sigmoid(logits).
    Logits: [B, 1] → scalar.
    """
    real = tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(real_logits), real_logits)
    fake = tf.nn.sigmoid_cross_entropy_with_logits(tf.zeros_like(fake_logits), fake_logits)
    return (tf.reduce_mean(real) + tf.reduce_mean(fake)) / 2


def adversarial_loss(fake_logits):
    """-log D(restored): the generator's side in its non-saturating form (Goodfellow et al. 2014, section 3).

    Logits: [B, 1] → [B], one for each image.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(fake_logits), fake_logits)[:, 0]


def adversarial_factor(fake_logits):
    """d mean(adversarial_loss) / d discriminator_loss by each restored image: -2 (1 - D) / D = -2 exp(-logit).

    Both depend on a restored image through its logit alone, so this factor turns what `discriminator_loss` says of its
    pixels into what `adversarial_loss` does. Logits: [B, 1] → [B]; finite, for logits below -80 the factor of -80.
    """
    return -2.0 * tf.exp(tf.minimum(-fake_logits[:, 0], 80.0))


def hole_error(image, restored, mask):
    """sum(mask * |image - restored|) / (3 * sum(mask)): each image's mean absolute error in its hole (L1: Isola et al.
    2017, eq. 3). Images: [B, H, W, 3] in [-1, 1] → [B], at least 0; 0 without a hole."""
    error = tf.reduce_sum(mask * tf.abs(image - restored), axis=(1, 2, 3))
    return tf.math.divide_no_nan(error, 3.0 * tf.reduce_sum(mask, axis=(1, 2, 3)))


def reconstruction_loss(error):
    """How far the hole is from the truth, on a logarithmic scale: the mean of log(1 + error / `ERROR_FLOOR`).

    The logarithm divides each image's gradient by its own error. A small or easy hole, a mouth or scattered pixels,
    so counts as much as half a face, which would drown it otherwise (the logarithm of each image's error as in the
    PSNR loss of Chen et al. 2021, "HINet"). error: [B] of `hole_error` → scalar, at least 0.
    """
    return tf.reduce_mean(tf.math.log1p(error / ERROR_FLOOR))


def balance(error, mask):
    """What each image's adversarial loss counts, [B] in [0, 1], constants for the gradient:
    (1 - hole area)² / (1 + error / `ERROR_FLOOR`).

    The second factor is what the logarithm of `reconstruction_loss` leaves of an image's gradient. Times it, the
    adversarial loss keeps its proportion to L1, where it would rule large errors and hardly be heard in small ones. The
    first gives it more to say in small holes, which lack sharpness, than in large ones, which lack truth.
    error: [B] of `hole_error`; mask: [B, H, W, 1].
    """
    return tf.stop_gradient((1.0 - tf.reduce_mean(mask, axis=(1, 2, 3))) ** 2 / (1.0 + error / ERROR_FLOOR))
