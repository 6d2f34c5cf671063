"""Levels and tone: a photograph's light brought to what the network knows, and what it drew brought back.

Pictures are float32 [..., 3] RGB in [0, 255]. Both are affine, so that it makes no difference whether they are undone
before or after a picture is enlarged.
"""

from dataclasses import dataclass

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV's and Pillow's grey
DARK, BRIGHT = 50.0, 180.0  # of luma: in nine of ten of CelebA's faces the 2nd percentile is below, the 98th above
MAX_GAIN = 12.0  # more would show nothing but the rounding of 8 bits
OFF_THE_LINE = 0.06  # of the deviation along it: less is one tone
MIN_PIXELS = 64  # known pixels, to tell anything from


@dataclass(frozen=True)
class Levels:
    """values → gain * values + shift."""

    gain: float = 1.0
    shift: float = 0.0

    @classmethod
    def of(cls, known):
        """The stretch of contrast (Gonzalez and Woods, "Digital image processing", section 3.2) that brings the 2nd
        percentile of the luma of `known` [N, 3] down to `DARK` and the 98th up to `BRIGHT`; none where they are."""
        if len(known) < MIN_PIXELS:
            return cls()
        low, high = np.percentile(known @ LUMA, [2, 98])
        dark, bright = min(low, DARK), max(high, BRIGHT)
        gain = min((bright - dark) / max(high - low, 1.0), MAX_GAIN)
        return cls(float(gain), float((dark + bright) / 2 - gain * (low + high) / 2))

    def apply(self, picture):
        return picture * np.float32(self.gain) + np.float32(self.shift)

    def undo(self, picture):
        return (picture - np.float32(self.shift)) / np.float32(self.gain)


@dataclass(frozen=True)
class Tone:
    """A line in colour space, colour = foot + luma * direction, on which all of a photograph in one tone lies: grey,
    sepia, blue. None for a photograph in colours."""

    foot: np.ndarray | None = None
    direction: np.ndarray | None = None

    @classmethod
    def of(cls, known):
        """The first principal axis of `known` [N, 3] (Pearson 1901), where the others are next to nothing. Clipped
        values bend the line and do not count."""
        known = known[((known > 3) & (known < 252)).all(axis=1)]
        if len(known) < MIN_PIXELS:
            return cls()
        middle = known.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov((known - middle).T))
        direction = axes[:, -1] / (axes[:, -1] @ LUMA)
        if variances[1] > OFF_THE_LINE**2 * variances[-1] or not (direction > 0).all():
            return cls()
        return cls((middle - (middle @ LUMA) * direction).astype(np.float32), direction.astype(np.float32))

    def put(self, picture):
        """`picture` put on the line, its luma kept."""
        return picture if self.foot is None else self.foot + (picture @ LUMA[:, None]) * self.direction
