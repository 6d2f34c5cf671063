"""One pure function for each formula; the weights of the terms are in the config."""

import tensorflow as tf


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
    """Mean absolute error in the hole: sum(mask * |image - restored|) / (3 * sum(mask)), over the whole batch.

    A pixel counts alike in a small hole and in a large one (Pathak et al. 2016, eq. 1, with L1 for sharper edges, as
    in Isola et al. 2017, eq. 3). Images: [B, H, W, 3] in [-1, 1] → scalar; 0 for a batch without a hole.
    """
    error = tf.reduce_sum(mask * tf.abs(image - restored))
    return tf.math.divide_no_nan(error, 3.0 * tf.reduce_sum(mask))
