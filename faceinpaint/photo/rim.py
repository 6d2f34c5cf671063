"""Where a hole meets its surroundings: what is thin, how far from the rim a pixel lies, and how both sides are joined.

Pictures are float32 [H, W, 3], holes bool [H, W].
"""

import cv2
import numpy as np

REACH = 2.0  # of the network's pixels: how far the surroundings' continuation reaches into a hole
SWEEPS = 6  # of Jacobi's method at each scale of the membrane
CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4


def depth(hole) -> np.ndarray:
    """Distance of each pixel of `hole` from the nearest known one, in pixels; 0 outside."""
    return cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)


def thick_part(hole, width) -> np.ndarray:
    """The part of `hole` that is at least `width` pixels wide: its opening by a disc (Serra 1982), and what is left of
    its outline. The rest is thin: scratches, cracks, dust."""
    core = depth(hole) > width / 2
    if not core.any():
        return np.zeros_like(hole)
    return hole & (depth(~core) <= width / 2 + 2)


def membrane(difference, known):
    """`difference` [H, W, 3], `known` where the bool [H, W] says so, carried on everywhere else as a membrane would
    lie: Δu = 0 (Pérez, Gangnet and Blake 2003, "Poisson image editing", eq. 5), from coarse to fine."""
    height, width = known.shape
    if known.all() or min(height, width) < 3:
        return np.where(known[..., None], difference, difference[known].mean(axis=0) if known.any() else 0)
    half = (width + 1) // 2, (height + 1) // 2
    share = cv2.resize(known.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(difference * known[..., None], half, interpolation=cv2.INTER_AREA)
    coarse = membrane(mean / np.maximum(share, 1e-6)[..., None], share > 0)
    lying = np.where(known[..., None], difference, cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    for _ in range(SWEEPS):
        smooth = cv2.filter2D(lying, -1, CROSS, borderType=cv2.BORDER_REPLICATE)
        lying = np.where(known[..., None], difference, smooth)
    return lying


def fitted(restored, photo, seen, pixel):
    """`restored` with its mismatch to the `photo` at the rim carried inwards.

    restored, photo: float32 [H, W, 3]; seen: where both are known, as at the rim, in [0, 1], float32 [H, W]; pixel: one
    of the network's, in these. The mismatch is read without the detail that the network cannot draw.
    """
    spread = 0.75 * pixel
    amount = cv2.GaussianBlur(seen, (0, 0), spread)[..., None]
    mismatch = cv2.GaussianBlur((photo - restored) * seen[..., None], (0, 0), spread) / np.maximum(amount, 1e-4)
    return restored + membrane(mismatch.astype(np.float32), seen > 0)


def joined(surroundings, restored, distance, pixel):
    """w * surroundings + (1 - w) * restored, w = exp(-(distance / t)²): at the rim what continues the surroundings,
    which fits; further in, the network's restoration, which knows faces. So a thin hole is all continuation.

    distance: from the rim, in photo pixels, [H, W]; pixel: one of the network's, in these; t is `REACH` of it.
    """
    share = np.exp(-np.square(np.minimum(distance / np.float32(REACH * pixel), 20)))[..., None]  # 0 from there on
    return share * surroundings + (1 - share) * restored
