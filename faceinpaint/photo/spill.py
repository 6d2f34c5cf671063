"""Damage that reaches beyond its mask: the soft edge of a scratch or stain that was marked too tightly, the paper's
colour along a tear, and what JPEG has mixed of the damage's colour into its surroundings."""

from typing import NamedTuple

import cv2
import numpy as np

from faceinpaint.photo.alignment import block_means
from faceinpaint.photo.classical import as_float, tiles
from faceinpaint.photo.rim import depth

MAX_DISTANCE = 6  # pixels beyond the mask that are looked at; as far as three times as many are the surroundings
MAX_REACH = 1 / 40  # of the photo's shorter side: so far beyond it is looked for an end, in the photo reduced
MIN_CONTRAST, MAX_UNEVEN = 30.0, 25.0  # levels of 255: damage differs more from its surroundings, less from itself
MIN_UNLIKE = 2.0  # times as much as its surroundings differ from themselves, such as a print's dots
MIN_TOLD = 0.5  # of the rim is told so from its surroundings, or nothing is said of it
SEEN, TRACE = 0.1, 0.03  # share of the damage's colour just outside the mask; and where it ends
MUCH = 0.45  # share just outside a mask that ends in the middle of a wide soft edge; a face alone shows up to 0.4
WHOLE = 0.9  # share so far outside the mask that around it there is nothing else to tell it from
OTHER = 0.06  # as much is of neither colour: a tear's paper, for instance; no more than half of it is in sound faces
PURE, MIXED = 0.85, 2.5  # share just inside a mask that ends with the damage; levels by which JPEG changes it there
SMEAR, MAX_SMEAR = 3, 1 / 150  # pixels that JPEG spoils at qualities of 75 to 95; of the photo's shorter side
SIDE, MAX_TILES = 256, 8  # pixels of what is looked at


class Rim(NamedTuple):
    """Pixels at a mask's edge, on both sides of it.

    distance: from the edge in pixels, negative within the mask [N].
    told: whether the damage is told from the surroundings there, bool [N]; what follows is of such pixels alone.
    share: how much there is of the damage's colour, the a of colour = a * damage + (1 - a) * surroundings in the sense
        of least squares [N].
    other: what is of neither colour, the rest of that in lengths of damage - surroundings [N, 3].
    changed: how far it is from the damage's colour, root mean square of the channels in levels of 255 [N].
    """

    distance: np.ndarray
    told: np.ndarray
    share: np.ndarray
    other: np.ndarray
    changed: np.ndarray

    @property
    def is_told(self) -> bool:
        """Whether enough of the rim outside the mask is told to say anything of it."""
        outside = self.told[self.distance > 0]
        return outside.sum() > MIN_TOLD * len(outside)


def _near(picture, where, spread):
    """Mean of `picture` around each pixel, of those in the bool `where` alone; how far these are from it, root mean
    square of the channels; and how many there are, in [0, 1]."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), spread)

    def mean(values):
        return cv2.GaussianBlur(values * where[..., None], (0, 0), spread) / np.maximum(weight, 1e-6)[..., None]

    middle = mean(picture)
    return middle, np.sqrt(mean(np.square(picture - middle)).mean(axis=2)), weight


def _rim(picture, hole, known) -> Rim:
    """The rim of a `hole`; known: what lies outside of it, for a pixel may be hole in part."""
    inner, outer = depth(hole), depth(known)
    core = inner > min(3, 0.6 * inner.max())  # the mask's own edge is mixed as well
    damage, uneven, inside = _near(picture, core, 3)
    surroundings, rough, around = _near(picture, (outer > MAX_DISTANCE) & (outer <= 3 * MAX_DISTANCE), MAX_DISTANCE)
    length = np.sqrt(np.square(damage - surroundings).mean(axis=2))
    told = (uneven < MAX_UNEVEN) & (length > np.maximum(MIN_CONTRAST, MIN_UNLIKE * rough))
    rim = (inner + outer > 0) & (inner <= 1) & (outer <= MAX_DISTANCE) & (np.minimum(around, inside) > 1e-3)
    told, contrast, seen = told[rim], (damage - surroundings)[rim], (picture - surroundings)[rim]
    contrast, seen = contrast[told], seen[told]
    share = (seen * contrast).sum(axis=1) / np.square(contrast).sum(axis=1)
    other = (seen - share[:, None] * contrast) / np.linalg.norm(contrast, axis=1, keepdims=True)
    changed = np.sqrt(np.square(seen - contrast).mean(axis=1))
    return Rim((outer - inner)[rim], told, share, other, changed)


def _reduced(pixels, hole, step):
    """`pixels` as a picture, at 1 / `step` of their size, which of it is hole, and which is known."""
    whole = tuple(slice(side // step * step) for side in hole.shape)
    share = block_means(hole[whole], step)
    return as_float(block_means(pixels[whole], step)), share == 1, share == 0


def _rim_of(pixels, hole, step) -> Rim:
    """The rim, in pixels of `step`, of some parts of a hole of any size."""
    parts = [wide for _, wide in tiles(hole, SIDE * step, 4 * MAX_DISTANCE * step)]
    parts = parts[:: -(-len(parts) // MAX_TILES)]
    rims = [_rim(*_reduced(pixels[part], hole[part], step)) for part in parts]
    return Rim(*(np.concatenate(one) for one in zip(*rims, strict=True)))


def _rings(rim: Rim):
    """How much of the damage there is in each pixel of distance outside the mask [MAX_DISTANCE]: the median share of
    its colour; or, if there is much of it, of a colour that is neither its own nor its surroundings'. 0 where too
    little of the rim is told."""
    distance = rim.distance[rim.told]
    within = [(distance > k) & (distance <= k + 1) for k in range(MAX_DISTANCE)]
    if not rim.is_told or not all(ring.any() for ring in within):
        return np.zeros(MAX_DISTANCE)
    share = np.array([np.median(rim.share[ring]) for ring in within])
    other = np.array([np.linalg.norm(np.median(rim.other[ring], axis=0)) for ring in within])
    return np.maximum(share, other) if other.max() > OTHER else share


def _reach(rings) -> float:
    """At what distance there is no more of the damage; infinity where there is at every one."""
    if rings[0] < SEEN:
        return 0.0
    return float(np.argmax(rings < TRACE)) if rings.min() < TRACE else np.inf


def _smeared(rim: Rim) -> bool:
    """Whether the damage ends with its mask, but has not quite its own colour there: JPEG, which keeps colours in
    blocks of 16 pixels, mixes both sides of an edge."""
    edge = rim.distance[rim.told] < 0
    if not rim.is_told or not edge.any():
        return False
    return np.median(rim.share[edge]) > PURE and np.sqrt(np.square(rim.changed[edge]).mean()) > MIXED


def _farther(pixels, hole, least) -> float:
    """`_reach` in the photo reduced, up to `MAX_REACH`: 0 where there is no end, or less than the share `least` just
    outside the mask."""
    step = 2
    while step * MAX_DISTANCE <= MAX_REACH * min(hole.shape):
        rings = _rings(_rim_of(pixels, hole, step))
        if rings[0] > least and np.isfinite(_reach(rings)):
            return step * (_reach(rings) + 0.5)  # half a pixel, on average, is hole in part
        step *= 2
    return 0.0


def spilled(pixels, hole) -> float:
    """By how many pixels damage shows beyond the `hole` that is to cover it; infinity where it goes on and no end of it
    is found.

    Only damage of one colour is told from what belongs there: scratches, cracks, paint, tears.

    pixels: uint8 or uint16 [H, W, 3], the damage in it; hole: bool [H, W], not empty.
    """
    rim = _rim_of(pixels, hole, 1)
    if not rim.is_told:
        return _farther(pixels, hole, WHOLE)
    rings = _rings(rim)
    reach = _reach(rings)
    if reach == np.inf:
        reach = _farther(pixels, hole, SEEN) or (np.inf if rings[0] > MUCH else 0.0)
    return max(reach, round(min(SMEAR, MAX_SMEAR * min(hole.shape))) if _smeared(rim) else 0.0)


def widened(hole, reach):
    """`hole`, wider by `reach` pixels, as `spilled` gives them; as it is where that is infinity."""
    if not np.isfinite(reach):
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(reach) + 1,) * 2)
    return cv2.dilate(hole.view(np.uint8), disc).view(bool)
