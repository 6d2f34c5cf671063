"""The Wasserstein loss with gradient penalty, and a regression term (Murugan 2018, "Facial information recovery from
heavily damaged images using generative adversarial network - part 1": of blurred faces; here of holes)."""

import tensorflow as tf

from faceinpaint import losses
from faceinpaint.inpainter import Inpainter

PENALTY = 10.0  # the gradient penalty's weight (Gulrajani et al. 2017, section 4)


def gradient_penalty(critic, real, fake, share):
    """E[(||gradient of critic(x)|| - 1)^2] at x = share * real + (1 - share) * fake (Gulrajani et al. 2017, "Improved
    training of Wasserstein GANs", eq. 3, third term).

    critic: [B, H, W, C] → logits [B, 1]; real, fake: [B, H, W, C]; share: [B, 1, 1, 1] in [0, 1] → scalar.
    """
    between = share * real + (1.0 - share) * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = critic(between)
    gradient = tape.gradient(logits, between)
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=(1, 2, 3)) + 1e-12)  # the root of 0 has no gradient
    return tf.reduce_mean(tf.square(norm - 1.0))


class Wasserstein(Inpainter):
    """The discriminator is a critic: its output has no sigmoid, and says by how much real images are the more real.

    As everywhere here, one step of the critic goes with one of the generator (theirs: five), and it is told where the
    hole is. The regression term is the L1 error in the hole; the preset `wasserstein` weighs it as Isola et al. 2017
    do, 100 to 1.
    """

    def discriminator_loss(self, real_logits, fake_logits):
        """E[critic(restored)] - E[critic(image)] (Gulrajani et al. 2017, eq. 3, first two terms)."""
        return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)

    def adversarial_loss(self, fake_logits):
        """-critic(restored): [B, 1] → [B]."""
        return -fake_logits[:, 0]

    def penalty(self, image, restored, mask):
        """`PENALTY` times `gradient_penalty` between `image` and `restored`, the share drawn by (seed, step)."""
        step = tf.cast(self.generator_optimizer.iterations, tf.int64)
        seed = tf.stack([tf.constant(self.config.seed, tf.int64), step])
        share = tf.random.stateless_uniform([tf.shape(image)[0], 1, 1, 1], seed)

        def critic(picture):
            return self.discriminator(tf.concat([picture, mask], axis=-1), training=True)

        return PENALTY * gradient_penalty(critic, image, tf.stop_gradient(restored), share)

    def balance(self, image, restored, mask):
        """All images alike."""
        return 1.0

    def reconstruction_loss(self, image, stages, mask):
        return tf.reduce_mean([losses.hole_error(image, restored, mask) for restored in stages])
