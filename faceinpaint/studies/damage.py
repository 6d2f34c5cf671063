"""Damage to faces in photographs, drawn at CelebA's own 178 pixels."""

from functools import partial

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo.alignment import LANDMARKS, WHOLE_FRAME, Alignment, enlarged
from faceinpaint.photo.light import LUMA

WHOLE = (WHOLE_SIDE, WHOLE_SIDE)
LEFT, RIGHT = (69, 91), (108, 91)  # the eyes in the whole frame


def ellipse(centre, axes, shape=WHOLE):
    """bool of `shape`; centre: (x, y); axes: half of its width and height."""
    hole = np.zeros(shape, np.uint8)
    return cv2.ellipse(hole, centre, axes, 0, 0, 360, 1, -1).astype(bool)


def rectangle(top, bottom, left, right):
    """Rows from `top` to before `bottom`, columns alike: bool [178, 178]."""
    hole = np.zeros(WHOLE, bool)
    hole[top:bottom, left:right] = True
    return hole


def lines(seed, width, side=WHOLE_SIDE):
    """Four straight lines of `width` pixels, drawn by `seed` in a face of `side` pixels: bool [side, side]."""
    hole, scale = np.zeros((side, side), np.uint8), side / WHOLE_SIDE
    rng = np.random.default_rng(seed)
    for _ in range(4):
        start = rng.integers(20, 158, 2)
        end = start + rng.integers(-90, 91, 2)
        cv2.line(hole, *((int(x * scale), int(y * scale)) for x, y in (start, end)), 1, width)
    return hole.astype(bool)


def specks(seed, count, radius, shape=WHOLE):
    """`count` specks of radius 1 to `radius`, drawn by `seed`: bool of `shape`."""
    hole, rng = np.zeros(shape, np.uint8), np.random.default_rng(seed)
    for _ in range(count):
        x, y, size = rng.integers((0, 0, 1), (shape[1], shape[0], radius + 1))
        cv2.circle(hole, (int(x), int(y)), int(size), 1, -1)
    return hole.astype(bool)


LEFT_EYE, RIGHT_EYE = (ellipse(eye, (17, 12)) for eye in (LEFT, RIGHT))
# What is lost of a face, bool [178, 178], or a function that draws it by the face's number.
HOLES = {
    "one eye": LEFT_EYE,
    "half a mouth": ellipse((77, 132), (14, 13)) & (np.arange(WHOLE_SIDE) < 89),
    "cheek and eye": rectangle(60, 150, 30, 86),
    "left half": rectangle(0, WHOLE_SIDE, 0, 89),
    "both eyes": LEFT_EYE | RIGHT_EYE,
    "nose": ellipse((88, 114), (15, 20)),
    "mouth": ellipse((89, 132), (24, 13)),
    "centre": rectangle(44, 133, 44, 133),
    "scratches": partial(lines, width=3),
    "strokes": partial(lines, width=12),
    "dust": partial(specks, count=60, radius=2),
}


def holes(name: str, count: int) -> list[np.ndarray]:
    """The hole `name` of `HOLES` in the first `count` faces."""
    hole = HOLES[name]
    return [hole(number) if callable(hole) else hole for number in range(count)]


def placed(face, rng):
    """A photo with `face` in it, 80 to 1,200 pixels wide and turned by up to 40 degrees: uint8 [S, S, 3]; how it lies
    there; and an eye, nose or mouth of it as a hole, bool [S, S]."""
    side, angle = np.exp(rng.uniform(np.log(80), np.log(1200))), np.deg2rad(rng.uniform(-40, 40))
    across = int(1.5 * side)
    turn = side / WHOLE_SIDE * np.exp(1j * angle)
    where = Alignment(turn, (0.5 + 0.5j) * across - turn * (0.5 + 0.5j) * WHOLE_SIDE)
    box = (0, 0, across, across)
    hole = HOLES[("one eye", "nose", "mouth")[rng.integers(3)]].astype(np.float32)
    hole = enlarged(np.repeat(hole[..., None], 3, axis=-1), where, WHOLE_FRAME, box)[..., 0] > 0.5
    return np.rint(np.clip(enlarged(face, where, WHOLE_FRAME, box), 0, 255)).astype(np.uint8), where, hole


def old_print(face):
    """A photo, uint8 [680, 900, 3], with `face` in it, uint8 [178, 178, 3], enlarged and turned by 17 degrees: brown,
    faded, with grain; and where its eyes are, (x, y) [2, 2]."""
    width, height = 900, 680
    turn = cv2.getRotationMatrix2D((WHOLE_SIDE / 2,) * 2, 17, 2.6)
    turn[:, 2] += (320, 230)
    sharp = cv2.warpAffine(face, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.erode(cv2.warpAffine(np.ones(WHOLE), turn, (width, height)), np.ones((41, 41)))
    share = cv2.GaussianBlur(inside, (0, 0), 14)[..., None]  # the face's own edges fade into a blurred ground
    photo = share * sharp + (1 - share) * cv2.GaussianBlur(sharp, (0, 0), 25)
    brown = (photo @ LUMA)[..., None] * [0.55, 0.47, 0.36] + [95, 80, 62]
    grain = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 12, (height, width)), (0, 0), 0.8)[..., None]
    eyes = (LANDMARKS[:2] - 0.5) @ turn[:, :2].T + turn[:, 2]
    return np.uint8(np.clip(brown + grain, 0, 255)), eyes


def around(hole):
    """Two slices: the hole's box, wider by three quarters of it on each side."""
    left, top, width, height = cv2.boundingRect(hole.view(np.uint8))
    beyond = 3 * height // 4, 3 * width // 4
    return np.s_[
        max(0, top - beyond[0]) : top + height + beyond[0], max(0, left - beyond[1]) : left + width + beyond[1]
    ]
