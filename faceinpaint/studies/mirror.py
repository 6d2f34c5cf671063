"""The paper's claim against the symmetric crop: about the picture's middle, and about the axis that fits each face."""

import cv2
import numpy as np

from faceinpaint.baselines import MID_GREY, symmetric_crop
from faceinpaint.classical import inpainted
from faceinpaint.contract import checked
from faceinpaint.evaluation import Restore
from faceinpaint.studies.other_half import upright_repaired

# Where the mirror's axis is looked for: turned by these degrees, moved by these shares of the picture's width; then
# twice around the best, in steps of a quarter.
TURNS, SHIFTS = np.linspace(-5.0, 5.0, 7), np.linspace(-0.05, 0.05, 9)
SEARCHED = 64  # pixels: larger pictures are searched at this side
NEAR = 2.0  # of these pixels, the deviation of the weights around the hole: further off the fit is worse in LPIPS
MIN_SHARE = 0.4  # of the picture that must be known on both sides for an axis to count


def ways(restorer) -> dict[str, Restore]:
    """What is compared, by name: functions of (images uint8 [N, 178, 178, 3], masks [N, 178, 178, 1]) that return
    restored images. network: as a photograph is restored, without its other half; symmetric_crop: that half, mirrored;
    fitted_crop: the same, about the axis that fits;
    both: the network decides what goes where, the other half gives detail.

    restorer: an `Inpainter` or a `LiteInpainter`.
    """

    def photographs(other_half):
        def restore(images, masks):
            pairs = zip(images, masks[..., 0] > 0, strict=True)
            return np.stack([upright_repaired(*pair, restorer, other_half=other_half) for pair in pairs])

        return restore

    crops = {"symmetric_crop": symmetric_crop, "fitted_crop": fitted_crop}
    return {"network": photographs(False), **crops, "both": photographs(True)}


def reflection(turn, shift, side):
    """The matrix [2, 3] that reflects pixels about an axis: the vertical line through the middle of a square of `side`
    pixels, turned by `turn` degrees about its middle and moved by `shift` times the side."""
    normal = np.array([np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))])
    middle = np.array([(0.5 + shift) * side, 0.5 * side]) - 0.5
    mirror = np.eye(2) - 2 * np.outer(normal, normal)
    return np.column_stack([mirror, middle - mirror @ middle])


def _mirrored(picture, axis):
    """`picture` float32 [S, S, C] reflected about `axis`, (turn, shift); 0 comes in from outside."""
    side = len(picture)
    return cv2.warpAffine(picture, reflection(*axis, side), (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _misfit(picture, known, near, axis):
    """Mean absolute difference, summed over colours, of what is known on both sides of `axis`, weighted by `near`;
    infinite where that is too little."""
    both = known * (_mirrored(known, axis) > 0.999)
    if both.mean() < MIN_SHARE:
        return np.inf
    both = both * near
    return float((both[..., None] * np.abs(_mirrored(picture, axis) - picture)).sum() / both.sum())


def best_axis(image, hole) -> tuple[float, float]:
    """The mirror's axis, (turn, shift), about which the known pixels around the hole fit best.

    image: uint8 [S, S, 3]; hole: bool [S, S]. Where too little is known on both sides, as in half a face: the picture's
    middle.
    """
    side = min(SEARCHED, len(image))
    picture, known = (
        cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA) for x in (np.float32(image), np.float32(~hole))
    )
    known, best, axes = np.float32(known > 0.999), (0.0, 0.0), [(t, s) for t in TURNS for s in SHIFTS]
    near = np.exp(-((cv2.distanceTransform(np.uint8(known), cv2.DIST_L2, 5) / NEAR) ** 2) / 2)
    for finer in (0.25, 0.0625, 0.0):
        best = min([best, *axes], key=lambda axis: _misfit(picture, known, near, axis))
        axes = [(best[0] + finer * t, best[1] + finer * s) for t in TURNS for s in SHIFTS]
    return best


def fitted_crop(images, masks):
    """As `baselines.symmetric_crop`, the axis of each face being that of `best_axis`: fair to heads that are turned a
    little or not in the middle."""
    images, masks, single = checked(images, masks)
    restored = np.stack([_cropped(image, hole) for image, hole in zip(images, masks[..., 0] > 0, strict=True)])
    return restored[0] if single else restored


def _cropped(image, hole):
    if hole.all() or not hole.any():
        return np.where(hole[..., None], np.uint8(MID_GREY), image)
    axis = best_axis(image, hole)
    mirrored, known = _mirrored(np.float32(image), axis), _mirrored(np.float32(~hole), axis) > 0.999
    filled = np.where(known[..., None], np.rint(mirrored), inpainted(image, hole, cv2.INPAINT_NS))
    return np.where(hole[..., None], filled, image).astype(np.uint8)
