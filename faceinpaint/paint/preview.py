"""A photograph and its restored face as the screen shows them while a mask is drawn: small, and so at once. Pure
functions from arrays to arrays; no window, no TensorFlow."""

from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.paint.painting import Painting, View
from faceinpaint.photo.alignment import Alignment, Frame
from faceinpaint.photo.restore import restore_photo

LONGEST = 256  # pixels of what is restored for the screen; the network's own picture is smaller
AROUND = 16  # of these, around a hole
BACKDROP, INK, FAINT = 38, (240, 240, 240), (150, 150, 155)
DAMAGE, EYE, SHADE = (230, 0, 120), (0, 220, 255), 22
GAP, TITLE, STATUS = 12, 28, 54  # pixels between the panels, above and below them
NARROWEST = 860  # the least width of the picture: the status must fit

HELP = (
    ("left button", "paint the damage; the restored face follows when you let go"),
    ("right button", "erase"),
    ("wheel, [ ]", "size of the brush (or , and . on keyboards without brackets)"),
    ("x", "the left button erases, or paints again"),
    ("e", "click both eyes, or where they were; again for another face"),
    ("f", "forget the eyes"),
    ("u, r", "undo, redo"),
    ("c", "clear the mask"),
    ("+ -, Ctrl+wheel", "zoom; 0 shows the whole photo"),
    ("arrows", "move the photo, as the middle button does"),
    ("s, l", "save mask and result, load the saved mask"),
    ("h", "this page"),
    ("q, Esc", "save mask and result and close, as closing the window does"),
)


def pyramid(pixels) -> list[np.ndarray]:
    """`pixels` and its halves, quarters, and so on, down to `LONGEST`: from the nearest one a view is drawn quickly."""
    levels = [pixels]
    while max(levels[-1].shape[:2]) > 2 * LONGEST:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA))
    return levels


def _halvings(scale) -> int:
    """How often the photo can be halved and still have `scale` pixels for one of its own."""
    return int(np.log2(max(1.0, 1 / scale)))


def _level(levels, scale) -> np.ndarray:
    """The smallest of the `levels` that still has `scale` pixels for one of the photo."""
    return levels[min(len(levels) - 1, _halvings(scale))]


@dataclass(frozen=True)
class Patch:
    """A part of a photo, restored: its box (left, top, right, bottom), uint8 [H, W, 3] of any size, and what a user
    should know."""

    box: tuple[int, int, int, int]
    pixels: np.ndarray
    notes: list[str]


def _box_of(mask, faces):
    """(left, top, right, bottom) around the hole and the faces' squares, inside the photo."""
    left, top, width, height = cv2.boundingRect(mask)
    margin = AROUND + AROUND * max(width, height) // LONGEST
    points = [(left - margin, top - margin), (left + width + margin, top + height + margin)]
    points = np.concatenate([points, *(Alignment.of(eyes).corners(Frame()) for eyes in faces)])
    limits = mask.shape[::-1]
    low, high = np.clip(np.floor(points.min(0)), 0, limits), np.clip(np.ceil(points.max(0)), 0, limits)
    return tuple(int(edge) for edge in (*low, *high))


def _reduced(mask, box, step):
    """`mask` inside `box`, `step` x `step` pixels averaged to one; and the box, widened to multiples of `step`, with
    which OpenCV is several times as fast."""
    left, top = (edge // step * step for edge in box[:2])
    right, bottom = (min(-(-edge // step) * step, limit) for edge, limit in zip(box[2:], mask.shape[::-1], strict=True))
    size = -(-(right - left) // step), -(-(bottom - top) // step)
    return cv2.resize(mask[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), (left, top, right, bottom)


def restored_patch(levels, painting: Painting, restorer) -> Patch | None:
    """What `photo.restore_photo` makes of the painted hole, from a reduced copy of its surroundings: quick, whatever
    the photo's size. None while nothing is painted.

    levels: the `pyramid` of the photo, uint8 RGB; restorer: as `restore_photo` takes it.
    """
    if not painting.hole_area:
        return None
    faces = painting.faces
    left, top, right, bottom = _box_of(painting.mask, faces)
    step = 2 ** _halvings(LONGEST / max(right - left, bottom - top))
    mask, box = _reduced(painting.mask, (left, top, right, bottom), step)
    left, top, right, bottom = box
    factor = max(1.0, max(right - left, bottom - top) / LONGEST)
    size = max(1, round((right - left) / factor)), max(1, round((bottom - top) / factor))
    level = _level(levels, 1 / factor)
    scale = np.array(level.shape[1::-1]) / painting.mask.shape[::-1]
    low, high = np.floor(scale * (left, top)).astype(int), np.ceil(scale * (right, bottom)).astype(int)
    small = cv2.resize(level[low[1] : high[1], low[0] : high[0]], size, interpolation=cv2.INTER_AREA)
    hole = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0
    ratio = np.array(size) / (right - left, bottom - top)
    eyes = [(face + 0.5 - (left, top)) * ratio - 0.5 for face in faces]
    return Patch(box, *restore_photo(small, hole, restorer, eyes))


def _placed(picture, view: View, box=None, border=BACKDROP):
    """`picture`, which shows the photo's `box` or all of it, as it lies in the panel of `view`."""
    return cv2.warpAffine(picture, view.matrix(picture.shape, box), view.panel[::-1], borderValue=(border,) * 3)


def _patched(panel, view: View, patch: Patch):
    """`panel` with all of the `patch` on it."""
    matrix = view.matrix(patch.pixels.shape, patch.box)
    return cv2.warpAffine(patch.pixels, matrix, view.panel[::-1], panel.copy(), borderMode=cv2.BORDER_TRANSPARENT)


def hole_in(view: View, mask) -> np.ndarray:
    """The panel's pixels that show hole, bool: none is lost where the photo is shown smaller than it is."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return np.zeros(view.panel, bool)
    step = 2 ** _halvings(view.scale)
    part, box = _reduced(mask, (left, top, left + width, top + height), step)
    return _placed(part, view, box, border=0) > (40 if step > 1 else 127)


def panels(levels, view: View, painting: Painting, patch: Patch | None) -> tuple[np.ndarray, np.ndarray]:
    """The photo with its hole tinted and the eyes marked, and the restored photo: two uint8 [*view.panel, 3]."""
    photo = _placed(_level(levels, view.scale), view)
    restored, hole = photo.copy(), hole_in(view, painting.mask)
    tint = np.rint(0.35 * photo[hole] + 0.65 * np.array(DAMAGE)).astype(np.uint8)
    photo[hole] = tint
    if patch:
        restored[hole] = _patched(restored, view, patch)[hole]
    for number, eye in enumerate(painting.eyes):
        at = tuple(round(value) for value in view.to_panel(*eye))
        cv2.drawMarker(photo, at, EYE, cv2.MARKER_CROSS, 15, 2, cv2.LINE_AA)
        if number % 2 == 0:
            cv2.circle(photo, at, 9, EYE, 1, cv2.LINE_AA)
    return photo, restored


def text(canvas, words, x, y, colour=INK, size=0.5):
    cv2.putText(canvas, words, (int(x), int(y)), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def canvas_size(panel) -> tuple[int, int]:
    """(height, width) of the picture with two panels of (height, width)."""
    return TITLE + panel[0] + STATUS, max(NARROWEST, 2 * panel[1] + 3 * GAP)


def panel_corners(panel) -> list[tuple[int, int]]:
    """Where the two panels begin in the picture: (x, y) of their first pixels."""
    spare = canvas_size(panel)[1] - 2 * panel[1] - GAP
    return [(spare // 2, TITLE), (spare // 2 + panel[1] + GAP, TITLE)]


def canvas(pair, titles, lines) -> np.ndarray:
    """Both panels of `pair` under their `titles`, above two `lines` of status: uint8 RGB."""
    panel = pair[0].shape[:2]
    picture = np.full((*canvas_size(panel), 3), BACKDROP, np.uint8)
    for pixels, title, (x, y) in zip(pair, titles, panel_corners(panel), strict=True):
        picture[y : y + panel[0], x : x + panel[1]] = pixels
        text(picture, title, x, y - 9, FAINT)
    for number, line in enumerate(lines):
        text(picture, line, GAP, TITLE + panel[0] + 21 + 22 * number, (INK, FAINT)[number])
    return picture


def help_page(picture) -> np.ndarray:
    """The keys of `HELP`, on top of the darkened `picture`."""
    page = (picture * 0.2).astype(np.uint8)
    page[:] = np.maximum(page, SHADE)
    step = max(16, min(28, (len(page) - 20) // (len(HELP) + 2)))
    left, top = max(10, page.shape[1] // 2 - 400), max(step, (len(page) - step * (len(HELP) + 1)) // 2)
    for number, (keys, meaning) in enumerate(HELP):
        y = top + step * (number + 1)
        text(page, keys, left, y, EYE)
        text(page, meaning, left + 170, y)
    return page
