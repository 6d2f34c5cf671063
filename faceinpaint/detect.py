"""Faces found in a photograph by MTCNN (Zhang et al. 2016), from the package mtcnn, which brings its own weights.

An optional extra: it needs TensorFlow, and so seconds to start. `--eyes` does without.
"""

from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np

from faceinpaint import baselines, quiet_start
from faceinpaint.alignment import Alignment, Frame, resampled
from faceinpaint.config import UserError

LONGEST = 1000  # pixels of the longer side of what is searched: faces of 1/50 of it are found, larger ones better
CLOSE_UP = Frame((-45.0, -45.0), 268.0)  # a face with its surroundings, for a second look
CLOSE_UP_SIZE = 402
NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


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


def _looked_at_again(picture, landmarks):
    """`landmarks` as they are found with the face turned upright and enlarged, where it is found so."""
    alignment = Alignment.of(landmarks)
    close_up = resampled(picture, alignment, CLOSE_UP, CLOSE_UP_SIZE)
    found = _landmarks(np.rint(close_up).astype(np.uint8))
    if not found:
        return landmarks
    matrix = alignment.matrix(CLOSE_UP, CLOSE_UP_SIZE)
    found = [face @ matrix[:, :2].T + matrix[:, 2] for face in found]
    return min(found, key=lambda face: np.linalg.norm(face - landmarks))


def find_faces(pixels, hole) -> list[np.ndarray]:
    """The five landmarks [5, 2], (x, y), of each face in a photo.

    pixels: uint8 or uint16 [H, W, 3] RGB; hole: bool [H, W], filled classically before the search, for damage hides
    faces.
    """
    scale = min(1.0, LONGEST / max(hole.shape))
    side = [max(1, round(length * scale)) for length in hole.shape[::-1]]
    small = cv2.resize(pixels, side, interpolation=cv2.INTER_AREA)
    if small.dtype == np.uint16:
        small = np.rint(small / 257).astype(np.uint8)
    small_hole = cv2.resize(hole.astype(np.float32), side, interpolation=cv2.INTER_AREA) > 0
    filled = baselines.telea(small[None], small_hole[None])[0]
    factor = np.array(hole.shape[::-1]) / side
    return [(_looked_at_again(filled, face) + 0.5) * factor - 0.5 for face in _landmarks(filled)]
