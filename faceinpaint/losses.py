"""One pure function for each formula; the weights of the terms are in the config."""

import tensorflow as tf

ERROR_FLOOR = 0.01  # about one grey level on [-1, 1]: below it an error gains little by falling further


def discriminator_loss(real_logits, fake_logits):
    """Binary cross-entropy of telling real images from restored ones, halved so that 0.69 is a coin toss.

    Goodfellow et al. 2014, eq. 1: -(log D(image) + log(1 - D(restored))) / 2, with D = sigmoid(logits).
    Logits: [B, any number for each image] → scalar.
    """
    real = tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(real_logits), real_logits)
    fake = tf.nn.sigmoid_cross_entropy_with_logits(tf.zeros_like(fake_logits), fake_logits)
    return (tf.reduce_mean(real) + tf.reduce_mean(fake)) / 2


def adversarial_loss(fake_logits):
    """-log D(restored): the generator's side in its non-saturating form (Goodfellow et al. 2014, section 3).

    Logits: [B, 1] → [B], one for each image.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(fake_logits), fake_logits)[:, 0]


def hole_error(image, restored, mask):
    """sum(mask * |image - restored|) / (3 * sum(mask)): each image's mean absolute error in its hole (L1: Isola et al.
    2017, eq. 3). Images: [B, H, W, 3] in [-1, 1] → [B], at least 0; 0 without a hole."""
    error = tf.reduce_sum(mask * tf.abs(image - restored), axis=(1, 2, 3))
    return tf.math.divide_no_nan(error, 3.0 * tf.reduce_sum(mask, axis=(1, 2, 3)))


def reconstruction_loss(error):
    """How far the hole is from the truth, on a logarithmic scale: the mean of log(1 + error / `ERROR_FLOOR`).

    The logarithm divides the gradient of each image by its own error and the floor. A mouth or scattered pixels, whose
    error is small, then count as much as half a face. Without it half a face would drown them (the logarithm of each
    image's error as in the PSNR loss of Chen et al. 2021, "HINet").
    error: [B] of `hole_error` → scalar, at least 0.
    """
    return tf.reduce_mean(tf.math.log1p(error / ERROR_FLOOR))


def balance(error, mask):
    """The weight of each image's adversarial loss: (1 - hole area)² / (1 + error / `ERROR_FLOOR`).

    The denominator scales an image's adversarial gradient as the logarithm of `reconstruction_loss` scales its L1
    gradient: the two keep their proportion, whether the error is large or small. The numerator lets the adversarial
    loss count more in small holes, which lack sharpness, than in large ones, which lack truth.
    error: [B] of `hole_error`; mask: [B, H, W, 1] → [B] in [0, 1], constants for the gradient.
    """
    return tf.stop_gradient((1.0 - tf.reduce_mean(mask, axis=(1, 2, 3))) ** 2 / (1.0 + error / ERROR_FLOOR))
