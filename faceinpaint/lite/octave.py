"""An exported octave: the coarse network draws the whole picture, the fine one the part of it where the hole is.

Of a picture of twice the side the fine one draws once more, small parts of the hole alone, each by itself.
"""

import cv2
import numpy as np

MARGIN = 8  # pixels known on every side of the hole, where the picture has them
MAX_PARTS = 8  # parts of a hole that are drawn twice as large: each takes a network's time, and there may be thousands


def part_of(mask) -> tuple[slice, slice]:
    """The rows and columns of `mask` [size, size, 1] that the fine network draws: half of them, or all, each way.

    Half where the hole and a `MARGIN` fit in: a patch as in training.
    """
    return tuple(_span(np.flatnonzero(mask.any(axis=other)), len(mask)) for other in ((1, 2), (0, 2)))


def _span(holed, size) -> slice:
    """holed: the rows or columns that have some hole, in order."""
    half = size // 2
    if not len(holed) or holed[-1] - holed[0] >= half - 2 * MARGIN:
        return slice(0, size) if len(holed) else slice(0, half)
    start = int(np.clip((holed[0] + holed[-1] + 1 - half) // 2, 0, size - half))
    return slice(start, start + half)


def _draw(functions, filled, mask, own, part):
    """Puts into the picture `filled`, in place, what the fine network draws in its `part`, where `own` is not 0."""
    height, width = (side.stop - side.start for side in part)
    fine = functions[f"fine_{height}_{width}"]
    generated = fine(image=filled[part][None], mask=mask[part][None])["generated"][0]
    filled[part] = np.where(own[part] > 0, generated, filled[part])


def restored(functions, image, mask):
    """The picture repaired, float32 [size, size, 3] in [-1, 1].

    functions: those of the exported file, by name; image: float32 [size, size, 3] in [-1, 1]; mask: float32 [size,
    size, 1], 1 = hole.
    """
    filled = functions["coarse"](image=image[None], mask=mask[None])["filled"][0]
    _draw(functions, filled, mask, mask, part_of(mask))
    return filled


def twice_restored(functions, image, mask):
    """As `restored`, of a picture of twice the side: what is restored at half of it, enlarged, is the fill (as
    `fills.finer`), and the fine network draws the `MAX_PARTS` largest parts of the hole that fit into half of the
    picture.
    """
    side = len(image) // 2
    pairs = (side, 2, side, 2, -1)
    halves = image.reshape(pairs).mean(axis=(1, 3)), mask.reshape(pairs).max(axis=(1, 3))
    filled = np.where(mask > 0, cv2.resize(restored(functions, *halves), image.shape[:2]), image)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask[..., 0].astype(np.uint8))
    largest = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_PARTS]
    for label in np.sort(largest):
        own = (labels == label)[..., None]
        part = part_of(own)
        if max(one.stop - one.start for one in part) == side:
            _draw(functions, filled, mask, own, part)
    return filled
