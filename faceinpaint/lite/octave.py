"""An exported octave: the coarse network draws the whole picture, the fine one the part of it where the hole is.

Of a picture of twice the side the fine one draws once more, small parts of the hole alone, each by itself.
"""

import cv2
import numpy as np

MARGIN = 8  # pixels known on every side of the hole, where the picture has them


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


def restored(functions, image, mask):
    """The picture repaired, float32 [size, size, 3] in [-1, 1].

    functions: those of the exported file, by name; image: float32 [size, size, 3] in [-1, 1]; mask: float32 [size,
    size, 1], 1 = hole.
    """
    filled = functions["coarse"](image=image[None], mask=mask[None])["filled"][0]
    part = part_of(mask)
    height, width = (side.stop - side.start for side in part)
    fine = functions[f"fine_{height}_{width}"]
    generated = fine(image=filled[part][None], mask=mask[part][None])["generated"][0]
    filled[part] = np.where(mask[part] > 0, generated, filled[part])
    return filled


def twice_restored(functions, image, mask):
    """As `restored`, of a picture of twice the side: what is restored at half of it, enlarged, is the fill (as
    `fills.finer`), and the fine network draws each part of the hole that fits into half of the picture."""
    side = len(image) // 2
    pairs = (side, 2, side, 2, -1)
    halves = image.reshape(pairs).mean(axis=(1, 3)), mask.reshape(pairs).max(axis=(1, 3))
    filled = np.where(mask > 0, cv2.resize(restored(functions, *halves), image.shape[:2]), image)
    count, labels = cv2.connectedComponents(mask[..., 0].astype(np.uint8))
    for label in range(1, count):
        own = (labels == label)[..., None]
        rows, columns = (np.flatnonzero(own.any(axis=other)) for other in ((1, 2), (0, 2)))
        part = tuple(_span(holed, side * 2) for holed in (rows, columns))
        if max(one.stop - one.start for one in part) > side:
            continue
        drawn = functions[f"fine_{side}_{side}"](image=filled[part][None], mask=mask[part][None])["generated"][0]
        filled[part] = np.where(own[part], drawn, filled[part])
    return filled
