"""The hole of a photograph of any size filled from its surroundings, in memory that does not grow with it."""

import itertools

import cv2
import numpy as np

from faceinpaint.classical import around, biharmonic_fill
from faceinpaint.photo import grain, rim

AT_ONCE = 4_000_000  # pixels; a hole whose box has more is filled at a smaller scale first, then tile by tile
TILE, MARGIN = 1024, 32  # pixels
RIM = 4  # pixels of the smaller scale: how far from the rim tiles are solved anew


def eight_bits(pixels):
    """`pixels`, uint8 or uint16, as uint8."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)


def as_float(pixels):
    """uint8 or uint16 → float32 in [0, 255]."""
    return pixels.astype(np.float32) * np.float32(255 / np.iinfo(pixels.dtype).max)


def as_pixels(picture, dtype):
    """float32 in [0, 255] → uint8 or uint16, rounded."""
    highest = np.iinfo(dtype).max
    return np.rint(np.clip(picture * np.float32(highest / 255), 0, highest)).astype(dtype)


def tiles(hole, side=TILE, margin=MARGIN):
    """Yields the squares of `side` pixels in which there is some of `hole`: two slices, and two with a `margin`."""
    for top, left in itertools.product(*(range(0, length, side) for length in hole.shape)):
        if hole[top : top + side, left : left + side].any():
            wide = np.s_[max(top - margin, 0) : top + side + margin, max(left - margin, 0) : left + side + margin]
            yield np.s_[top : top + side, left : left + side], wide


def within(tile, wide):
    """The slices of `tile` in the pixels of `wide`."""
    return tuple(slice(t.start - w.start, t.stop - w.start) for t, w in zip(tile, wide, strict=True))


def thick_part(hole, width):
    """`rim.thick_part` of a `hole` of any size, tile by tile."""
    thick = np.zeros_like(hole)
    for tile, wide in tiles(hole, margin=2 * int(width) + 4):
        thick[tile] = rim.thick_part(hole[wide], width)[within(tile, wide)]
    return thick


def _reduced(pixels, hole):
    """`pixels`, 0 in the `hole`, at a scale of at most `AT_ONCE` pixels: the mean of the known ones in each pixel,
    float32, and which are known to less than a quarter; and by how much they are reduced."""
    step = int(np.ceil(np.sqrt(hole.size / AT_ONCE)))
    size = tuple(-(-side // step) for side in hole.shape[::-1])
    known = cv2.resize((~hole).view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) / np.float32(255)
    mean = as_float(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)) / np.maximum(known, 0.25)[..., None]
    return mean, known < 0.25, step


def _fill_tiles(pixels, hole):
    pixels[hole] = 0
    mean, unknown, step = _reduced(pixels, hole)
    small = as_pixels(biharmonic_fill(mean, unknown), pixels.dtype)
    scale = np.array(small.shape[:2]) / hole.shape
    for tile, wide in tiles(hole):
        part = pixels[wide]
        corner = np.array([s.start for s in wide])
        matrix = np.array(
            [[scale[1], 0, (corner[1] + 0.5) * scale[1] - 0.5], [0, scale[0], (corner[0] + 0.5) * scale[0] - 0.5]]
        )
        first = cv2.warpAffine(
            small,
            matrix,
            part.shape[1::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        first = np.where(hole[wide][..., None], first, part)
        outer = hole[wide] & (rim.depth(hole[wide]) <= RIM * step)
        filled = np.where(hole[wide][..., None], as_pixels(biharmonic_fill(as_float(first), outer), pixels.dtype), part)
        pixels[tile] = filled[within(tile, wide)]


def fill(pixels, hole):
    """Fills `hole`, bool [H, W], of `pixels`, uint8 or uint16 [H, W, 3], in place, by `biharmonic_fill`. Of a
    grainy photo it continues what is left without the grain, whose slopes would be continued into bright colours."""
    if not hole.any() or hole.all():
        return
    near = around(hole, MARGIN)
    part, hole = pixels[near], hole[near]
    if hole.size > AT_ONCE:
        _fill_tiles(part, hole)
    else:
        part[hole] = as_pixels(biharmonic_fill(grain.smoothed(as_float(part), hole), hole)[hole], pixels.dtype)
