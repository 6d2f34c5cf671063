"""One octave finer: the trained U-Net repairs the picture at half its side, and what it restored is the fill of the
whole picture, which a second U-Net of the same kind repairs."""

from dataclasses import replace

import keras
import tensorflow as tf

from faceinpaint import fills, masks, networks
from faceinpaint.config import Config
from faceinpaint.inpainter import composite, self_ensembled
from faceinpaint.variations.perceptual import Perceptual

UNETS = ("coarse", "fine")


def unets(network: keras.Model) -> list[keras.Model]:
    """The coarse and the fine one of what `build_octave` built."""
    return [network.get_layer(name) for name in UNETS]


def halved(config: Config) -> Config:
    """The paper's system for pictures of half the side: those that the coarse U-Net repairs, and the patches that teach
    the fine one."""
    return replace(config, system="paper", size=config.size // 2)


def build_octave(config: Config, dtype="float32") -> keras.Model:
    """Two U-Nets kept as one model, to be saved and averaged together; `Octave.generate` has one draw on the other.

    `coarse` is trained already and stays as it is, for pictures of half of `config.size`. `fine` is for pictures, and
    patches, of any side.
    """
    coarse = networks.build_unet(halved(config), dtype, name=UNETS[0])
    coarse.trainable = False
    fine = networks.build_unet(config, dtype, any_side=True, name=UNETS[1])
    inputs = [keras.Input(unet.input.shape[1:]) for unet in (coarse, fine)]
    return keras.Model(inputs, [coarse(inputs[0]), fine(inputs[1])], name="octave")


def build_discriminator(config: Config, dtype="float32") -> keras.Model:
    """As `networks.build_discriminator`, of patches."""
    return networks.build_discriminator(halved(config), dtype)


def patches(pictures, mask, side, seed):
    """Squares of `side` around a pixel of the hole, at the same place in each of `pictures`.

    pictures: [B, H, W, C] each; mask: [B, H, W, 1], 1 = hole; seed: integers [2] → a list of [B, side, side, C].

    The pixel is any of the hole's, with equal chances, and lies anywhere in the square, as far as that stays inside.
    """
    pixel_seed, place_seed = masks.seeds(seed, 2)
    height, width = mask.shape[1:3]
    lots = mask * tf.random.stateless_uniform(tf.shape(mask), pixel_seed, 1e-6)
    pixel = tf.argmax(tf.reshape(lots, [-1, height * width]), axis=1, output_type=tf.int32)
    pixel = tf.stack([pixel // width, pixel % width], axis=1)  # [B, 2]
    corner = pixel - tf.random.stateless_uniform(tf.shape(pixel), place_seed, 0, side, tf.int32)
    corner = tf.clip_by_value(corner, 0, [height - side, width - side])
    rows, columns = (corner[:, i, None] + tf.range(side) for i in range(2))
    return [tf.gather(tf.gather(x, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1) for x in pictures]


class Octave(Perceptual):
    """The coarse U-Net as it is, and a fine one that is trained on patches of what the coarse one restored.

    `config.size` is the side of the whole picture. A training begins with a trained generator of half the side, which
    becomes both U-Nets.
    """

    min_size = 2 * Perceptual.min_size  # a patch has half of it
    build_generator = staticmethod(build_octave)
    build_discriminator = staticmethod(build_discriminator)

    @classmethod
    def start_of(cls, config):
        return halved(config)

    def start_from(self, trained):
        weights = trained.averaged_generator.get_weights()
        for network in (self.generator, self.averaged_generator):
            for unet in unets(network):
                unet.set_weights(weights)

    def finer_fill(self, coarse, filled_image, mask):
        """The picture [B, H, W, 3] whose hole holds what `coarse` makes of it at half its side.

        A coarse pixel is repaired where one of its four is hole.
        """
        small, small_mask = tf.nn.avg_pool2d(filled_image, 2, 2, "VALID"), tf.nn.max_pool2d(mask, 2, 2, "VALID")
        drawn = self_ensembled(coarse, tf.concat([small, small_mask], axis=-1))
        return fills.finer(filled_image, mask, composite(small, drawn, small_mask))

    def generate(self, filled_image, mask, self_ensemble=True):
        """As `Inpainter.generate`; the coarse picture is always the mean of both, the fine one is drawn once."""
        coarse, fine = unets(self.averaged_generator)
        finer = self.finer_fill(coarse, filled_image, mask)
        return fine(tf.concat([finer, mask], axis=-1))

    def train_step(self, batch):
        """As `Inpainter.train_step`, on a patch of each picture, and of the fine U-Net alone."""
        image, mask, filled_image = batch
        coarse, _ = unets(self.generator)
        finer = self.finer_fill(coarse, filled_image, mask)
        seed = tf.random.fold_in(tf.constant([self.config.seed, 4]), self.generator_optimizer.iterations)
        return super().train_step(patches([image, mask, finer], mask, self.config.size // 2, seed))

    def stages(self, filled_image, mask):
        _, fine = unets(self.generator)
        return [fine(tf.concat([filled_image, mask], axis=-1), training=True)]
