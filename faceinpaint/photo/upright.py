"""Which way round a face is: two eyes alone fit an upright face and the same turned by 180 degrees."""

import cv2
import numpy as np

from faceinpaint.classical import around
from faceinpaint.config import Config
from faceinpaint.photo.alignment import LANDMARKS, WHOLE_FRAME, Alignment, outside, resampled
from faceinpaint.photo.light import Levels

MIN_BELOW, MAX_BELOW, ASIDE = 8.0, 65.0, 26.0  # nose and mouth from the eyes' middle, pixels of the whole frame
MIN_SHOWN = 0.07  # of the network's picture is known of the 0.18 that are hidden, to tell anything from
PATIENCE = 0.75  # of the upright face's error: less makes a face upside-down that is upright as its eyes were given


def _nose_and_mouth(size):
    """Nose and mouth of a face and of the same face upside-down, bool [size, size]."""
    (x, y), side = LANDMARKS[:2].mean(axis=0), WHOLE_FRAME.side
    columns, rows = ((np.arange(size) + 0.5) * side / size - middle for middle in (x, y))
    below = (np.abs(rows) > MIN_BELOW) & (np.abs(rows) < MAX_BELOW)
    return below[:, None] & (np.abs(columns) < ASIDE)


def _error(pixels, hole, eyes, restorer):
    """Mean absolute error of the network's picture where a face has nose and mouth if it is one way round or the other,
    which were hidden from it; not a number where too little of that is known.

    Both are seen at no more than `Config.size` pixels: what is finer is drawn wrong either way.
    """
    drawn, alignment = restorer.config.size, Alignment.of(eyes)
    size = min(drawn, Config.size)
    near = around(hole, 4)
    hidden = resampled(hole[near], alignment.moved([side.start for side in near]), WHOLE_FRAME, size)
    mask = (hidden > 1e-4) | outside(hole.shape, alignment, WHOLE_FRAME, size)
    shown = _nose_and_mouth(size) & ~mask
    if shown.mean() < MIN_SHOWN:
        return np.nan
    cut = resampled(pixels, alignment, WHOLE_FRAME, size) * (255 / np.iinfo(pixels.dtype).max)
    cut = np.rint(np.clip(Levels.of(cut[~mask]).apply(cut), 0, 255)).astype(np.uint8)
    asked = [cv2.resize(x, (drawn, drawn), interpolation=cv2.INTER_NEAREST) for x in (cut, np.uint8(mask | shown))]
    restored = cv2.resize(restorer.restore(asked[0], asked[1] > 0), (size, size), interpolation=cv2.INTER_AREA)
    return np.abs(restored[shown].astype(float) - cut[shown]).mean()


def way_round(pixels, hole, landmarks, restorer) -> tuple[np.ndarray, bool]:
    """A face's eyes in the order of an upright face, left in its picture first, and its nose: [3, 2], (x, y); and
    whether it may as well be upside-down: it is drawn better so, but not by as much as `PATIENCE` asks for.

    Both ways round are tried: nose and mouth, and what would be nose and mouth, are hidden from the network, which was
    trained on upright faces and so draws them better in one. Where it hardly makes a difference the face is as upright
    as its photo. More than two landmarks say themselves which way round they are.

    Args:
        pixels: uint8 or uint16 [H, W, 3] RGB.
        hole: bool [H, W].
        landmarks: the eyes [2, 2], in any order; or with the nose [3, 2]; or all five [5, 2], as they are.
        restorer: an `Inpainter` or a `LiteInpainter`.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if len(landmarks) > 3:
        return landmarks, False
    eyes, turned = landmarks[:2], landmarks[1::-1]
    if len(landmarks) == 3:
        across, down = eyes[1] - eyes[0], landmarks[2] - eyes.mean(axis=0)
        eyes = eyes if across[0] * down[1] > across[1] * down[0] else turned
        return np.concatenate([eyes, landmarks[2:]]), False
    lying = abs(eyes[1] - eyes[0])
    usual = eyes if lying[0] < lying[1] or eyes[0, 0] <= eyes[1, 0] else turned
    patience = PATIENCE if usual is eyes and lying[0] >= lying[1] else 1.0
    errors = [_error(pixels, hole, order, restorer) for order in (usual, usual[::-1])]
    turn = errors[1] < patience * errors[0]
    return with_nose(usual[::-1] if turn else usual), bool(errors[1] < errors[0] and not turn)


def upright(pixels, hole, landmarks, restorer) -> np.ndarray:
    """The landmarks of `way_round`."""
    return way_round(pixels, hole, landmarks, restorer)[0]


def with_nose(eyes):
    """The eyes [2, 2], left in the upright picture first, and where the nose then is: [3, 2]."""
    alignment = Alignment.of(eyes)
    x, y = LANDMARKS[2]
    nose = alignment.turn * complex(x, y) + alignment.shift
    return np.concatenate([eyes, [[nose.real, nose.imag]]])
