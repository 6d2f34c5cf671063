"""Faces found in a photograph by MTCNN (Zhang et al. 2016), from the package mtcnn, which brings its own weights.

An optional extra: it needs TensorFlow, and so seconds to start. `--eyes` does without.
"""

from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np

from faceinpaint import baselines
from faceinpaint.config import UserError
from faceinpaint.photo.alignment import Alignment, Square, resampled
from faceinpaint.photo.classical import eight_bits
from faceinpaint.photo.repair import restore_photo
from faceinpaint.system.stderr import quiet_start

MAX_SIDE = 1000  # pixels of the longer side of what is searched: faces of 1/50 of it are found, larger ones better
TURNS = (-35, 35, 180, -90, 90)  # degrees by which a picture is turned where no face is seen in it, as a scan may be
CLOSE_UP = Square((-45.0, -45.0), 268.0)  # a face with its surroundings, for a second look
CLOSE_UP_SIZES = (300, 402, 520)  # pixels: what the detector finds differs a little from size to size
NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
MIRRORED = [1, 0, 2, 4, 3]  # left and right of `NAMES` exchanged


def check_installed():
    if not find_spec("mtcnn"):
        raise UserError(
            "--align auto: finding faces needs the package mtcnn: python -m pip install mtcnn==1.0.0; or give eyes, "
            "--eyes X1,Y1,X2,Y2; or --align none for a picture cut as CelebA's are"
        )


@cache
def _detector():
    with quiet_start():
        from mtcnn import MTCNN

        return MTCNN()


def _landmarks(picture) -> list[np.ndarray]:
    """The landmarks [5, 2] of each face in `picture`, as `alignment.LANDMARKS` has them; the surest first."""
    faces = sorted(_detector().detect_faces(picture), key=lambda face: -face["confidence"])
    return [np.array([face["keypoints"][name] for name in NAMES], np.float64) for face in faces]


def _landmarks_turned(picture, degrees) -> list[np.ndarray]:
    """The `_landmarks` seen in `picture` when it is turned, in pixels of `picture`."""
    height, width = picture.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    back = cv2.invertAffineTransform(matrix)
    return [face @ back[:, :2].T + back[:, 2] for face in _landmarks(cv2.warpAffine(picture, matrix, (side, side)))]


def _seen(picture) -> list[np.ndarray]:
    """The landmarks [5, 2] of each face in `picture`, turned where none is seen otherwise."""
    faces = _landmarks(picture)
    for degrees in TURNS:
        faces = faces or _landmarks_turned(picture, degrees)
    return faces


def _views(picture, alignment):
    """The face at `alignment` upright, in several sizes and mirrored: yields the landmarks [5, 2] found in each, in
    pixels of `picture`."""
    for size in CLOSE_UP_SIZES:
        close_up = np.rint(resampled(picture, alignment, CLOSE_UP, size)).astype(np.uint8)
        found = _landmarks(close_up)
        for face in _landmarks(np.ascontiguousarray(close_up[:, ::-1])):
            found.append((face * (-1, 1) + (size - 1, 0))[MIRRORED])
        matrix = alignment.matrix(CLOSE_UP, size)
        yield from (face @ matrix[:, :2].T + matrix[:, 2] for face in found)


def _looked_at_again(picture, landmarks):
    """`landmarks` as the middle of what several close-ups of that face show."""
    eyes_apart = np.linalg.norm(landmarks[1] - landmarks[0])
    views = [face for face in _views(picture, Alignment.of(landmarks))
             if np.linalg.norm(face.mean(axis=0) - landmarks.mean(axis=0)) < eyes_apart]  # fmt: skip
    return np.median(views, axis=0) if views else landmarks


def _in_photo(pixels, hole, restorer):
    """`find_faces` in a picture of at most `MAX_SIDE` pixels, uint8."""
    filled = baselines.biharmonic(pixels, hole)
    return [
        _looked_at_again(restore_photo(pixels, hole, restorer, [face], other_half=False)[0], face)
        for face in _seen(filled)
    ]


def find_faces(pixels, hole, restorer) -> list[np.ndarray]:
    """The five landmarks [5, 2], (x, y), of each face in a photo.

    Damage hides faces. So the hole is filled classically before the first look, and, before a closer look at each face,
    restored as that found it.

    pixels: uint8 or uint16 [H, W, 3] RGB; hole: bool [H, W]; restorer: an `Inpainter` or a `LiteInpainter`.
    """
    scale = min(1.0, MAX_SIDE / max(hole.shape))
    side = [max(1, round(length * scale)) for length in hole.shape[::-1]]
    small = eight_bits(cv2.resize(pixels, side, interpolation=cv2.INTER_AREA))
    small_hole = cv2.resize(hole.astype(np.float32), side, interpolation=cv2.INTER_AREA) > 0
    factor = np.array(hole.shape[::-1]) / side
    return [(face + 0.5) * factor - 0.5 for face in _in_photo(small, small_hole, restorer)]
