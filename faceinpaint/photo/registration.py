"""Where in one picture of a face to look for what another one shows: a shift, a change of width, a smooth field.

Both are bands of the luma in the face's whole frame, float32 [178, 178], and lengths its pixels: the eyes are 39 apart.
"""

import itertools

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE

MIN_KNOWN = 0.5  # of what is compared: with less, a place does not count
WIDEN = 4  # how far around a part both are compared
REACH = 8  # the longest shift
WIDTHS = np.exp(np.linspace(np.log(0.7), np.log(1.35), 14))  # of the source: heads are turned
SHIFTED, WIDENED = 6.0, 600.0  # squared levels that a shift by a pixel costs, and a width by a factor of e
LARGE = 900  # pixels of a part that may need bending; it is matched at half the resolution
BENT, BEND_WINDOW, BEND_SMOOTH = 1.0, 8.0, 4.0  # squared levels that bending by a pixel costs; Gaussians


def at(picture, x, y):
    """`picture` [H, W] or [H, W, C] at the places `x`, `y`, float32 [h, w] each."""
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _mismatch(target, weight, source, known):
    """The mean squared difference of `target` [h, w] and each place of `source` [H, W], over what both `weight` and
    `known` count, [H - h + 1, W - w + 1]: sums of correlations, as in Padfield 2012, "Masked object registration in the
    Fourier domain". Infinite where too little is known."""

    def correlated(picture, patch):
        return cv2.matchTemplate(picture, patch, cv2.TM_CCORR)

    counted = correlated(known, weight)
    squares = correlated(known, weight * target**2) + correlated(known * source**2, weight)
    squares -= 2 * correlated(known * source, weight * target)
    return np.where(counted > MIN_KNOWN * weight.sum(), squares / np.maximum(counted, 1), np.inf)


def _candidates(target, weight, source, known, box, pixel):
    """For each of `WIDTHS`: the cost of the best shift, the width, the shift (dx, dy) and the middle that stays."""
    left, top, width, height = box
    reach, middle = REACH // pixel, left + (width - 1) / 2
    shifts = np.arange(-reach, reach + 1)
    far = SHIFTED * pixel**2 * np.add.outer(shifts**2, shifts**2)
    size, flags = (width + 2 * reach, height + 2 * reach), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for factor in WIDTHS:
        matrix = np.array([[factor, 0, middle + factor * (left - reach - middle)], [0, 1, top - reach]])
        moved, seen = (cv2.warpAffine(picture, matrix, size, flags=flags) for picture in (source, known))
        costs = _mismatch(target, weight, moved, np.float32(seen > 0.99)) + far
        dy, dx = np.unravel_index(costs.argmin(), costs.shape)
        yield costs[dy, dx] + WIDENED * np.log(factor) ** 2, factor, shifts[dx], shifts[dy], middle


def fitting(target, source, known, part, pixel=1):
    """Where to look in `source` for each pixel of `target`, so that both fit best in and around the `part`: x and y,
    float32 [H, W] each.

    The mean squared difference is least, plus `SHIFTED` (dx² + dy²) + `WIDENED` ln² width.

    target, source: float32 [H, W]; known: of `source`, bool [H, W]; part: bool [H, W]; pixel: its length.
    """
    around = cv2.dilate(part.view(np.uint8), None, iterations=WIDEN // pixel)
    left, top, width, height = box = cv2.boundingRect(around)
    inside = np.s_[top : top + height, left : left + width]
    weight = around[inside].astype(np.float32)
    _, factor, dx, dy, middle = min(_candidates(target[inside], weight, source, np.float32(known), box, pixel))
    y, x = np.indices(target.shape, np.float32)
    return (middle + factor * (x + dx - middle)).astype(np.float32), y + np.float32(dy)


def bent(target, source, x, y, pixel=1):
    """The field `x`, `y` of `fitting`, bent smoothly: at each place by the shift with the least squared difference
    around it, plus `BENT` (dx² + dy²)."""
    reach, (height, width) = REACH // pixel, target.shape
    moved = np.pad(at(source, x, y), reach, mode="edge")
    shifts = np.array(list(itertools.product(range(-reach, reach + 1), repeat=2)), np.float32)
    costs = [
        cv2.GaussianBlur(
            (target - moved[row : row + height, column : column + width]) ** 2, (0, 0), BEND_WINDOW / pixel
        )
        for row, column in itertools.product(range(2 * reach + 1), repeat=2)
    ]
    far = BENT * pixel**2 * np.square(shifts).sum(axis=1)
    down, across = cv2.split(shifts[np.argmin(costs + far[:, None, None], axis=0)])
    return tuple(axis + cv2.GaussianBlur(bend, (0, 0), BEND_SMOOTH / pixel) for axis, bend in ((x, across), (y, down)))


def _halved(target, source, known, part):
    """The four at half the resolution."""
    side = (WHOLE_SIDE // 2,) * 2
    target, source, share, core = (
        cv2.resize(np.float32(picture), side, interpolation=cv2.INTER_AREA) for picture in (target, source, known, part)
    )
    return target, source, share > 0.99, core > 0.5


def correlation(target, source, known, part) -> float:
    """How alike `target` is in the `part`, at half the resolution, and `source` where `fitting` finds it again:
    <ts> / sqrt(<t²> <s²>), in [-1, 1]; 0 where too little of it is known."""
    target, source, known, part = _halved(target, source, known, part)
    x, y = fitting(target, source, known, part, 2)
    seen = part & (at(np.float32(known), x, y) > 0.99)
    target, source = target[seen], at(source, x, y)[seen]
    if seen.sum() <= MIN_KNOWN * part.sum():
        return 0.0
    return float(target @ source / np.sqrt((target @ target) * (source @ source) + 1e-6))


def registered(target, source, known, part):
    """As `fitting`; for a large `part` at half the resolution, and `bent`."""
    if part.sum() <= LARGE:
        return fitting(target, source, known, part)
    target, source, known, part = _halved(target, source, known, part)
    field = bent(target, source, *fitting(target, source, known, part, 2), 2)
    return tuple(2 * cv2.resize(axis, (WHOLE_SIDE,) * 2, interpolation=cv2.INTER_LINEAR) + 0.5 for axis in field)
