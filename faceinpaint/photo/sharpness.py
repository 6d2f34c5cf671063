"""The sharpness of a photograph taken over by what the network draws, which knows sharp faces better than blurred ones.

Pictures are float32 [S, S, 3] RGB, of the face's square.
"""

import cv2
import numpy as np

from faceinpaint.photo.light import LUMA

AGAIN = 2.0  # pixels: the blur that shows how much there is already
EDGES = 0.1  # of the pixels, those of the strongest gradient
MIN_EDGES = 30  # pixels with an edge, to tell anything from
NOTICED = 1.8  # times as blurred as what is drawn, or nothing is done
TAKEN = 0.75  # of the blur that is missing: edges have a width of their own, which counts as blur here


def blur_of(picture, where) -> float:
    """How blurred the edges of `picture` in the bool `where` are: the Gaussian's deviation in pixels; 0 where there are
    too few. An edge blurred by s and once more by t has its gradient divided by √(1 + t²/s²) (Zhuo and Sim 2011,
    "Defocus map estimation from a single image", eq. 5)."""
    luma = picture @ LUMA
    once, again = (_gradient(seen)[where] for seen in (luma, cv2.GaussianBlur(luma, (0, 0), AGAIN)))
    edges = np.argsort(once)[len(once) - int(EDGES * len(once)) :]
    if len(edges) < MIN_EDGES:
        return 0.0
    ratio = once[edges].sum() / max(again[edges].sum(), 1e-6)
    return float(AGAIN / np.sqrt(max(ratio**2 - 1, 1e-2)))


def _gradient(luma):
    return np.hypot(cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8))


def as_blurred(restored, photo, known):
    """`restored`, blurred where it is sharper than the known pixels of the `photo`.

    known: [S, S], 1 where the photo is known, 0 in the hole.
    """
    around, drawn = blur_of(photo, known > 0.99), blur_of(restored, known < 0.01)
    if not 0 < NOTICED * drawn < around:
        return restored
    return cv2.GaussianBlur(restored, (0, 0), TAKEN * float(np.sqrt(around**2 - drawn**2)))
