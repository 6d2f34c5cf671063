"""Detail for a repaired part from where it is still to be seen: the face's other half, or another photo of the person.

The network decides what goes where, its colour and its light. A known place that fits gives what is finer:
    1. each source is laid into the face's whole frame, mirrored where it is the other half        (Source.framed)
    2. for each part of the hole, the shift and the change of width with which it fits the restoration are looked for;
       in a large part a smooth field on top                                                      (fitting, bent)
    3. where both do not agree, or their surroundings are not alike, nothing is carried over       (agreement, alike)
    4. the bands finer than what the network knows are replaced by the source's, the coarser the less  (shares, added)
Pictures of the whole frame are float32 [178, 178, 3] in [0, 255], or [178, 178] of one value, and lengths its pixels:
the eyes are 39 apart. No TensorFlow here.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo import classical, rim
from faceinpaint.photo.alignment import Alignment, Frame, outside, resampled
from faceinpaint.photo.light import LUMA

LEAST_PART = 12  # pixels of a part: in a smaller one there is nothing to fit
LEAST_KNOWN = 0.5  # of a part's place in a source; the nose's and the mouth's middle have less in the other half
WIDEN = 4  # how far around a part both are compared
REACH = 8  # the longest shift
WIDTHS = np.exp(np.linspace(np.log(0.7), np.log(1.35), 14))  # of the source: heads are turned
SHIFTED, WIDENED = 6.0, 600.0  # squared levels that a shift by a pixel costs, and a width by a factor of e
LARGE = 900  # pixels of a part that may need bending; it is matched at half the resolution
BENT, BEND_WINDOW, BEND_SMOOTH = 1.0, 8.0, 6.0  # squared levels that bending by a pixel costs; Gaussians
FINEST, FITTED, LIGHT = 1.4, 4.0, 10.0  # Gaussians: finer is unknown to the network; coarsest that is fitted; light
AGREE_WINDOW, BY_CHANCE, AGREE = 3.0, 10.0, (0.1, 0.8)  # squared levels; from none to full agreement
ALIKE_WINDOW, GRAIN, ALIKE = 6.0, 0.05, (0.3, 0.7)  # squared levels; from none to full likeness
BANDS = (FINEST, 2.5, 4.0, 8.0)  # Gaussians: each band is what one leaves of the one before
CARRIED = (1.0, 0.8, 0.6, 0.4)  # how much of each band is replaced, the finest first
TRUST = (0.5, 1.0, 2.0, 2.0)  # the power of the agreement that this takes
FADE = 1.2  # from the rim inwards
WORTH_SAYING = 0.25  # of full agreement, on average over a part


def _blur(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def _band(picture, fine, coarse):
    """The luma of `picture` between two Gaussians."""
    luma = picture @ LUMA
    return _blur(luma, fine) - _blur(luma, coarse)


def _at(picture, x, y):
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _ramp(value, limits):
    return np.clip((value - limits[0]) / (limits[1] - limits[0]), 0, 1)


@dataclass(frozen=True)
class Source:
    """Where detail may come from.

    Attributes:
        photo: uint8 or uint16 [H, W, 3].
        hole: what of it is not to be used, bool [H, W].
        alignment: of the face in it.
        mirrored: whether left and right are exchanged.
        name: what the user calls it; None for the photo that is repaired.
    """

    photo: np.ndarray
    hole: np.ndarray
    alignment: Alignment
    mirrored: bool
    name: str | None = None

    def framed(self):
        """The face in its whole frame, and which of the frame's pixels are known, bool [178, 178]."""
        turn = slice(None, None, -1 if self.mirrored else 1)
        where = self.alignment, Frame(), WHOLE_SIDE
        picture = resampled(self.photo, *where) * np.float32(255 / np.iinfo(self.photo.dtype).max)
        known = ~outside(self.hole.shape, *where) & (resampled(self.hole, *where) <= 1e-4)
        return np.ascontiguousarray(picture[:, turn]), np.ascontiguousarray(known[:, turn])

    def sampled(self, x, y):
        """The photo at the frame's pixels `x`, `y`, float32 [H, W] each: float32 [H, W, 3] in [0, 255]."""
        x = WHOLE_SIDE - 1 - x if self.mirrored else x
        matrix = self.alignment.matrix(Frame(), WHOLE_SIDE).astype(np.float32)
        column, row = (line[0] * x + line[1] * y + line[2] for line in matrix)
        return classical.as_float(cv2.remap(self.photo, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def _mismatch(target, weight, source, known):
    """The mean squared difference of `target` [h, w] and each place of `source` [H, W], over what both `weight` and
    `known` count: [H - h + 1, W - w + 1], as sums of correlations (Padfield 2012, "Masked object registration in the
    Fourier domain"). Infinite where too little is known."""

    def correlated(picture, patch):
        return cv2.matchTemplate(picture, patch, cv2.TM_CCORR)

    counted = correlated(known, weight)
    squares = correlated(known, weight * target**2) + correlated(known * source**2, weight)
    squares -= 2 * correlated(known * source, weight * target)
    return np.where(counted > LEAST_KNOWN * weight.sum(), squares / np.maximum(counted, 1), np.inf)


def fitting(target, source, known, part, pixel=1):
    """Where to look in `source` for each pixel of the frame, so that it fits `target` best in and around the `part`:
    x and y, float32 [H, W] each.

    What is minimised is the mean squared difference of both, plus `SHIFTED` (dx² + dy²) + `WIDENED` ln² width.
    target, source: bands of the luma; known: of `source`; part: bool; all [H, W], with a `pixel` that is so long.
    """
    around = cv2.dilate(part.view(np.uint8), None, iterations=WIDEN // pixel)
    left, top, width, height = cv2.boundingRect(around)
    inside, reach, middle = np.s_[top : top + height, left : left + width], REACH // pixel, left + (width - 1) / 2
    shifts = np.arange(-reach, reach + 1)
    cost = SHIFTED * pixel**2 * np.add.outer(shifts**2, shifts**2)
    weight, known, best = around[inside].astype(np.float32), known.astype(np.float32), (np.inf, 1, 0, 0)
    for factor in WIDTHS:
        matrix = np.array([[factor, 0, middle + factor * (left - reach - middle)], [0, 1, top - reach]])
        size, flags = (width + 2 * reach, height + 2 * reach), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved, seen = (cv2.warpAffine(picture, matrix, size, flags=flags) for picture in (source, known))
        costs = _mismatch(target[inside], weight, moved, np.float32(seen > 0.99)) + cost
        dy, dx = np.unravel_index(costs.argmin(), costs.shape)
        best = min(best, (costs[dy, dx] + WIDENED * np.log(factor) ** 2, factor, shifts[dx], shifts[dy]))
    _, factor, dx, dy = best
    y, x = np.indices(target.shape, np.float32)
    return (middle + factor * (x + dx - middle)).astype(np.float32), y + np.float32(dy)


def bent(target, source, x, y, pixel=1):
    """The field `x`, `y` of `fitting`, bent smoothly: at each place by the shift with the least squared difference
    around it, plus `BENT` (dx² + dy²); then smoothed."""
    reach = REACH // pixel
    moved = np.pad(_at(source, x, y), reach, mode="edge")
    shifts = np.array(list(itertools.product(range(-reach, reach + 1), repeat=2)))
    height, width = target.shape
    costs = [
        _blur((target - moved[reach + dy :, reach + dx :][:height, :width]) ** 2, BEND_WINDOW / pixel)
        + BENT * pixel**2 * (dx**2 + dy**2)
        for dy, dx in shifts
    ]
    best = shifts[np.argmin(costs, axis=0)].astype(np.float32)
    down, across = (_blur(np.ascontiguousarray(best[..., axis]), BEND_SMOOTH / pixel) for axis in (0, 1))
    return x + across, y + down


def registered(target, source, known, part):
    """As `fitting`, at half the resolution and `bent` for a large `part`."""
    if part.sum() <= LARGE:
        return fitting(target, source, known, part)
    side = WHOLE_SIDE // 2
    target, source, share, core = (
        cv2.resize(np.float32(picture), (side, side), interpolation=cv2.INTER_AREA)
        for picture in (target, source, known, part)
    )
    field = bent(target, source, *fitting(target, source, share > 0.99, core > 0.5, 2), 2)
    return tuple(2 * cv2.resize(axis, (WHOLE_SIDE,) * 2, interpolation=cv2.INTER_LINEAR) + 0.5 for axis in field)


def agreement(target, source):
    """(2 <ts> + c) / (<t²> + <s²> + c) around each pixel, clipped to [0, 1] between the limits of `AGREE`: SSIM's
    contrast and structure (Wang et al. 2004, eq. 13) of bands, which have no mean. c is `BY_CHANCE`."""
    both, own, other = (_blur(product, AGREE_WINDOW) for product in (target * source, target**2, source**2))
    return _ramp((2 * both + BY_CHANCE) / (own + other + BY_CHANCE), AGREE)


def alike(target, source, known):
    """Whether the fine luma of `target` is as rough as that of `source` where both are `known`, near each pixel: in
    [0, 1]. Hair and ground are not like skin."""
    here, there = (_blur(known * fine**2, ALIKE_WINDOW) + GRAIN for fine in (target, source))
    return _ramp(np.sqrt(here / there), ALIKE)


def shares(difference, gain):
    """What is to be added in the frame and at the photo's resolution.

    With D the `difference` of source and restoration [178, 178, 3], D_k its Gaussians of `BANDS`, g the `gain`
    [178, 178] and w, p `CARRIED` and `TRUST`, the detail is the sum over k of w_k g^p_k (D_k - D_k+1), D_0 = D. D alone
    needs the photo's resolution. Returns its factor w_0 g^p_0 and the rest of the sum.
    """
    weights = [carried * gain**power for carried, power in zip(CARRIED, TRUST, strict=True)]
    smooth = [_blur(difference, sigma) for sigma in BANDS]
    rest = -weights[0][..., None] * smooth[0]
    for weight, fine, coarse in zip(weights[1:], smooth, smooth[1:], strict=False):
        rest += weight[..., None] * (fine - coarse)
    return weights[0], rest


@dataclass(frozen=True)
class Detail:
    """What a `source` can give to a part of the hole, in the frame: where to look in it, x and y, and how far to trust
    it, float32 [178, 178] each."""

    source: Source
    x: np.ndarray
    y: np.ndarray
    gain: np.ndarray


def _detail(target, lost, part, source) -> Detail | None:
    """What `source` gives to `part`, a part of what is `lost`; None where it does not show enough of it."""
    picture, known = source.framed()
    if known[part].mean() < LEAST_KNOWN:
        return None
    x, y = registered(_band(target, FINEST, FITTED), _band(picture, FINEST, FITTED), known, part)
    there, seen = _at(picture, x, y), _at(known.astype(np.float32), x, y) > 0.99
    gain = agreement(_band(target, FINEST, LIGHT), _band(there, FINEST, LIGHT))
    fine = [picture @ LUMA - _blur(picture @ LUMA, FINEST) for picture in (target, there)]
    gain *= alike(*fine, np.float32(~lost & seen)) * np.clip(rim.depth(seen) / FADE, 0, 1)
    return Detail(source, x, y, gain * cv2.dilate(part.view(np.uint8), None, iterations=2))


def added(restored, own, within: Alignment, detail: Detail, target):
    """`restored` with the `detail` in `own`: see `shares`. In place, square by square."""
    factor, rest = shares(_at(detail.source.framed()[0], detail.x, detail.y) - target, detail.gain)
    fade = np.clip(rim.depth(own) / (FADE * abs(within.turn)), 0, 1)
    reached = cv2.warpAffine(detail.gain, within.matrix(Frame(), WHOLE_SIDE), own.shape[::-1]) > 0
    for tile, _ in classical.tiles(own & reached):
        tile = tuple(slice(*side.indices(length)[:2]) for side, length in zip(tile, own.shape, strict=True))
        x, y = (axis - np.float32(0.5) for axis in within.grid(tile))
        there = detail.source.sampled(_at(detail.x, x, y), _at(detail.y, x, y))
        fine = _at(factor, x, y)[..., None] * (there - restored[tile])
        restored[tile] += fade[tile][..., None] * (fine + _at(rest, x, y))
    return restored


def parts_of(own, within: Alignment) -> Iterator[np.ndarray]:
    """The connected parts of `own`, bool [H, W] of a part of the photo, in the frame: bool [178, 178]."""
    lost = resampled(own, within, Frame(), WHOLE_SIDE) > 1e-4
    lost &= ~outside(own.shape, within, Frame(), WHOLE_SIDE)
    count, labels = cv2.connectedComponents(lost.view(np.uint8))
    for label in range(1, count):
        if (labels == label).sum() >= LEAST_PART:
            yield labels == label


def details(restored, own, within: Alignment, photo: Source, sources) -> Iterator[tuple[np.ndarray, Detail, np.ndarray]]:
    """For each part of `own`, bool [H, W]: the part, the detail of that of the `sources` that agrees best with it, and
    the whole frame with what is `restored`, float32 [H, W, 3]. photo: what is repaired, not mirrored."""
    lost = resampled(own, within, Frame(), WHOLE_SIDE) > 1e-4
    picture, known = photo.framed()
    target = np.where(lost[..., None], resampled(restored, within, Frame(), WHOLE_SIDE), picture)
    for part in parts_of(own, within):
        found = [detail for source in sources if (detail := _detail(target, lost | ~known, part, source))]
        if found:
            yield part, max(found, key=lambda detail: detail.gain[part].mean()), target
