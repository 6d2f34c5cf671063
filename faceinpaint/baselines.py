"""Classical repairs that the networks are compared with. No TensorFlow here.

Each is a `restore(images, masks)` as `contract` has it, for images of any size: a new uint8 [N, H, W, 3] with known
pixels bit-identical to `images`. What lies in the hole is never looked at, and an image that is all hole becomes
mid-grey.
"""

from collections.abc import Callable
from functools import wraps

import cv2
import numpy as np

from faceinpaint.contract import checked

MID_GREY = 128  # 0 on the networks' scale of [-1, 1]
RADIUS = 3  # pixels around each hole pixel that `cv2.inpaint` looks at


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


def _inpaint(image, hole, method):
    """`cv2.inpaint`, the picture framed by one more pixel of hole: at a picture's own first and last pixels OpenCV
    mixes in what lies in the hole, which here is the answer."""
    framed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    framed_hole = cv2.copyMakeBorder(hole.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    return cv2.inpaint(framed, framed_hole, RADIUS, method)[1:-1, 1:-1]


@_for_each_image
def telea(image, hole):
    """Fast marching from the hole's rim inwards (Telea 2004, "An image inpainting technique based on the fast marching
    method")."""
    return _inpaint(image, hole, cv2.INPAINT_TELEA)


@_for_each_image
def navier_stokes(image, hole):
    """Lines of equal brightness continued into the hole as streamlines of a fluid (Bertalmio et al. 2001)."""
    return _inpaint(image, hole, cv2.INPAINT_NS)


@_for_each_image
def symmetric_crop(image, hole):
    """The undamaged side of the face, mirrored and pasted into the hole: the method that the paper sets out to beat.

    The axis is the picture's vertical centre line, the symmetry axis of an aligned face: column c shows column
    W - 1 - c as it is, its brightness not matched. Where that is damaged as well: Navier-Stokes.
    """
    return np.where(hole[:, ::-1, None], _inpaint(image, hole, cv2.INPAINT_NS), image[:, ::-1])


BASELINES: dict[str, Callable] = {
    "mean": mean,
    "telea": telea,
    "navier_stokes": navier_stokes,
    "symmetric_crop": symmetric_crop,
}
