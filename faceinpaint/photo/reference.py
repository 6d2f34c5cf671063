"""Another photo of the same person, from which detail may come. No TensorFlow here."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo.alignment import Alignment
from faceinpaint.photo.classical import as_float, as_pixels
from faceinpaint.photo.light import LUMA
from faceinpaint.photo.other_half import Source

MIDDLE = np.s_[WHOLE_SIDE // 4 : -WHOLE_SIDE // 8, WHOLE_SIDE // 4 : -WHOLE_SIDE // 4]  # of the frame: mostly skin
CONTRAST = (0.5, 2.0)  # between what factors the reference's contrast may be changed


@dataclass(frozen=True, eq=False)
class Reference:
    """A photo that shows the person.

    Attributes:
        pixels: uint8 or uint16 [H, W, 3] RGB.
        landmarks: of the face in it, its eyes [2, 2] or all five [5, 2], as `restore_photo` takes them.
        name: what notes call it.
    """

    pixels: np.ndarray
    landmarks: np.ndarray
    name: str


@lru_cache(maxsize=8)  # in `paint`, each stroke asks for the same
def _no_finer(reference: Reference, pixel: float) -> Source:
    """The `reference` as a source, reduced where it has more than `pixel` pixels for one of the whole frame, as many as
    the photo that is repaired has."""
    pixels, alignment = reference.pixels, Alignment.of(reference.landmarks)
    scale = min(1.0, pixel / abs(alignment.turn))
    height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
    factors = np.array([width, height]) / pixels.shape[1::-1]
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    alignment = Alignment.of((np.asarray(reference.landmarks) + 0.5) * factors - 0.5)
    return Source(pixels, np.zeros((height, width), bool), alignment, mirrored=False, name=reference.name)


def sources_of(reference: Reference, here: Source) -> list[Source]:
    """The `reference` straight and mirrored, with the contrast and the brightness that the face has `here`: the mean
    and the deviation of the luma in the middle of it (Reinhard et al. 2001, "Color transfer between images")."""
    source = _no_finer(reference, abs(here.alignment.turn))
    (wanted, known), (picture, shown) = here.framed, source.framed
    both = (known & shown)[MIDDLE]
    if not both.any():
        return []
    (mean, deviation), (own, spread) = (
        (luma.mean(), luma.std()) for luma in (p[MIDDLE][both] @ LUMA for p in (wanted, picture))
    )
    factor = np.clip(deviation / max(spread, 1), *CONTRAST)
    source = replace(source, photo=as_pixels((as_float(source.photo) - own) * factor + mean, source.photo.dtype))
    return [source, replace(source, mirrored=True)]
