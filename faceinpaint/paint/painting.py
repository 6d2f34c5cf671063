"""What a person draws on a photograph: the mask, step by step, and the eyes.

Points are (x, y) in photo pixels, the centre of the first at (0, 0); a box is (left, top, right, bottom), its last two
edges outside.
"""

import zlib
from itertools import pairwise

import cv2
import numpy as np

from faceinpaint.photo.command import MIN_EYES_APART, near

HOLE = 255  # in a mask as it is drawn and saved; 0 elsewhere
PIECE = 64  # pixels of a line that are drawn at a time: the box around a long one may be all of the photo


def inside(box):
    """The slices of a picture that `box` encloses."""
    return np.s_[box[1] : box[3], box[0] : box[2]]


def box_of(mask):
    """The smallest box around what is not 0 in `mask`."""
    left, top, width, height = cv2.boundingRect(mask)
    return left, top, left + width, top + height


def box_around(points, margin, shape):
    """The box around `points` [N, 2] and a `margin`, inside a picture of `shape`."""
    low, high = np.floor(np.min(points, axis=0) - margin), np.ceil(np.max(points, axis=0) + margin) + 1
    return tuple(int(edge) for end in (low, high) for edge in np.clip(end, 0, shape[1::-1]))


def as_points(points) -> np.ndarray:
    """float64 [N, 2]. Raises ValueError for what are no places near a photo."""
    points = np.array(points, np.float64).reshape(-1, 2)
    if not (np.abs(points) < 1e6).all():  # nor is what is no number
        raise ValueError("points beyond any photo")
    return points


def _near_segment(box, start, end, radius):
    """Which pixels of the `box` have their centre within `radius` of the segment from `start` to `end`: bool."""
    x, y = np.arange(box[0], box[2]) - start[0], np.arange(box[1], box[3])[:, None] - start[1]
    along_x, along_y = end - start
    length = along_x**2 + along_y**2
    share = np.clip((x * along_x + y * along_y) / length, 0, 1) if length else 0.0  # of the nearest point's way
    return (x - share * along_x) ** 2 + (y - share * along_y) ** 2 <= radius**2


class Painting:
    """The mask of a photo as it is drawn.

    mask: uint8 [H, W], 255 in the hole; every step makes a new one.
    eyes: the points marked, two for each face.
    faces: where they are two, the eyes [2, 2] of each; with its nose [3, 2] once it is settled which way round it is.
    brush: its diameter, in pixels, until a stroke has another.
    """

    def __init__(self, shape, mask=None, eyes=(), brush=None):
        """shape: (H, W) of the photo; mask: [H, W], nonzero = hole, to go on from; eyes: points to go on from.
        Raises ValueError when the mask is of another shape."""
        self.mask, self.eyes = np.zeros(shape, np.uint8), tuple(map(tuple, as_points(eyes).tolist()))
        self.mask = self.mask if mask is None else self._as_mask(mask)
        self.brush = brush or max(2, round(max(shape) / 40))
        self._states, self._at = [self._state()], 0
        self._settled = {}

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
        """For each face whose two eyes are marked these eyes [2, 2], the left one in the picture first; or as it was
        settled."""
        pairs = zip(self.eyes[::2], self.eyes[1::2], strict=False)  # an eye may still lack its partner
        pairs = [tuple(sorted(pair)) for pair in pairs]
        return [self._settled.get(pair, np.array(pair)) for pair in pairs]

    def settle(self, face):
        """Keeps which way round a face is, for as long as its eyes are where they are: `face` has these, in the order
        of an upright face, and its nose [3, 2]."""
        self._settled[tuple(sorted(map(tuple, face[:2].tolist())))] = face

    def stroke(self, points, erase=False, brush=None) -> "Painting":
        """Draws straight lines from point to point, with round ends, or erases there; gives this painting."""
        points, size, mask = as_points(points), float(brush or self.brush), self.mask.copy()
        if not (len(points) and 1 <= size <= 2 * max(mask.shape)):
            raise ValueError("a stroke without a point, or with an impossible brush")
        radius = max(size / 2, 0.71)  # at least one pixel, wherever between pixels the point lies
        for start, end in zip(points, [*points[1:], points[-1]], strict=True):
            pieces = int(np.linalg.norm(end - start) / (PIECE + 4 * radius)) + 1
            for one, other in pairwise(np.linspace(start, end, pieces + 1)):
                box = box_around([one, other], radius, mask.shape)
                mask[inside(box)][_near_segment(box, one, other, radius)] = 0 if erase else HOLE
        self.brush = size
        self._step(mask, self.eyes)
        return self

    def load(self, mask):
        """Takes another mask [H, W], nonzero = hole, in the place of this one."""
        self._step(self._as_mask(mask), self.eyes)

    def clear(self):
        self._step(np.zeros_like(self.mask), self.eyes)

    def mark(self, eyes):
        """Takes `eyes`, two points for each face, in the place of those marked. Raises ValueError, and changes nothing,
        when two of a face are too close, or one is too far outside the photo."""
        eyes = as_points(eyes)
        if not near(eyes, self.mask.shape):
            raise ValueError("too far outside the photo")
        if (np.linalg.norm(eyes[1::2] - eyes[::2][: len(eyes) // 2], axis=1) < MIN_EYES_APART).any():
            raise ValueError("too close to the other eye")
        self._step(self.mask, tuple(map(tuple, eyes.tolist())))

    def undo(self):
        """Takes the last step back. Raises ValueError when there is none."""
        self._go(-1)

    def redo(self):
        """Does the step again that was taken back last. Raises ValueError when there is none, or one was made since."""
        self._go(1)

    def _state(self):
        return zlib.compress(np.packbits(self.mask), 1), self.eyes

    def _step(self, mask, eyes):
        """Keeps the step to `mask` and `eyes`, if it changes anything."""
        if eyes != self.eyes or (mask != self.mask).any():
            self.mask, self.eyes, self._at = mask, eyes, self._at + 1
            self._states[self._at :] = [self._state()]

    def _go(self, by):
        if not 0 <= self._at + by < len(self._states):
            raise ValueError(f"nothing to {'undo' if by < 0 else 'redo'}")
        self._at += by
        packed, self.eyes = self._states[self._at]
        bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=self.mask.size)
        self.mask = bits.reshape(self.mask.shape) * np.uint8(HOLE)
