"""What a person draws on a photograph: the mask, step by step, and the eyes. No window, no TensorFlow: `paint` shows it
in a window of the desktop, `canvas` in a notebook."""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.photo.command import CLOSEST_EYES

HOLE = 255  # in a mask as it is drawn and saved; 0 elsewhere
UNDOABLE = 200  # steps that are kept
CLOSEST_ZOOM = 16.0  # pixels of the screen for one of the photo; more only where the whole photo fits


@dataclass(frozen=True)
class _Step:
    """A change: the mask's pixels that it turned over, as bits inside two slices, and the eyes on its other side."""

    inside: tuple[slice, slice]
    turned: np.ndarray
    eyes: tuple


def _near_segment(shape, start, end, radius):
    """Which pixels' centres lie within `radius` of the segment `start` to `end` (x, y): two slices of a picture of
    `shape`, and bool inside them."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    left, top = np.clip(np.floor(np.minimum(start, end) - radius), 0, shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(np.maximum(start, end) + radius) + 1, 0, shape[::-1]).astype(int)
    x, y = np.arange(left, right) - start[0], np.arange(top, bottom)[:, None] - start[1]
    along_x, along_y = end - start
    length = along_x**2 + along_y**2
    share = np.clip((x * along_x + y * along_y) / length, 0, 1) if length else 0.0  # of the nearest point's way
    return np.s_[top:bottom, left:right], (x - share * along_x) ** 2 + (y - share * along_y) ** 2 <= radius**2


class Painting:
    """The mask of a photo as it is drawn. Points are (x, y) in photo pixels, the centre of the first at (0, 0).

    mask: uint8 [H, W], 255 in the hole; eyes: the points marked, two for each face; brush: its diameter, pixels.
    """

    def __init__(self, shape, mask=None, eyes=(), brush=None):
        """shape: (H, W) of the photo; mask: [H, W], nonzero = hole, to go on from; eyes: points to go on from.
        Raises ValueError when the mask is of another shape."""
        self.mask = np.zeros(shape, np.uint8)
        if mask is not None:
            self.mask = self._as_mask(mask)
        self.eyes = tuple((float(x), float(y)) for x, y in eyes)
        self.brush = brush or max(2, round(max(shape) / 40))
        self._done, self._undone = deque(maxlen=UNDOABLE), deque(maxlen=UNDOABLE)
        self._stroke = None  # while one is drawn: the mask before it, the value drawn, the last point

    def _as_mask(self, mask):
        if np.shape(mask) != self.mask.shape:
            raise ValueError(f"mask: expected shape {list(self.mask.shape)}, got {list(np.shape(mask))}")
        return np.where(np.asarray(mask) != 0, np.uint8(HOLE), np.uint8(0))

    @property
    def hole_area(self) -> float:
        """The fraction of the photo that is hole."""
        return cv2.countNonZero(self.mask) / self.mask.size

    @property
    def faces(self) -> list[np.ndarray]:
        """For each face whose two eyes are marked these eyes [2, 2], the left one in the picture first."""
        pairs = zip(self.eyes[::2], self.eyes[1::2], strict=False)  # an eye may still lack its partner
        return [np.array(sorted(pair)) for pair in pairs]

    @property
    def drawing(self) -> bool:
        return self._stroke is not None

    def begin(self, x, y, erase=False):
        """The brush touches the photo."""
        self.end()
        self._stroke = self.mask.copy(), 0 if erase else HOLE, (x, y)
        self.move(x, y)

    def move(self, x, y):
        """The brush draws a straight line to here, with round ends."""
        before, value, last = self._stroke
        radius = max(self.brush / 2, 0.71)  # at least one pixel, wherever between pixels the point lies
        inside, near = _near_segment(self.mask.shape, last, (x, y), radius)
        self.mask[inside][near] = value
        self._stroke = before, value, (x, y)

    def end(self):
        """The brush leaves the photo: the stroke becomes one step."""
        if self.drawing:
            before, self._stroke = self._stroke[0], None
            before ^= self.mask  # in place: memory of this size takes longer to get than to fill
            self._keep(before, self.eyes)

    def stroke(self, points, erase=False) -> "Painting":
        """A whole stroke through `points`; gives this painting."""
        self.begin(*points[0], erase)
        for point in points[1:]:
            self.move(*point)
        self.end()
        return self

    def clear(self):
        """Empties the mask."""
        self.load(np.zeros_like(self.mask))

    def load(self, mask):
        """Takes another mask [H, W], nonzero = hole, in the place of this one."""
        self.end()
        before, self.mask = self.mask, self._as_mask(mask)
        self._keep(before ^ self.mask, self.eyes)

    def mark_eye(self, x, y) -> bool:
        """Marks an eye; False, and nothing is done, when it is too close to its partner."""
        self.end()
        partner = self.eyes[-1:] if len(self.eyes) % 2 else ()
        if partner and np.hypot(partner[0][0] - x, partner[0][1] - y) < CLOSEST_EYES:
            return False
        before, self.eyes = self.eyes, (*self.eyes, (float(x), float(y)))
        self._keep(np.zeros_like(self.mask), before)
        return True

    def forget_eyes(self):
        self.end()
        before, self.eyes = self.eyes, ()
        self._keep(np.zeros_like(self.mask), before)

    def undo(self) -> bool:
        """Takes the last step back; False when there is none."""
        self.end()
        return self._turn(self._done, self._undone)

    def redo(self) -> bool:
        """Does the step again that was taken back last; False when there is none or another was made since."""
        self.end()
        return self._turn(self._undone, self._done)

    def _keep(self, turned, eyes):
        """Keeps the step that turned the mask over where `turned` is not 0 and came from `eyes`, if it did anything."""
        left, top, width, height = cv2.boundingRect(turned)
        if width or eyes != self.eyes:
            inside = np.s_[top : top + height, left : left + width]
            self._done.append(_Step(inside, np.packbits(turned[inside] != 0, axis=1), eyes))
            self._undone.clear()

    def _turn(self, steps, others) -> bool:
        if not steps:
            return False
        step = steps.pop()
        part = self.mask[step.inside]
        part ^= np.unpackbits(step.turned, axis=1, count=part.shape[1]) * np.uint8(HOLE)
        others.append(_Step(step.inside, step.turned, self.eyes))
        self.eyes = step.eyes
        return True


@dataclass(frozen=True)
class View:
    """The part of a photo that a panel of the screen shows: `scale` panel pixels for one of the photo, whose point
    (`left`, `top`), counted from its outer edge, lies at the panel's corner. photo and panel: (height, width)."""

    photo: tuple[int, int]
    panel: tuple[int, int]
    scale: float
    left: float = 0.0
    top: float = 0.0

    @classmethod
    def whole(cls, photo, most):
        """The whole photo in a panel of its shape, as large as `most` (height, width) allows."""
        scale = min(most[0] / photo[0], most[1] / photo[1])
        panel = tuple(max(1, min(round(length * scale), room)) for length, room in zip(photo, most, strict=True))
        return cls(photo, panel, scale)

    def to_photo(self, x, y) -> tuple[float, float]:
        return (x + 0.5) / self.scale + self.left - 0.5, (y + 0.5) / self.scale + self.top - 0.5

    def to_panel(self, x, y) -> tuple[float, float]:
        return (x + 0.5 - self.left) * self.scale - 0.5, (y + 0.5 - self.top) * self.scale - 0.5

    def zoomed(self, factor, x, y) -> "View":
        """Closer by `factor`, the photo's point at the panel's (x, y) staying there where the edges allow it."""
        whole = min(self.panel[0] / self.photo[0], self.panel[1] / self.photo[1])
        scale = float(np.clip(self.scale * factor, whole, max(whole, CLOSEST_ZOOM)))
        ahead = 1 / self.scale - 1 / scale
        return self._at(scale, self.left + (x + 0.5) * ahead, self.top + (y + 0.5) * ahead)

    def moved(self, right, down) -> "View":
        """The photo moved under the panel by panel pixels."""
        return self._at(self.scale, self.left - right / self.scale, self.top - down / self.scale)

    def _at(self, scale, left, top) -> "View":
        room = [photo - panel / scale for photo, panel in zip(self.photo, self.panel, strict=True)]
        top, left = (float(np.clip(at, 0, max(0, most))) for at, most in zip((top, left), room, strict=True))
        return View(self.photo, self.panel, scale, left, top)

    def matrix(self, shape, box=None) -> np.ndarray:
        """[2, 3]: pixels of a picture of `shape`, which shows the photo's `box` (left, top, right, bottom) or all of
        it → panel pixels."""
        left, top, right, bottom = box or (0, 0, self.photo[1], self.photo[0])
        across, down = self.scale * (right - left) / shape[1], self.scale * (bottom - top) / shape[0]
        x, y = (left - self.left) * self.scale, (top - self.top) * self.scale
        return np.array([[across, 0, x + across / 2 - 0.5], [0, down, y + down / 2 - 0.5]])
