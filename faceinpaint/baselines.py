"""Classical repairs that the networks are compared with. No TensorFlow here.

Each is a `restore(images, masks)` as `contract` has it, for images of any size: a new uint8 [N, H, W, 3] with known
pixels bit-identical to `images`. What lies in the hole is never looked at, and an image that is all hole becomes
mid-grey.
"""

from collections.abc import Callable
from functools import wraps

import cv2
import numpy as np

from faceinpaint.classical import biharmonic_fill, inpainted
from faceinpaint.contract import checked

MID_GREY = 128  # 0 on the networks' scale of [-1, 1]


def _for_each_image(repair):
    """Makes `repair(image [H, W, 3], hole bool [H, W]) → [H, W, 3]` a `restore(images, masks)` as this module's."""

    @wraps(repair)
    def restore(images, masks):
        images, masks, single = checked(images, masks)
        restored = images.copy()
        for image, hole in zip(restored, masks[..., 0] > 0, strict=True):
            image[hole] = MID_GREY if hole.all() else repair(image.copy(), hole)[hole]
        return restored[0] if single else restored

    return restore


@_for_each_image
def mean(image, hole):
    """The mean colour of the image's known pixels, everywhere in the hole."""
    return np.broadcast_to(np.rint(image[~hole].mean(axis=0)).astype(np.uint8), image.shape)


@_for_each_image
def telea(image, hole):
    """Fast marching from the hole's rim inwards (Telea 2004, "An image inpainting technique based on the fast marching
    method")."""
    return inpainted(image, hole, cv2.INPAINT_TELEA)


@_for_each_image
def navier_stokes(image, hole):
    """Lines of equal brightness continued into the hole as streamlines of a fluid (Bertalmio et al. 2001)."""
    return inpainted(image, hole, cv2.INPAINT_NS)


@_for_each_image
def biharmonic(image, hole):
    """The smoothest surface through the known pixels, Δ²u = 0 (Damelin and Hoang 2018, "On surface completion and image
    inpainting by biharmonic functions: numerical aspects"); but for its rim a hole as deep as half a face is filled by
    Navier-Stokes (see `classical.biharmonic_fill`)."""
    return np.rint(np.clip(biharmonic_fill(image.astype(np.float32), hole), 0, 255))


@_for_each_image
def symmetric_crop(image, hole):
    """The undamaged side of the face, mirrored and pasted into the hole: the method that the paper sets out to beat.

    The axis is the picture's vertical centre line, the symmetry axis of an aligned face: column c shows column
    W - 1 - c as it is, its brightness not matched. Where that is damaged as well: Navier-Stokes.
    """
    return np.where(hole[:, ::-1, None], inpainted(image, hole, cv2.INPAINT_NS), image[:, ::-1])


BASELINES: dict[str, Callable] = {
    "mean": mean,
    "telea": telea,
    "navier_stokes": navier_stokes,
    "biharmonic": biharmonic,
    "symmetric_crop": symmetric_crop,
}
