"""Damage to faces in photographs, drawn at CelebA's own 178 pixels, and where and how it is measured."""

from functools import partial

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo.alignment import WHOLE_FRAME, Alignment, enlarged
from faceinpaint.photo.light import LUMA

ROWS, COLUMNS = np.indices((WHOLE_SIDE, WHOLE_SIDE))


def ellipse(x, y, across, down, shape=(WHOLE_SIDE, WHOLE_SIDE)):
    """The pixels inside an ellipse around (x, y) of these half-axes: bool [H, W]."""
    rows, columns = np.indices(shape)
    return ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 < 1


def lines(width, seed):
    """Four lines of `width` pixels with a bend each, drawn by `seed`: bool [178, 178]."""
    hole, rng = np.zeros((WHOLE_SIDE, WHOLE_SIDE), np.uint8), np.random.default_rng(seed)
    for _ in range(4):
        cv2.polylines(hole, [rng.integers(18, 160, (3, 2), np.int32)], False, 1, width)
    return hole.astype(bool)


def dust(seed):
    """Sixty specks of radius 1 or 2: bool [178, 178]."""
    hole, rng = np.zeros((WHOLE_SIDE, WHOLE_SIDE), np.uint8), np.random.default_rng(seed)
    for x, y, radius in rng.integers((0, 0, 1), (WHOLE_SIDE, WHOLE_SIDE, 3), (60, 3)):
        cv2.circle(hole, (int(x), int(y)), int(radius), 1, -1)
    return hole.astype(bool)


LEFT_EYE, RIGHT_EYE = ellipse(68.5, 89.5, 17, 12), ellipse(107.5, 89.5, 17, 12)
HOLES = {
    "one eye": LEFT_EYE,
    "half a mouth": ellipse(77, 132, 14, 13) & (COLUMNS < 89),
    "cheek and eye": (ROWS >= 60) & (ROWS < 150) & (COLUMNS >= 30) & (COLUMNS < 86),
    "left half": COLUMNS < 89,
    "both eyes": LEFT_EYE | RIGHT_EYE,
    "nose": ellipse(88, 107.5, 15, 20),
    "mouth": ellipse(88.5, 130.5, 24, 13),
    "centre": (ROWS >= 45) & (ROWS < 134) & (COLUMNS >= 45) & (COLUMNS < 134),
    "scratches": partial(lines, 3),
    "strokes": partial(lines, 12),
    "dust": dust,
}


def high_frequencies(image, restored, hole, sigma=1.0) -> float:
    """The power of what is finer than a Gaussian in the luma of `restored`, over that of `image`, in the hole."""
    luma = [np.float32(picture) @ LUMA for picture in (image, restored)]
    true, drawn = (np.square(picture - cv2.GaussianBlur(picture, (0, 0), sigma))[hole].sum() for picture in luma)
    return float(drawn / true)


def placed(face, rng):
    """A photo with `face` in it, 80 to 1,200 pixels wide and turned by up to 40 degrees: uint8 [S, S, 3]; how it lies
    there; and an eye, nose or mouth of it as a hole, bool [S, S]."""
    side, angle = np.exp(rng.uniform(np.log(80), np.log(1200))), np.deg2rad(rng.uniform(-40, 40))
    across = int(1.5 * side)
    turn = side / WHOLE_SIDE * np.exp(1j * angle)
    where = Alignment(turn, (0.5 + 0.5j) * across - turn * (0.5 + 0.5j) * WHOLE_SIDE)
    box = (0, 0, across, across)
    hole = list(HOLES.values())[rng.choice([0, 5, 6])].astype(np.float32)
    hole = enlarged(np.repeat(hole[..., None], 3, axis=-1), where, WHOLE_FRAME, box)[..., 0] > 0.5
    return np.rint(np.clip(enlarged(face, where, WHOLE_FRAME, box), 0, 255)).astype(np.uint8), where, hole


def around(hole):
    """Two slices: the hole's box, wider by three quarters of it on each side."""
    left, top, width, height = cv2.boundingRect(hole.view(np.uint8))
    beyond = 3 * height // 4, 3 * width // 4
    return np.s_[
        max(0, top - beyond[0]) : top + height + beyond[0], max(0, left - beyond[1]) : left + width + beyond[1]
    ]
