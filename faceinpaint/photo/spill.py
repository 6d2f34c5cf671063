"""Damage that reaches beyond its mask: the soft edge of a scratch or stain that was marked too tightly."""

import cv2
import numpy as np

from faceinpaint.photo.classical import as_float, tiles
from faceinpaint.photo.rim import depth

MAX_DISTANCE = 6  # pixels beyond the mask that are looked at; twice as many further out are the surroundings
CONTRAST, UNEVEN = 30.0, 25.0  # levels of 255: damage differs more from its surroundings, and less from itself
SEEN, TRACE = 0.1, 0.03  # share of the damage's colour just outside the mask; and where it ends
SIDE, MAX_TILES = 256, 8  # pixels of what is looked at


def _mean_near(picture, where, spread):
    """Mean of `picture` around each pixel, of those in the bool `where` alone; and how much there is of them."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), spread)
    total = cv2.GaussianBlur(picture * where[..., None], (0, 0), spread)
    return total / np.maximum(weight, 1e-6)[..., None], weight


def _shares(picture, hole):
    """How much of the damage's colour there is in pixels outside the hole: returns their distance from it [N]; that
    share [N], the a of colour = a * damage + (1 - a) * surroundings (least squares); and the fraction of the rim that
    was told from its surroundings."""
    distance = depth(~hole)
    surroundings, around = _mean_near(picture, (distance > MAX_DISTANCE) & (distance <= 3 * MAX_DISTANCE), MAX_DISTANCE)
    inner = depth(hole)
    core = inner > min(3, 0.6 * inner.max())  # the mask's own edge is mixed as well
    damage, inside = _mean_near(picture, core, 3)
    contrast = damage - surroundings
    even = np.sqrt(_mean_near(np.square(picture - damage), core, 3)[0].mean(axis=2)) < UNEVEN
    strong = np.square(contrast).mean(axis=2) > CONTRAST**2
    rim = (distance > 0) & (distance <= MAX_DISTANCE) & (around > 1e-3) & (inside > 1e-3)
    chosen = rim & strong & even
    share = ((picture - surroundings) * contrast).sum(axis=2)[chosen] / np.square(contrast).sum(axis=2)[chosen]
    return distance[chosen], share, chosen.sum() / max(rim.sum(), 1)


def widened(pixels, hole):
    """`hole`, wider by what shows of the damage beyond it, and by how many pixels that is, less than `MAX_DISTANCE`.

    Only damage of one colour is told from what belongs there: scratches, cracks, paint, tears.

    pixels: uint8 or uint16 [H, W, 3], the damage in it; hole: bool [H, W].
    """
    parts = [wide for _, wide in tiles(hole, SIDE, 4 * MAX_DISTANCE)]
    parts = parts[:: -(-len(parts) // MAX_TILES)] if parts else parts
    found = [_shares(as_float(pixels[part]), hole[part]) for part in parts]
    if not found or np.mean([uniform for *_, uniform in found]) < 0.5:
        return hole, 0
    distance, share = (np.concatenate([one[i] for one in found]) for i in range(2))
    rings = [share[(distance > k) & (distance <= k + 1)] for k in range(MAX_DISTANCE)]
    means = np.array([np.median(ring) if len(ring) else 0.0 for ring in rings])
    if means[0] < SEEN or means.min() > TRACE:  # what does not end is no edge of the damage
        return hole, 0
    wider = int(np.argmax(means < TRACE))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * wider + 1,) * 2)
    return cv2.dilate(hole.view(np.uint8), disc).view(bool), wider
