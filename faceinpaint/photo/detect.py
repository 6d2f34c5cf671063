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
TURNS = (0, -35, 35, 180, -90, 90)  # degrees by which a picture is turned until a face is surely seen, as a scan may be
SURE = 0.99  # of the detector's confidence: faces upside down are seen, as if upright, with up to 0.92
CLOSE_UP = Square((-45.0, -45.0), 268.0)  # a face with its surroundings, for a second look
CLOSE_UP_SIZES = (300, 402, 520)  # pixels: what the detector finds differs a little from size to size
NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
MIRRORED = [1, 0, 2, 4, 3]  # left and right of `NAMES` exchanged


def check_installed(
    asked="--align auto: finding faces",
    instead="eyes, --eyes X1,Y1,X2,Y2; or --align none for a picture cut as CelebA's are",
):
    """Raises `UserError`, saying what was `asked` and what to give `instead`, where mtcnn is not installed."""
    if not find_spec("mtcnn"):
        raise UserError(f"{asked} needs the package mtcnn: python -m pip install mtcnn==1.0.0; or give {instead}")


@cache
def _detector():
    with quiet_start():
        from mtcnn import MTCNN

        return MTCNN()


def _detected(picture) -> tuple[float, list[np.ndarray]]:
    """The landmarks [5, 2] of each face in `picture`, as `alignment.LANDMARKS` has them, the surest first, and the
    detector's confidence in that one, 0 where there is none."""
    faces = sorted(_detector().detect_faces(picture), key=lambda face: -face["confidence"])
    landmarks = [np.array([face["keypoints"][name] for name in NAMES], np.float64) for face in faces]
    return (faces[0]["confidence"] if faces else 0.0), landmarks


def _landmarks(picture) -> list[np.ndarray]:
    return _detected(picture)[1]


def _detected_turned(picture, degrees) -> tuple[float, list[np.ndarray]]:
    """What is `_detected` in `picture` when it is turned, in pixels of `picture`."""
    height, width = picture.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    back = cv2.invertAffineTransform(matrix)
    confidence, faces = _detected(cv2.warpAffine(picture, matrix, (side, side)))
    return confidence, [face @ back[:, :2].T + back[:, 2] for face in faces]


def _seen(picture) -> list[np.ndarray]:
    """The landmarks [5, 2] of each face in `picture`, turned as the surest one is seen best."""
    surest, faces = 0.0, []
    for degrees in TURNS:
        confidence, found = _detected_turned(picture, degrees) if degrees else _detected(picture)
        if confidence > surest:
            surest, faces = confidence, found
        if surest >= SURE:
            break
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
    Raises `UserError` without the package.
    """
    check_installed()
    scale = min(1.0, MAX_SIDE / max(hole.shape))
    side = [max(1, round(length * scale)) for length in hole.shape[::-1]]
    small = eight_bits(cv2.resize(pixels, side, interpolation=cv2.INTER_AREA))
    small_hole = cv2.resize(hole.astype(np.float32), side, interpolation=cv2.INTER_AREA) > 0
    factor = np.array(hole.shape[::-1]) / side
    return [(face + 0.5) * factor - 0.5 for face in _in_photo(small, small_hole, restorer)]
