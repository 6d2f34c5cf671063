"""LPIPS v0.1 on AlexNet (Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric"):
how different two images look. Its weights are fetched on first use.
"""

from functools import partial
from pathlib import Path

import tensorflow as tf

from faceinpaint.config import UserError
from faceinpaint.system import alexnet

MIN_SIDE = 32  # pixels in a side: what AlexNet's poolings leave of fewer is nothing

# Mean and deviation of ImageNet's colours on the scale [-1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def check_side(side: int):
    """Raises `UserError` for pictures too small to be looked at: TensorFlow would end the process."""
    if side < MIN_SIDE:
        raise UserError(f"LPIPS: pictures of {side} pixels are too small; it takes {MIN_SIDE} or more")


def load(root: Path | None = None):
    """The function `lpips(image, restored)`: float [B, H, W, 3] in [-1, 1] twice → float32 [B], 0 for identical images.

    Whole images only, H and W from 64, at their own resolution; `UserError` for less than `MIN_SIDE`.

    Args:
        root: the data folder, in whose `downloads` its weights are kept; `downloads.data_folder()` unless given.

    Raises:
        UserError: the weights cannot be had.
    """
    return partial(_distance, _layers(root))


def load_features():
    """The function that says what a picture shows: float [B, H, W, 3] in [-1, 1] → float32 [B, 256], the channels of
    AlexNet's last convolution, each averaged over the picture. Errors as in `load`."""
    layers = _layers()
    return lambda image: tf.reduce_mean(list(_activations(layers, image))[-1], axis=(1, 2))


def load_activations():
    """The function that gives what AlexNet's convolutions see, each rectified: float [B, H, W, 3] in [-1, 1] → five
    float32 [B, h, w, C]. Errors as in `load`."""
    layers = _layers()
    return lambda image: list(_activations(layers, image))


def _layers(root: Path | None = None) -> list:
    """(kernel, bias, head) of each of AlexNet's five convolutions; a head weighs the channels for LPIPS."""
    return [list(map(tf.constant, layer)) for layer in alexnet.layers(root)]


def _distance(layers, image, restored):
    """Squared differences of features normalised at each position, weighted by channel, averaged over positions and
    summed over layers: Zhang et al. 2018, eq. 1."""
    pairs = zip(layers, _activations(layers, image), _activations(layers, restored), strict=True)
    return sum(tf.reduce_mean(tf.square(_unit(x) - _unit(y)) @ head, axis=(1, 2, 3)) for (*_, head), x, y in pairs)


def _activations(layers, image):
    """AlexNet's five convolutions, each rectified, of `image` in [-1, 1]."""
    check_side(min(image.shape[1:3]))
    x = (tf.cast(image, tf.float32) - SHIFT) / SCALE
    x = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]])
    for place, (kernel, bias, _) in enumerate(layers):
        if place in (1, 2):
            x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        strides, padding = (1, "SAME") if place else (4, "VALID")
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, strides, padding) + bias)
        yield x


def _unit(features):
    return features / (tf.norm(features, axis=-1, keepdims=True) + 1e-10)
