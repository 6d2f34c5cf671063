"""Restoring without being told where the damage is: for a mosaic, which everybody can see."""

import tensorflow as tf

from faceinpaint import losses
from faceinpaint.inpainter import Inpainter


class Blind(Inpainter):
    """Both networks see pictures alone; the mask says hole everywhere, and all that the generator draws counts.

    Javed et al. 2019, "UMGAN: Generative adversarial network for image unmosaicing using perceptual loss": the input is
    a face behind a mosaic, the output a whole face. Left out: its perceptual loss. What is measured in the hole is
    comparable with the others, and `restore` keeps known pixels as theirs does.
    """

    def train_step(self, batch):
        image, mask, filled_image = batch
        return super().train_step((image, tf.ones_like(mask), filled_image))

    def balance(self, image, restored, mask):
        """`losses.balance` as of a hole without area: that of all the picture would silence the discriminator."""
        return losses.balance(losses.hole_error(image, restored, mask), tf.zeros_like(mask))

    def generate(self, filled_image, mask, self_ensemble=True):
        return super().generate(filled_image, tf.ones_like(mask), self_ensemble)
