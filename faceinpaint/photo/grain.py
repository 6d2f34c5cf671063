"""The grain of a photograph: measured where the photograph is known, and laid over what was filled.

Grain is what is everywhere: a photograph without it has some smooth place, be it skin, ground or sky. Pictures are
float32 [H, W, 3] RGB in [0, 255].
"""

import cv2
import numpy as np

from faceinpaint.photo.alignment import block_means
from faceinpaint.photo.light import LUMA

BLOCK = 16  # pixels: side of the places that grain is measured in
SMOOTHEST = 0.02  # of the known places: how rough these are says whether there is grain
SMOOTH = 0.1  # of them: these show it
MAX_BLOCKS = 12  # of these make the texture
FINE = 1.5  # pixels: what is finer than a Gaussian of this is measured
# By how much the picture is reduced to be looked at, as the grain of large scans is coarse; and levels of 255, the
# fine luma of its smoothest places: up to the first no grain, from the second on all.
SCALES = {1: (3.2, 4.2), 2: (2.6, 3.4), 4: (2.6, 3.4)}
MIN_PLACES = 300  # of a reduced picture: one of fewer may have no smooth place, and tells nothing
PERIOD = 256  # pixels after which the texture repeats
SMOOTHING, MAX_SMOOTHING = 0.1, 2.5  # pixels of a Gaussian for each level of grain: the less grain, the more is left


def _mean(values):
    """Around each pixel, over a block."""
    return cv2.blur(values.astype(np.float32), (BLOCK, BLOCK), borderType=cv2.BORDER_REFLECT)


def _roughness(picture, where):
    """Variance of the fine luma around each pixel, of those in the bool `where` alone: [H, W]."""
    luma = picture @ LUMA
    fine = np.square(luma - cv2.GaussianBlur(luma, (0, 0), FINE))
    return np.maximum(_mean(fine * where), 0) / np.maximum(_mean(where), 1e-3)  # where it is flat, rounding is below 0


def _places(picture, known):
    """Centres (row, column) [N, 2] of the blocks that are known and neither black nor white."""
    luma, half = picture @ LUMA, BLOCK // 2
    usable = (_mean(known & (luma > 8) & (luma < 247)) > 0.98)[::half, ::half]
    usable[[0, -1]], usable[:, [0, -1]] = False, False
    return np.argwhere(usable) * half


def texture(picture, places) -> np.ndarray:
    """Grain like that in the blocks around `places` [N, 2], periodic, float32 [PERIOD, PERIOD, 3]: the blocks, less
    what is smooth in them, convolved with white noise. It has their spectrum and their correlation of colours (Galerne,
    Gousseau and Morel 2011, "Random phase textures: theory and synthesis", asymptotic discrete spot noise)."""
    rest, half = picture - cv2.GaussianBlur(picture, (0, 0), 2 * FINE), BLOCK // 2
    places = places[np.linspace(0, len(places) - 1, min(MAX_BLOCKS, len(places))).astype(int)]
    blocks = np.stack([rest[y - half : y + half, x - half : x + half] for y, x in places])
    white = np.random.default_rng(0).standard_normal((len(blocks), PERIOD, PERIOD, 1), np.float32)
    spectrum = np.fft.rfft2(white, axes=(1, 2)) * np.fft.rfft2(blocks, (PERIOD, PERIOD), axes=(1, 2))
    grain = np.fft.irfft2(spectrum.sum(axis=0), (PERIOD, PERIOD), axes=(0, 1))
    return (grain / (BLOCK * np.sqrt(len(blocks)))).astype(np.float32)


def _reduced(picture, known, scale):
    """`picture` and the bool `known` reduced by `scale`; known there is what was known altogether."""
    if scale == 1:
        return picture, known
    inside = np.pad(known, [(0, -side % scale) for side in known.shape])
    return block_means(picture, scale), block_means(inside, scale) > 0.99


def _measured(picture, known, scale):
    """How sure it is that `picture`, reduced by `scale`, has grain, from 0 to 1; its variance; and the places [N, 2]
    that show it."""
    places = _places(picture, known)
    if len(places) < (MIN_PLACES if scale > 1 else 1):
        return 0.0, 0.0, places
    roughness = _roughness(picture, known)[tuple(places.T)]
    smoothest, smooth = np.quantile(roughness, [SMOOTHEST, SMOOTH])
    share = np.interp(np.sqrt(smoothest), SCALES[scale], (0, 1))
    return float(share), float(smooth), places[roughness <= smooth]


def smoothed(picture, hole):
    """`picture` with the grain of its known pixels averaged away, so that what continues them follows the photo and not
    its grain; the same array where there is none."""
    sigma, known = 0.0, (~hole).astype(np.float32)
    for scale in SCALES:
        share, variance, _ = _measured(*_reduced(picture, ~hole, scale), scale)
        sigma = max(sigma, scale * min(share * SMOOTHING * np.sqrt(variance), MAX_SMOOTHING))
    if sigma == 0:
        return picture
    weight = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
    return cv2.GaussianBlur(picture * known[..., None], (0, 0), sigma) / np.maximum(weight, 1e-3)


def _enlarged(periodic, scale):
    """A `periodic` picture enlarged by `scale`, periodic again."""
    wrapped = np.pad(periodic, ((2, 2), (2, 2), (0, 0)), "wrap")
    large = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return large[2 * scale : -2 * scale, 2 * scale : -2 * scale]


def _lacking(picture, hole, corner, scale):
    """The grain that the `hole` lacks of what `picture`, reduced by `scale`, has around it: [H, W, 3], None where that
    is none."""
    small, known = _reduced(picture, ~hole, scale)
    share, smooth, places = _measured(small, known, scale)
    if share == 0:
        return None
    grain = _enlarged(texture(small, places), scale)
    rows, columns = ((start + np.arange(length)) % len(grain) for start, length in zip(corner, hole.shape, strict=True))
    there = np.where(known, np.inf, _roughness(small, ~known)).astype(np.float32)
    there = cv2.erode(there, np.ones((2 * BLOCK + 1,) * 2))  # an edge that was drawn is rough, and no grain
    lacking = share * np.sqrt(np.clip(1 - there / smooth, 0, 1))
    lacking = lacking.repeat(scale, axis=0).repeat(scale, axis=1)[: hole.shape[0], : hole.shape[1]]
    return (hole * lacking)[..., None] * grain[rows[:, None], columns]


def grained(picture, hole, corner=(0, 0)):
    """`picture` with the grain of its known pixels in its `hole`, as much of it as the hole lacks, fine grain first;
    the same array where there is none.

    corner: (row, column) of the picture in the photo, so that the texture goes on from one part of it to the next.
    """
    for scale in SCALES:
        lacking = _lacking(picture, hole, corner, scale)
        picture = picture if lacking is None else picture + lacking
    return picture
