"""Where a face lies in a photograph, and how its pixels come to the network's picture and back. No TensorFlow here.

Two systems of coordinates, (x, y): the photo's, whose pixel (0, 0) has its centre at (0, 0), as clicks and detectors
give them; and the whole frame's, 0 to 178 from edge to edge, in which CelebA's faces are aligned. A similarity maps the
one on the other; as complex numbers, x + iy, it is photo = turn * frame + shift.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.config import WHOLE_SIDE

# Eyes, nose and the mouth's corners in CelebA's aligned images, left in the picture first: (69, 111), (108, 111),
# (88, 134), (73, 152), (106, 152) in 178 x 218. Rows 20 to 197 are the whole frame; pixel centres lie at halves.
LANDMARKS = np.array([(69, 111), (108, 111), (88, 134), (73, 152), (106, 152)]) - (0, 20) + 0.5


def _complex(points):
    """(x, y) [..., 2] → x + iy [...]."""
    points = np.asarray(points, np.float64)
    return points[..., 0] + 1j * points[..., 1]


def centred_face(height, width) -> np.ndarray:
    """The eyes [2, 2] of a face in a picture cut as CelebA's are: its centre square is the whole frame."""
    side = min(height, width)
    return LANDMARKS[:2] * (side / WHOLE_SIDE) + ((width - side) // 2, (height - side) // 2) - 0.5


@dataclass(frozen=True)
class Square:
    """A square in the whole frame, in its 178 pixels: `corner` (left, top) and `side`."""

    corner: tuple[float, float]
    side: float


WHOLE_FRAME = Square((0.0, 0.0), float(WHOLE_SIDE))


@dataclass(frozen=True)
class Alignment:
    """The similarity photo = turn * frame + shift, in complex numbers."""

    turn: complex
    shift: complex

    @classmethod
    def of(cls, landmarks):
        """From the eyes [2, 2], or all five `LANDMARKS` [5, 2], in photo pixels: the best one in the sense of least
        squares (Umeyama 1991, in complex numbers a line's fit)."""
        frame = _complex(LANDMARKS[: len(landmarks)])
        line = np.stack([frame, np.ones_like(frame)], axis=1)
        turn, shift = np.linalg.lstsq(line, _complex(landmarks), rcond=None)[0]
        return cls(complex(turn), complex(shift))

    def to_frame(self, points) -> np.ndarray:
        """Photo pixels (x, y) [N, 2] → whole frame [N, 2]."""
        frame = (_complex(points) - self.shift) / self.turn
        return np.stack([frame.real, frame.imag], axis=-1)

    def grid(self, box) -> tuple[np.ndarray, np.ndarray]:
        """x and y in the whole frame of each pixel of the photo's `box` (two slices): float32 [H, W] each."""
        rows, columns = (np.arange(part.start, part.stop) for part in box)
        from_column, from_row = columns / self.turn, (1j * rows - self.shift) / self.turn
        return tuple(
            np.add.outer(down.astype(np.float32), across.astype(np.float32))
            for down, across in ((from_row.real, from_column.real), (from_row.imag, from_column.imag))
        )

    def moved(self, corner) -> "Alignment":
        """The same in the part of the photo that begins at its pixel `corner` (row, column)."""
        return Alignment(self.turn, self.shift - complex(corner[1], corner[0]))

    def footprint(self, square: Square, size) -> float:
        """How many photo pixels long a side of one of the `size` pixels across `square` is."""
        return abs(self.turn) * square.side / size

    def matrix(self, square: Square, size) -> np.ndarray:
        """[2, 3]: pixel (column, row) of `square` at `size` pixels → pixel (x, y) of the photo."""
        step = self.turn * square.side / size
        first = self.turn * (_complex(square.corner) + (0.5 + 0.5j) * square.side / size) + self.shift
        return np.array([[step.real, -step.imag, first.real], [step.imag, step.real, first.imag]])

    def corners(self, square: Square) -> np.ndarray:
        """The corners of `square` in photo pixels [4, 2], in the order of a polygon."""
        corners = _complex(square.corner) + square.side * np.array([0, 1, 1 + 1j, 1j])
        photo = self.turn * corners + self.shift
        return np.stack([photo.real, photo.imag], axis=-1)


def block_means(picture, factor):
    """`picture` averaged over blocks of `factor` x `factor` pixels, its edge repeated where the last ones reach beyond;
    bool becomes float32."""
    picture = picture.astype(np.float32) if picture.dtype == bool else picture
    height, width = picture.shape[:2]
    picture = cv2.copyMakeBorder(picture, 0, -height % factor, 0, -width % factor, cv2.BORDER_REPLICATE)
    return cv2.resize(picture, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)


def resampled(picture, alignment: Alignment, square: Square, size) -> np.ndarray:
    """`picture` (bool, uint8, uint16 or float32 [H, W] or [H, W, 3]) in `square`: float32 [size, size] or
    [size, size, 3], each value the average over its pixel's footprint (linear interpolation where that is smaller than
    a photo pixel), as in `pipeline.framed`. Outside the picture its nearest pixel counts.
    """
    height, width = picture.shape[:2]
    corners = alignment.corners(square)
    low, high = np.floor(corners.min(0)).astype(int) - 2, np.ceil(corners.max(0)).astype(int) + 3
    left, top = np.clip(low, 0, (width - 1, height - 1))
    right, bottom = np.clip(high, (left + 1, top + 1), (width, height))
    footprint = alignment.footprint(square, size)
    factor = max(1, int(footprint / 2))
    part = block_means(picture[top:bottom, left:right], factor).astype(np.float32)
    finer = max(1, int(np.ceil(footprint / factor)))
    matrix = alignment.matrix(square, size * finer)
    matrix[:, 2] = (matrix[:, 2] - (left, top) + 0.5) / factor - 0.5
    matrix[:, :2] /= factor
    flags, side = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (size * finer, size * finer)
    samples = cv2.warpAffine(part, matrix, side, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA)


def outside(shape, alignment: Alignment, square: Square, size) -> np.ndarray:
    """Which of the `size` x `size` pixels of `square` have their centre outside a photo of `shape` (H, W): bool."""
    matrix = alignment.matrix(square, size)
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    x, y = (line[0] * column + line[1] * row + line[2] for line in matrix)
    return (x < -0.5) | (x > shape[1] - 0.5) | (y < -0.5) | (y > shape[0] - 0.5)


def enlarged(drawn, alignment: Alignment, square: Square, box) -> np.ndarray:
    """`drawn` [size, size, 3], a picture of `square`, as it lies in the photo: float32 [bottom - top, right - left, 3]
    of the photo's `box` (left, top, right, bottom), by cubic interpolation."""
    left, top, right, bottom = box
    matrix = alignment.matrix(square, len(drawn))
    matrix[:, 2] -= (left, top)
    return cv2.warpAffine(
        drawn.astype(np.float32), matrix, (int(right - left), int(bottom - top)), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
