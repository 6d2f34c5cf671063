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

    Logits: [B, 1] → scalar.
    """
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(fake_logits), fake_logits))


def reconstruction_loss(image, restored, mask):
    """How far the hole is from the truth, on a logarithmic scale: the mean over images of log(1 + e / `ERROR_FLOOR`),
    where e = sum(mask * |image - restored|) / (3 * sum(mask)) is an image's mean absolute error in its hole.

    The logarithm divides each image's gradient by its own error. A small or easy hole, a mouth or scattered pixels,
    so counts as much as half a face, which would drown it otherwise. (L1 as in Isola et al. 2017, eq. 3; the logarithm
    of each image's error as in the PSNR loss of Chen et al. 2021, "HINet".) Images: [B, H, W, 3] in [-1, 1] →
    scalar, at least 0; an image without a hole counts as perfect.
    """
    error = tf.reduce_sum(mask * tf.abs(image - restored), axis=(1, 2, 3))
    error = tf.math.divide_no_nan(error, 3.0 * tf.reduce_sum(mask, axis=(1, 2, 3)))  # [B]
    return tf.reduce_mean(tf.math.log1p(error / ERROR_FLOOR))
