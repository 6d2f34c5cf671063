"""Noise in the hole, of several kinds: what the paper argues against, and what its further work asks for."""

import tensorflow as tf

TRIES = 8  # places that `patch` looks at


def _pasted(image, values, mask):
    return image * (1.0 - mask) + values * mask


def noise(image, mask, seed):
    """Gaussian noise of standard deviation 0.5, clipped to [-1, 1]: what the paper argues against."""
    values = tf.random.stateless_normal(tf.shape(image), seed, stddev=0.5)
    return _pasted(image, tf.clip_by_value(values, -1.0, 1.0), mask)


def uniform(image, mask, seed):
    """Noise that is spread evenly over [-1, 1], in each colour by itself."""
    return _pasted(image, tf.random.stateless_uniform(tf.shape(image), seed, -1.0, 1.0), mask)


def salt_and_pepper(image, mask, seed):
    """Each pixel black or white, one as likely as the other."""
    black = tf.random.stateless_uniform(tf.shape(mask), seed) < 0.5
    return _pasted(image, tf.where(black, -1.0, 1.0), mask)


def shuffle(image, mask, seed):
    """In each pixel the colour of a known one, drawn anew for each: the picture's own colours without their places.

    Mid-grey, 0, where nothing is known.
    """
    shape, pixels = tf.shape(image), image.shape[1] * image.shape[2]
    known = tf.reshape(1.0 - mask, [-1, pixels])
    known_first = tf.argsort(known, direction="DESCENDING", stable=True)  # [B, pixels]
    place = tf.random.stateless_uniform([shape[0], pixels], seed) * tf.reduce_sum(known, axis=1, keepdims=True)
    drawn = tf.gather(known_first, tf.cast(place, tf.int32), batch_dims=1)
    colours = tf.gather(tf.reshape(image * (1.0 - mask), [-1, pixels, image.shape[3]]), drawn, batch_dims=1)
    return _pasted(image, tf.reshape(colours, shape), mask)


def _shifted(picture, shift):
    """`picture` [B, H, W, C] moved by `shift`, int [B, 2] of rows and columns; what leaves it comes in opposite."""
    rows, columns = ((tf.range(picture.shape[axis + 1]) - shift[:, axis, None]) % picture.shape[axis + 1]
                     for axis in (0, 1))  # fmt: skip
    return tf.gather(tf.gather(picture, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def patch(image, mask, seed):
    """A piece of the surroundings, copied into the hole as it is.

    The picture is moved to `TRIES` random places; the one counts that brings the most known pixels into the hole. What
    is unknown even then becomes mid-grey, 0.
    """
    known = 1.0 - mask
    shifts = tf.random.stateless_uniform([TRIES, tf.shape(image)[0], 2], seed, 0, image.shape[1], tf.int32)
    brought = [tf.reduce_sum(mask * _shifted(known, shift), axis=(1, 2, 3)) for shift in tf.unstack(shifts)]
    best = tf.gather(tf.transpose(shifts, [1, 0, 2]), tf.argmax(brought, axis=0), batch_dims=1)
    return _pasted(image, _shifted(image * known, best), mask)
