"""What the network is compared with. Each is `restore(images, masks)`, as `Inpainter.restore`:

images: uint8 [N, H, W, 3] RGB; masks: [N, H, W] or [N, H, W, 1], nonzero = hole → uint8 [N, H, W, 3], known pixels
bit-identical to `images`, which are left as they are. What lies in the hole does not matter. A picture with nothing
known becomes mid-grey.
"""

import cv2
import numpy as np

GREY = 128
RADIUS = 3  # pixels around the rim that OpenCV's methods look at


def _each(fill_one, images, masks):
    """`fill_one(image, hole)` for each image, with an empty hole's and a full hole's answers settled."""
    restored = []
    for image, hole in zip(images, masks.reshape(masks.shape[:3]) != 0, strict=True):
        if hole.all():
            result = np.full_like(image, GREY)
        elif not hole.any():
            result = image
        else:
            result = np.where(hole[..., None], fill_one(np.where(hole[..., None], np.uint8(0), image), hole), image)
        restored.append(result)
    return np.stack(restored)


def mean(images, masks):
    """The mean colour of each picture's known pixels."""

    def fill_one(image, hole):
        return np.broadcast_to(np.rint(image[~hole].mean(axis=0)).astype(np.uint8), image.shape)

    return _each(fill_one, images, masks)


def _opencv(method):
    def fill_one(image, hole):
        return cv2.inpaint(np.ascontiguousarray(image), hole.astype(np.uint8), RADIUS, method)

    return fill_one


def telea(images, masks):
    """Fast marching (Telea 2004), by OpenCV."""
    return _each(_opencv(cv2.INPAINT_TELEA), images, masks)


def navier_stokes(images, masks):
    """Isophotes continued as stream lines (Bertalmio et al. 2001), by OpenCV."""
    return _each(_opencv(cv2.INPAINT_NS), images, masks)


def symmetric_crop(images, masks):
    """The paper's own comparison: the patch mirrored from the other side of the face, cropped and pasted as it is.

    An aligned face is symmetric about the picture's vertical middle line. Where the mirrored pixel is damaged too,
    there is nothing to paste, and Navier-Stokes fills what is left.
    """
    both_sides = _opencv(cv2.INPAINT_NS)

    def fill_one(image, hole):
        mirrored_hole = hole[:, ::-1]
        pasted = np.where((hole & ~mirrored_hole)[..., None], image[:, ::-1], image)
        left = hole & mirrored_hole
        return both_sides(pasted, left) if left.any() else pasted

    return _each(fill_one, images, masks)


BASELINES = {"mean": mean, "telea": telea, "navier_stokes": navier_stokes, "symmetric_crop": symmetric_crop}
