"""Detail for a repaired part from where it is still to be seen: the face's other half, or another photo of the person.

The network decides what goes where, its colour and its light. A known place that fits gives what is finer:
    1. each source is laid into the face's whole frame, mirrored where it is the other half      (Source.framed)
    2. another photo that shows no face like this one is left alone                              (shows_face)
    3. each part of the hole is found again in it                                                (registration)
    4. where both do not agree, or their surroundings are not alike, nothing is carried over     (agreement, alike)
    5. bands finer than light become the source's, the finest wholly, the coarser ones in part   (shares, added)
Pictures of the whole frame are float32 [178, 178, 3] in [0, 255], or [178, 178] of one value, and lengths its pixels:
the eyes are 39 apart. No TensorFlow here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo import classical, rim
from faceinpaint.photo.alignment import LANDMARKS, WHOLE_FRAME, Alignment, outside, resampled
from faceinpaint.photo.light import LUMA
from faceinpaint.photo.registration import LARGE, MIN_KNOWN, at, correlation, registered

THIN = 0.3  # of a pixel damaged: as much is filled well enough to be looked at
THICK = 11.0  # what is narrower is better continued from its surroundings
NEAR = 12.0  # of an eye or a corner of the mouth: there only a scratch is too narrow; an eye's opening is 9 high
SCRATCH = 4.0  # what is narrower
FACE = 38.0  # around the nose: what shows a face is eyes, nose and mouth
MIN_LIKENESS = 0.3  # the correlation of both faces there: see `shows_face`
NARROW = 8.5  # distance from the rim that nine tenths of a narrow part, such as a stroke, do not reach
MIN_PART = 50  # pixels of a part of the hole: in a smaller one, a speck, there is nothing to fit
FINEST, LIGHT = 1.4, 10.0  # Gaussians: what is finer is unknown to the network, what is coarser is light
FITTED = {"narrow": 4.0, "small": 4.0, "large": 7.0}  # a Gaussian: the coarsest that is fitted
AGREE_WINDOW, BY_CHANCE = 3.0, 10.0  # a Gaussian; squared levels
AGREE = {"narrow": (0.5, 1.0), "small": (0.1, 0.7), "large": (0.2, 0.8)}  # from no to full agreement
ALIKE_WINDOW, GRAIN = 6.0, 0.05  # a Gaussian; squared levels
ALIKE = (0.4, 0.8)  # from no to full likeness
BANDS = (FINEST, 2.5, 4.0, 8.0)  # Gaussians: a band is what one leaves of the one before
CARRIED = (1.0, 0.6, 0.7, 0.7)  # how much of each band is replaced, the finest first
TRUST = (1.0, 1.0, 2.0, 2.0)  # the power of the agreement that this takes
FADE = 1.2  # from the rim inwards
FITS = 0.2  # of full agreement: a worse fit is not worth a word, nor is another photo


def _blur(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def _band(picture, fine, coarse):
    """The luma of `picture` between two Gaussians."""
    luma = picture @ LUMA
    return _blur(luma, fine) - _blur(luma, coarse)


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
        name: what the user calls it; None for the photo that is repaired. Another one's colour stays behind.
    """

    photo: np.ndarray
    hole: np.ndarray
    alignment: Alignment
    mirrored: bool
    name: str | None = None

    @cached_property
    def framed(self):
        """The face in its whole frame, and which of the frame's pixels are known, bool [178, 178]."""
        turn = slice(None, None, -1 if self.mirrored else 1)
        where = self.alignment, WHOLE_FRAME, WHOLE_SIDE
        picture = resampled(self.photo, *where) * np.float32(255 / np.iinfo(self.photo.dtype).max)
        known = ~outside(self.hole.shape, *where) & (resampled(self.hole, *where) <= THIN)
        return np.ascontiguousarray(picture[:, turn]), np.ascontiguousarray(known[:, turn])

    def sampled(self, x, y):
        """The photo at the frame's pixels `x`, `y`, float32 [H, W] each: float32 [H, W, 3] in [0, 255]."""
        x = WHOLE_SIDE - 1 - x if self.mirrored else x
        matrix = self.alignment.matrix(WHOLE_FRAME, WHOLE_SIDE).astype(np.float32)
        column, row = (line[0] * x + line[1] * y + line[2] for line in matrix)
        return classical.as_float(cv2.remap(self.photo, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))

    def less(self, there, here):
        """`there`, of this source, less `here`, what is restored; of another photo the luma alone."""
        difference = there - here
        return difference if self.name is None else np.repeat((difference @ LUMA)[..., None], 3, axis=-1)


@dataclass(frozen=True)
class Detail:
    """What a `source` can give to a `part` of the hole, bool [178, 178]: where to look in it, x and y, and how far to
    trust it, the gain in [0, 1], float32 [178, 178] each; fit: the gain of the part, each place by what is drawn there.
    """

    part: np.ndarray
    source: Source
    x: np.ndarray
    y: np.ndarray
    gain: np.ndarray
    fit: float


def discs(points, reach):
    """Which of the frame's pixels lie within `reach` of one of the `points` (x, y) [N, 2]: bool [178, 178]."""
    rows, columns = np.indices((WHOLE_SIDE, WHOLE_SIDE))[..., None] + 0.5
    return (np.hypot(columns - points[:, 0], rows - points[:, 1]) <= reach).any(axis=-1)


def worth_detail(own, within: Alignment):
    """What of `own`, bool [H, W], its surroundings continue worse than a partner does: what is `THICK`, or `NEAR` an
    eye or a corner of the mouth and no scratch."""
    near = discs(np.delete(LANDMARKS, 2, axis=0), NEAR).view(np.uint8)
    near = cv2.warpAffine(near, within.matrix(WHOLE_FRAME, WHOLE_SIDE), own.shape[::-1], flags=cv2.INTER_NEAREST)
    thick, scratched = (rim.thick_part(own, width * abs(within.turn)) for width in (THICK, SCRATCH))
    return thick | scratched & near.view(bool)


def shows_face(target, shown, source: Source) -> bool:
    """Whether `source` has a face like the `target`'s, a picture of the frame, `shown` where the bool [178, 178] says
    so, drawn or known: another person's mostly has, a cup or a wall has not."""
    picture, known = source.framed
    bands = (_band(face, FINEST, LIGHT) for face in (target, picture))
    return correlation(*bands, known, shown & discs(LANDMARKS[2:3], FACE)) > MIN_LIKENESS


def extent(part) -> str:
    """narrow, small or large: how much `part` leaves to the network."""
    if np.quantile(rim.depth(part)[part], 0.9) < NARROW:
        return "narrow"
    return "small" if part.sum() <= LARGE else "large"


def agreement(target, source, limits):
    """(2 <ts> + c) / (<t²> + <s²> + c) around each pixel, from 0 to 1 between the `limits`: SSIM's contrast and
    structure (Wang et al. 2004, eq. 13) of bands, which have no mean. c is `BY_CHANCE`. And the denominator: how much
    is drawn there."""
    both, drawn = _blur(target * source, AGREE_WINDOW), _blur(target**2 + source**2, AGREE_WINDOW) + BY_CHANCE
    return _ramp((2 * both + BY_CHANCE) / drawn, limits), drawn


def alike(target, source, known):
    """Whether the known surroundings of each pixel are as rough in `target` as in `source`, from 0 to 1 between
    the limits of `ALIKE`: hair and ground are rougher than skin.

    target, source: pictures; known: in both, bool [178, 178].
    """
    fine = [picture @ LUMA - _blur(picture @ LUMA, FINEST) for picture in (target, source)]
    here, there = (_blur(known * rough**2, ALIKE_WINDOW) + GRAIN for rough in fine)
    return _ramp(np.sqrt(here / there), ALIKE)


def shares(difference, gain):
    """What is to be added in the frame and at the photo's resolution.

    With D the `difference` of source and restoration [178, 178, 3], D_k its Gaussians of `BANDS`, D_0 = D, g the `gain`
    [178, 178], w `CARRIED` and p `TRUST`, the detail is the sum over k of w_k g^p_k (D_k - D_k+1): the bands of a
    Laplacian pyramid (Burt and Adelson 1983). Only D itself needs the photo's resolution. Returns its factor w_0 g^p_0,
    and the rest of the sum.
    """
    weights = [carried * gain**power for carried, power in zip(CARRIED, TRUST, strict=True)]
    smooth = [_blur(difference, sigma) for sigma in BANDS]
    rest = -weights[0][..., None] * smooth[0]
    for weight, fine, coarse in zip(weights[1:], smooth, smooth[1:], strict=False):
        rest += weight[..., None] * (fine - coarse)
    return weights[0], rest


def detail_of(part, lost, target, source: Source) -> Detail | None:
    """What `source` gives to `part` of what is `lost` in `target`, a picture of the frame; None where it shows too
    little of it."""
    picture, known = source.framed
    if known[part].mean() < MIN_KNOWN:
        return None
    size = extent(part)
    coarse = FITTED[size]
    x, y = registered(_band(target, FINEST, coarse), _band(picture, FINEST, coarse), known, part)
    there, seen = at(picture, x, y), at(np.float32(known), x, y) > 0.99
    gain, drawn = agreement(_band(target, FINEST, LIGHT), _band(there, FINEST, LIGHT), AGREE[size])
    gain *= alike(target, there, ~lost & seen) * np.clip(rim.depth(seen) / FADE, 0, 1)
    fit = float(np.average(gain[part], weights=drawn[part]))
    return Detail(part, source, x, y, gain * cv2.dilate(part.view(np.uint8), None, iterations=2), fit)


def added(restored, own, within: Alignment, detail: Detail, target):
    """Adds the `detail` to `restored`, float32 [H, W, 3], in `own`, bool [H, W], in place, square by square.

    within: the face's alignment in these pixels; target: `restored` in the frame. See `shares`.
    """
    source = detail.source
    factor, rest = shares(source.less(at(source.framed[0], detail.x, detail.y), target), detail.gain)
    fade = np.clip(rim.depth(own) / np.float32(FADE * abs(within.turn)), 0, 1)
    reached = cv2.warpAffine(detail.gain, within.matrix(WHOLE_FRAME, WHOLE_SIDE), own.shape[::-1]) > 0
    for tile, _ in classical.tiles(own & reached):
        tile = tuple(slice(*side.indices(length)[:2]) for side, length in zip(tile, own.shape, strict=True))
        x, y = (axis - np.float32(0.5) for axis in within.grid(tile))
        there = source.sampled(at(detail.x, x, y), at(detail.y, x, y))
        fine = at(factor, x, y)[..., None] * source.less(there, restored[tile])
        restored[tile] += fade[tile][..., None] * (fine + at(rest, x, y))


def parts_of(lost) -> Iterator[np.ndarray]:
    """The connected parts of `lost`, bool [178, 178], that are large enough."""
    count, labels = cv2.connectedComponents(lost.view(np.uint8))
    for label in range(1, count):
        if (labels == label).sum() >= MIN_PART:
            yield labels == label


def with_detail(restored, own, within: Alignment, here: Source, sources) -> list[Detail]:
    """Adds detail to what is `restored`, in place: to each part of the hole from that of the `sources` which fits best.

    Args:
        restored: float32 [H, W, 3] in [0, 255], a part of the photo.
        own: what is restored of it, bool [H, W].
        within: the face's alignment in that part.
        here: the photo that is repaired, not mirrored, with all its hole.
        sources: where detail may come from.

    Returns:
        What was added: nothing where no source shows the place.
    """
    hidden = resampled(own, within, WHOLE_FRAME, WHOLE_SIDE) > 1e-4
    own = worth_detail(own, within)
    worth = resampled(own, within, WHOLE_FRAME, WHOLE_SIDE) > 1e-4
    picture, known = here.framed
    target = np.where(hidden[..., None], resampled(restored, within, WHOLE_FRAME, WHOLE_SIDE), picture)
    sources = [one for one in sources if one.name is None or shows_face(target, known | hidden, one)]
    found = []
    for part in parts_of(worth & ~outside(own.shape, within, WHOLE_FRAME, WHOLE_SIDE)):
        details = [detail for source in sources if (detail := detail_of(part, ~known | hidden, target, source))]
        best = max(details, key=lambda detail: detail.fit, default=None)
        if best and (best.source.name is None or best.fit > FITS):
            added(restored, own, within, best, target)
            found.append(best)
    return found
