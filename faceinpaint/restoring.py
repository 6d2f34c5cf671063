"""What all that restores shares: the contract of `restore`, and where trained weights lie. No TensorFlow here."""

import math
from pathlib import Path

import numpy as np

from faceinpaint.config import UserError

EXPORTED = "generator.tflite"  # the generator in a run directory that needs no TensorFlow
WEIGHTS = Path(__file__).parent / "weights"  # the run directory that comes with the package


def checked(images, masks, size):
    """`images` as uint8 [N, size, size, 3], `masks` as float32 [N, size, size, 1] of 0 and 1, and whether one image
    came without the batch axis. Raises ValueError when type, shape or size is another, or the batch is empty."""
    images, masks = np.asarray(images), np.asarray(masks)
    single = images.ndim == 3
    images = images[None] if single else images
    if images.dtype != np.uint8:
        raise ValueError(f"images: expected uint8 in [0, 255], got {images.dtype}")
    if images.ndim != 4 or images.shape[1:] != (size, size, 3):
        raise ValueError(f"images: expected shape [N, {size}, {size}, 3], got {list(images.shape)}")
    if not len(images):
        raise ValueError("images: expected at least one, got an empty batch")
    if masks.size != math.prod(images.shape[:3]) or masks.shape[0 if single else 1 :][:2] != (size, size):
        raise ValueError(f"masks: expected shape [{len(images)}, {size}, {size}, 1], got {list(masks.shape)}")
    return images, (masks.reshape([-1, size, size, 1]) != 0).astype(np.float32), single


def trained_file(run: str | Path | None, name: str, remedy: str) -> Path:
    """The file `name` of the run directory `run`; of the weights that come with the package when it is None.
    Raises `UserError`, with the `remedy` for a run that lacks it, when there is none."""
    path = (WEIGHTS if run is None else Path(run)) / name
    if path.is_file():
        return path
    if run is None:
        raise UserError(f"{path}: the trained weights are not here; install them anew, or give a run with --run")
    raise UserError(f"{path}: no trained generator; {remedy}")
