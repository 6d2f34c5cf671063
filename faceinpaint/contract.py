"""What every `restore` of this package takes and returns. No TensorFlow here."""

import math

import numpy as np


def checked(images, masks, *sizes: int):
    """What a `restore` was given, in one form.

    Args:
        images: uint8 [N, H, W, 3] RGB, or one image [H, W, 3].
        masks: [N, H, W] or [N, H, W, 1], or without N; nonzero = hole.
        sizes: H and W must be the same one of these, where given.

    Returns:
        images uint8 [N, H, W, 3], masks float32 [N, H, W, 1] of 0 and 1, and whether one image came without N.

    Raises:
        ValueError: type, shape or size is another, or the batch is empty.
    """
    images, masks = np.asarray(images), np.asarray(masks)
    single = images.ndim == 3
    images = images[None] if single else images
    if images.dtype != np.uint8:
        raise ValueError(f"images: expected uint8 in [0, 255], got {images.dtype}")
    if images.ndim != 4 or images.shape[3] != 3 or (sizes and images.shape[1:3] not in [(s, s) for s in sizes]):
        expected = " or ".join(f"[N, {size}, {size}, 3]" for size in sizes) or "[N, H, W, 3]"
        raise ValueError(f"images: expected shape {expected}, got {list(images.shape)}")
    if not len(images):
        raise ValueError("images: expected at least one, got an empty batch")
    count, *sides, _ = images.shape
    if masks.size != math.prod((count, *sides)) or list(masks.shape[0 if single else 1 :][:2]) != sides:
        raise ValueError(f"masks: expected shape [{count}, {sides[0]}, {sides[1]}, 1], got {list(masks.shape)}")
    return images, (masks.reshape([-1, *sides, 1]) != 0).astype(np.float32), single
