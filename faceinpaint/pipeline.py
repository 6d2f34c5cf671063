"""From prepared faces to training batches: frame, flip, damage, fill. Everything is a function of (seed, step), so
that a run resumed at any step sees the batches it would have seen."""

from functools import lru_cache

import numpy as np
import tensorflow as tf

from faceinpaint import masks
from faceinpaint.celeba import row_reader
from faceinpaint.config import WHOLE_SIDE, Config, UserError
from faceinpaint.fills import FILLS

AHEAD = 16  # batches that the disk is told of before they are read


def to_float(images):
    """uint8 [0, 255] → float32 [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images):
    """float [-1, 1] → uint8 [0, 255], rounded; values outside are clipped."""
    return tf.cast(tf.round(tf.clip_by_value((tf.cast(images, tf.float32) + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)


def framed(images, framing, size):
    """The centre square of each image, resampled: by area where it shrinks, else by linear interpolation.

    images: uint8 [B, S, S, 3], the whole frame; framing: the square's side in pixels of the whole frame's 178 → float
    [B, size, size, 3] in [-1, 1].
    """
    source = images.shape[1]
    side = round(framing * source / WHOLE_SIDE)
    first = (source - side) // 2
    square = to_float(images[:, first : first + side, first : first + side])
    return tf.image.resize(square, [size, size], "area" if side >= size else "bilinear")


def sampled(images, frames, size, mirrored):
    """Cuts one square from each image and resamples it, by one bilinear sample for each pixel.

    Frames of up to two source pixels a side for each of `size` are hardly aliased.
    images: uint8 [B, S, S, 3]; frames: float [B, 3] of (top, left, side) in pixels of the whole frame's 178; mirrored:
    bool [B], those flipped → float [B, size, size, 3] in [-1, 1].
    """
    source = images.shape[1]
    step = frames[:, 2:] * (source / WHOLE_SIDE / size)  # source pixels for each pixel
    first = frames[:, :2] * (source / WHOLE_SIDE) + (step - 1) / 2  # its centre's row and column in the source
    last = first + step * (size - 1)
    left, right = first[:, 1], last[:, 1]
    boxes = tf.stack([first[:, 0], tf.where(mirrored, right, left), last[:, 0], tf.where(mirrored, left, right)], 1)
    boxes = tf.clip_by_value(boxes / (source - 1), 0.0, 1.0)
    return tf.image.crop_and_resize(images, boxes, tf.range(images.shape[0]), [size, size]) / 127.5 - 1.0


def centred_frames(count, framing=WHOLE_SIDE):
    """`count` equal frames of side `framing` around the centre, float32 [count, 3]."""
    corner = (WHOLE_SIDE - framing) / 2
    return tf.tile(tf.constant([[corner, corner, framing]], tf.float32), [count, 1])


def random_frames(config: Config, batch, seed):
    """Training frames [batch, 3]: the side in `config.framing`, wide ones more often, as they are harder (its density
    rises linearly from 0), the centre moved by up to `config.framing_shift`, never beyond the whole frame."""
    side_seed, shift_seed = masks.seeds(seed, 2)
    low, high = (min(side, WHOLE_SIDE) for side in config.framing)
    side = low + (high - low) * tf.sqrt(tf.random.stateless_uniform([batch, 1], side_seed))
    room = (WHOLE_SIDE - side) / 2
    shift = tf.random.stateless_uniform([batch, 2], shift_seed, -1.0, 1.0) * tf.minimum(room, config.framing_shift)
    return tf.concat([room + shift, side], axis=1)


def turned(images, degrees):
    """Each of `images` [B, S, S, 3] turned about its centre, counter-clockwise, by its own angle in `degrees` [B]; the
    border is reflected into the corners."""
    angle = tf.cast(degrees, tf.float32) * (np.pi / 180)
    middle, sine, cosine = (images.shape[1] - 1) / 2, tf.sin(angle), tf.cos(angle)
    column, row = middle - (cosine - sine) * middle, middle - (sine + cosine) * middle
    zero = tf.zeros_like(angle)
    transform = tf.stack([cosine, -sine, column, sine, cosine, row, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=transform, output_shape=tf.shape(images)[1:3], fill_value=0.0,
        interpolation="BILINEAR", fill_mode="REFLECT",
    )  # fmt: skip


def _recoloured(image, amount, seed):
    """Contrast changed by up to the fraction `amount`, brightness by up to as much on [-1, 1], alike for all pixels of
    an image."""
    change = tf.random.stateless_uniform([tf.shape(image)[0], 1, 1, 2], seed, -amount, amount)
    return tf.clip_by_value(image * (1.0 + change[..., :1]) + change[..., 1:], -1.0, 1.0)


def _seeds(seed):
    """A seed for each thing that is drawn for a batch: frames, flips, holes, fills, turns, colours."""
    return masks.seeds(seed, 6)


def framed_example(images, config: Config, seed):
    """Prepared `images` uint8 [B, S, S, 3] → (image float [B, size, size, 3], frames [B, 3]): augmented, not damaged,
    all drawn from `seed`."""
    frame_seed, flip_seed, _, _, turn_seed, colour_seed = _seeds(seed)
    batch = images.shape[0]
    if config.rotation:
        angles = tf.random.stateless_uniform([batch], turn_seed, -config.rotation, config.rotation)
        images = turned(images, angles)
    frames = random_frames(config, batch, frame_seed)
    mirrored = tf.random.stateless_uniform([batch], flip_seed) < (0.5 if config.flip else 0.0)
    image = sampled(images, frames, config.size, mirrored)
    top, left, side = tf.unstack(frames, axis=1)
    frames = tf.stack([top, tf.where(mirrored, WHOLE_SIDE - left - side, left), side], axis=1)
    if config.colour:
        image = _recoloured(image, config.colour, colour_seed)
    return image, frames


def training_example(images, config: Config, seed):
    """Prepared `images` uint8 [B, S, S, 3] → (image, mask, filled_image) of `config.size`, all drawn from `seed`."""
    _, _, mask_seed, fill_seed, _, _ = _seeds(seed)
    image, frames = framed_example(images, config, seed)
    mask = masks.mixed(masks.MIXES[config.mix], frames, config.size, mask_seed)
    return image, mask, FILLS[config.fill](image, mask, fill_seed)


@lru_cache(maxsize=4)
def epoch_order(count, images, seed, epoch):
    """Which of `count` faces are seen in `epoch`, in order: all of them, again and again until it has `images`."""
    rng = np.random.default_rng([seed, epoch])
    return np.concatenate([rng.permutation(count) for _ in range(-(-images // count))])[:images]


def epoch_images(faces, config: Config):
    """Images in an epoch of `faces`: each once, but never fewer than `config.min_epoch_images`."""
    return max(len(faces), config.min_epoch_images)


def steps_per_epoch(faces, config: Config):
    """Full batches in an epoch of `faces`. Raises `UserError` when there are not faces for even one."""
    if len(faces) < config.batch_size:
        raise UserError(f"{len(faces)} training images: too few for one batch of {config.batch_size}; add images")
    return epoch_images(faces, config) // config.batch_size


def training_batches(faces, config: Config, first_step=0, draw=training_example):
    """Endless dataset of (image, mask, filled_image) from `faces` uint8 [N, S, S, 3], starting at `first_step`.

    `faces` may be memory-mapped, and larger than the memory: only the batch at hand is read. draw: what makes an
    example of a batch's faces.
    """
    steps, side = steps_per_epoch(faces, config), faces.shape[1]
    read, announce = row_reader(faces)

    def rows(step):
        epoch, batch = divmod(step, steps)
        order = epoch_order(len(faces), epoch_images(faces, config), config.seed, epoch)
        return order[batch * config.batch_size : (batch + 1) * config.batch_size]

    def gather(step):
        announce(rows(int(step) + AHEAD))
        return read(rows(int(step)))

    def example(step):
        images = tf.numpy_function(gather, [step], tf.uint8, stateful=False)
        images = tf.ensure_shape(images, [config.batch_size, side, side, 3])
        seed = tf.random.fold_in(tf.constant([config.seed, 1]), step)
        return draw(images, config, seed)

    steps_from = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return steps_from.map(example, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def fixed_examples(faces, config: Config, family=None, framing=WHOLE_SIDE, first=0):
    """The (image, mask, filled_image) of unseen `faces` with fixed holes, as tensors of N faces.

    Image i's hole depends on (config.seed, first + i) and `framing` alone. family: a name in `masks.FAMILIES` or a
    function like those; without one, all of them take turns. A fill that draws does so by the place in `faces`.
    """
    count = len(faces)
    frames = centred_frames(count, framing)
    image = framed(tf.constant(faces), framing, config.size)
    families = [masks.FAMILIES.get(family, family)] if family else list(masks.FAMILIES.values())
    mask = np.zeros([count, config.size, config.size, 1], np.float32)
    for turn, draw in enumerate(families):
        own = np.arange((turn - first) % len(families), count, len(families))
        if len(own):
            mask[own] = masks.damage_by_index(draw, own + first, tf.gather(frames, own), config.size, config.seed)
    mask = tf.constant(mask)
    return image, mask, FILLS[config.fill](image, mask, tf.constant([config.seed, 2]))
