"""What is measured of a repaired photograph: in its hole, and of the whole picture."""

import cv2
import numpy as np

from faceinpaint.evaluation import mean_and_interval
from faceinpaint.photo.light import LUMA
from faceinpaint.pipeline import to_float

AT_ONCE = 20  # pictures


def psnr(image, restored, where) -> float:
    """dB, over the pixels of the bool `where`."""
    return float(10 * np.log10(255**2 / np.square(image[where].astype(float) - restored[where]).mean()))


def high_frequencies(image, restored, hole, sigma=0.0) -> float:
    """How much of the original's detail the hole holds: the power of the luma's Laplacian, a pixel from the rim, over
    that of `image`. sigma: of a Gaussian before it, in pixels, for pictures that are not sharp to the pixel."""
    inner = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    lumas = (np.float32(picture) @ LUMA for picture in (restored, image))
    smooth = (cv2.GaussianBlur(luma, (0, 0), sigma) if sigma else luma for luma in lumas)
    drawn, true = (np.square(cv2.Laplacian(luma, cv2.CV_32F)[inner]).sum() for luma in smooth)
    return float(drawn / true)


def perceived(images, restored, whole_metrics) -> dict[str, np.ndarray]:
    """Each of the `whole_metrics`, as `evaluation.perceptual` gives them, of N pictures uint8 [H, W, 3]: float [N]."""
    found = {name: [] for name in whole_metrics}
    for start in range(0, len(images), AT_ONCE):
        pair = [to_float(np.stack(pictures[start : start + AT_ONCE])) for pictures in (images, restored)]
        for name, metric in whole_metrics.items():
            found[name].append(np.asarray(metric(*pair)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def values(images, restored, holes, whole_metrics, sigma=0.0) -> dict[str, np.ndarray]:
    """psnr (dB, in the hole), the `whole_metrics` and high (`high_frequencies`) of each of N pictures uint8 [H, W, 3]
    with holes bool [H, W]: float [N]."""
    triples = list(zip(images, restored, holes, strict=True))
    return {
        "psnr": np.array([psnr(*one) for one in triples]),
        **perceived(images, restored, whole_metrics),
        "high": np.array([high_frequencies(*one, sigma) for one in triples]),
    }


def means(measured: dict) -> dict[str, list[float]]:
    """Each of `values` as [mean, low, high]."""
    return {name: mean_and_interval(np.asarray(value)) for name, value in measured.items()}
