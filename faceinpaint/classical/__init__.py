"""Classical filling of one picture's hole, as baselines and photographs need it. No TensorFlow here."""

import itertools

import cv2
import numpy as np

__all__ = ["biharmonic_fill", "inpainted"]

RADIUS = 3  # pixels around each hole pixel that `cv2.inpaint` looks at
EXACT = 4096  # hole pixels up to which the biharmonic equation is solved at once; more are solved from coarse to fine
MAX_DEPTH = 24  # pixels to the next known one: beyond, at the coarsest scale, Navier-Stokes is better than biharmonic
RIM = 5  # pixels from the rim inwards that are solved anew at every finer scale
TILE, HALO = 256, 8  # pixels: one tile is solved at a time, with its surroundings, so that memory stays bounded


def inpainted(image, hole, method):
    """`cv2.inpaint` of `image` uint8 [H, W, 3] in its `hole`, bool [H, W], by a `method` of OpenCV's.

    The picture is framed by one more pixel of hole: at its own first and last pixels OpenCV mixes in what lies in the
    hole, which here is the answer.
    """
    framed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    framed_hole = cv2.copyMakeBorder(hole.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    return cv2.inpaint(framed, framed_hole, RADIUS, method)[1:-1, 1:-1]


def biharmonic_fill(picture, hole):
    """`picture` float32 [H, W, C] in [0, 255], its `hole`, bool [H, W], filled as smoothly as can be.

    Δ²u = 0 (Damelin and Hoang 2018, "On surface completion and image inpainting by biharmonic functions: numerical
    aspects"). Large holes are solved from coarse to fine. What is deeper than `MAX_DEPTH` at the coarsest scale is
    filled by Navier-Stokes, and solved in its `RIM` alone.
    """
    picture = picture.copy()
    if hole.any() and not hole.all():
        near = around(hole, 16)
        picture[near] = _coarse_to_fine(picture[near], hole[near])
    return picture


def _coarse_to_fine(picture, hole):
    """`picture` with its `hole` filled: at once where that is small, else from the same at half the size.

    Then the biharmonic equation is solved anew in the `RIM`, where alone there is detail. Changes `picture`.
    """
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    small = hole.sum() <= EXACT
    if depth.max() <= RIM or (small and depth.max() <= MAX_DEPTH):
        return _solved(picture, hole)
    picture[hole] = (_deep(picture, hole) if small else _coarser(picture, hole))[hole]
    return _solved(picture, hole & (depth <= RIM))


def _deep(picture, hole):
    """Navier-Stokes, which takes 8 bits."""
    return inpainted(np.rint(np.clip(picture, 0, 255)).astype(np.uint8), hole, cv2.INPAINT_NS)


def _coarser(picture, hole):
    """`biharmonic_fill` of `picture` at half its size, the mean of known pixels in each, enlarged again."""
    height, width = hole.shape
    even = 0, height % 2, 0, width % 2
    known = cv2.copyMakeBorder((~hole).astype(np.float32), *even, cv2.BORDER_REPLICATE)
    picture = cv2.copyMakeBorder(picture, *even, cv2.BORDER_REPLICATE) * known[..., None]
    half = known.shape[1] // 2, known.shape[0] // 2
    share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(picture, half, interpolation=cv2.INTER_AREA) / np.maximum(share, 0.25)[..., None]
    filled = _coarse_to_fine(mean, share < 0.25)
    return cv2.resize(filled, known.shape[::-1], interpolation=cv2.INTER_LINEAR)[:height, :width]


def _solved(picture, hole):
    """The biharmonic equation, Δ²u = 0 in `hole` with the two known pixels around it as boundary, tile by tile: each
    takes from `picture` [H, W, C] what lies in the others by then. Changes `picture`."""
    from skimage.restoration import inpaint_biharmonic  # half a second: only where it is needed

    for outer, inner in _tiles(hole.shape):
        part, unknown = picture[outer], np.zeros_like(hole[outer])
        unknown[inner] = hole[outer][inner]
        if unknown.any():
            near = around(unknown, 2)
            part[near] = inpaint_biharmonic(part[near], unknown[near], channel_axis=-1)
    return picture


def _tiles(shape):
    """Yields squares that cover a picture of `shape` (H, W), two slices each, in two sizes: by `HALO` larger than their
    share, and larger by two more pixels; and the first in the pixels of the second."""
    for corner in itertools.product(*(range(0, side, TILE) for side in shape)):
        inner = [slice(max(start - HALO, 0), start + TILE + HALO) for start in corner]
        outer = [slice(max(part.start - 2, 0), part.stop + 2) for part in inner]
        yield tuple(outer), tuple(slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))


def around(hole, margin):
    """Two slices: the box around `hole`, bool [H, W], wider by `margin` on each side."""
    left, top, width, height = cv2.boundingRect(hole.astype(np.uint8))
    return np.s_[max(top - margin, 0) : top + height + margin, max(left - margin, 0) : left + width + margin]
