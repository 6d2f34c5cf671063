"""Learning from damaged faces alone (Lehtinen et al. 2018, "Noise2Noise: learning image restoration without clean
data")."""

from functools import partial

import tensorflow as tf

from faceinpaint import masks, pipeline
from faceinpaint.config import WHOLE_SIDE, Config
from faceinpaint.fills import FILLS
from faceinpaint.inpainter import Inpainter

MIN_DAMAGE = -1.0 + 1e-4  # on [-1, 1]: a pixel is damaged where any share of it is
ANY_HOLE = partial(masks.mixed, masks.TRAINING_MIX)


def damaged_for_good(images, seed: int):
    """`images` uint8 [B, S, S, 3] with a hole that is each picture's own.

    Returns uint8 [B, S, S, 4]: RGB, black in the hole, and the hole, 255. It is one of `masks.TRAINING_MIX`, drawn
    by `seed` and the picture itself. Whenever it is shown, the same pixels are missing.
    """
    batch, size = tf.shape(images)[0], images.shape[1]
    itself = tf.reduce_sum(tf.cast(images, tf.int64), axis=(1, 2, 3))
    hole = masks.damage_by_index(ANY_HOLE, itself, pipeline.centred_frames(batch), size, seed)
    hole = tf.cast(hole, tf.uint8)
    return tf.concat([images * (1 - hole), 255 * hole], axis=-1)


def further_damaged(picture, mask, fill, seed):
    """A damaged picture as target, and damaged further as input.

    Args:
        picture: float [B, H, W, 4] in [-1, 1], RGB and its own hole, as `damaged_for_good` gives it.
        mask: [B, H, W, 1], the further damage.
        fill: one of `fills.FILLS`.
        seed: of the fill.

    Returns:
        image [B, H, W, 3], its own hole filled; what of `mask` is known in it; and the generator's input
        [B, H, W, 4]: filled image and mask of both holes together.
    """
    colours, own = picture[..., :3], tf.cast(picture[..., 3:] > MIN_DAMAGE, tf.float32)
    hole = tf.maximum(mask, own)
    image, filled_image = fill(colours, own, seed), fill(colours, hole, seed)
    return image, mask * (1.0 - own), tf.concat([filled_image, hole], axis=-1)


def training_example(images, config: Config, seed):
    """As `pipeline.training_example`, of faces that are damaged for good."""
    picture, frames = pipeline.framed_example(damaged_for_good(images, config.seed), config, seed)
    mask_seed, fill_seed = masks.seeds(tf.random.fold_in(seed, 1), 2)
    mask = masks.mixed(masks.MIXES[config.mix], frames, config.size, mask_seed)
    return further_damaged(picture, mask, FILLS[config.fill], fill_seed)


def fixed_examples(faces, config: Config):
    """As `pipeline.fixed_examples`, of faces that are damaged for good: PSNR is of what is known in them."""
    _, mask, _ = pipeline.fixed_examples(faces, config)
    picture = pipeline.framed(damaged_for_good(tf.constant(faces), config.seed), WHOLE_SIDE, config.size)
    return further_damaged(picture, mask, FILLS[config.fill], tf.constant([config.seed, 2]))


class DamagedOnly(Inpainter):
    """Nobody ever sees a clean face: neither the generator, nor the discriminator, nor who watches the validation.

    Each face has a hole of its own for good. What is under it is no target: the loss counts only what both the further
    damage hides from the generator and the target knows (Lehtinen et al. 2018, section 3.2: the error times the
    target's mask). Their inputs and targets are two damaged pictures of one scene. There is one here, and the input is
    the target damaged further, or both together would show nearly all of the face. The discriminator compares pictures
    in which the same hole is filled in the same way (Bora et al. 2018, "AmbientGAN").
    """

    training_example = staticmethod(training_example)
    fixed_examples = staticmethod(fixed_examples)

    def stages(self, filled_image, mask):
        return super().stages(filled_image[..., :3], filled_image[..., 3:])

    def generate(self, filled_image, mask, self_ensemble=True):
        if filled_image.shape[-1] == 4:  # of a face that is damaged for good, both holes
            filled_image, mask = filled_image[..., :3], filled_image[..., 3:]
        return super().generate(filled_image, mask, self_ensemble)
