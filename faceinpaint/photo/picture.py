"""A picture as a file held it, upright, with what is needed to give it back as it was. No TensorFlow here."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from faceinpaint.photo.light import LUMA

ORIENTATION = 0x0112  # EXIF tag
SAMPLED = 1000  # rows and columns, at most, that a median is of


@dataclass(frozen=True)
class Picture:
    """An upright picture. `stored` is uint8, uint16 or float32: grey [H, W], grey and alpha [H, W, 2], RGB [H, W, 3] or
    RGB and alpha [H, W, 4]. `header` is Pillow's, without pixels; None for what only OpenCV reads. `notes`: a line for
    each thing that the user should know of the file. `chunks`: those of a PNG that say how its values are shown."""

    path: Path
    stored: np.ndarray
    header: Image.Image | None
    notes: tuple[str, ...] = ()
    chunks: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return self.stored.shape[:2]

    @property
    def grey(self) -> bool:
        return self.stored.ndim == 2 or self.stored.shape[2] == 2

    @property
    def alpha(self) -> np.ndarray | None:
        """The last channel, where it is alpha."""
        return self.stored[..., -1] if self.stored.ndim == 3 and self.stored.shape[2] in (2, 4) else None

    @property
    def highest(self) -> float:
        """The value of white: what the depth holds, or for float pixels the brightest there is, at least 1."""
        if self.stored.dtype == np.float32:
            return max(1.0, float(self.stored.max()))
        return float(np.iinfo(self.stored.dtype).max)

    @property
    def colours(self) -> np.ndarray:
        """The channels that are not alpha, a view [H, W, 1 or 3]."""
        return self.stored.reshape(*self.shape, -1)[..., : 1 if self.grey else 3]

    def colour(self) -> np.ndarray:
        """The colours as RGB [H, W, 3], uint8, or uint16 for more than 8 bits: `stored` itself where it is so."""
        values = np.repeat(self.colours, 3, axis=2) if self.grey else np.ascontiguousarray(self.colours)
        if values.dtype == np.float32:
            values = np.rint(np.clip(values, 0, None) * (65535 / self.highest)).astype(np.uint16)
        return values

    def seen(self) -> np.ndarray | None:
        """`colour` as it is seen, mid-grey where that is transparent; None where nothing can be."""
        if self.alpha is None:
            return None
        colour = self.colour()
        return np.where((self.alpha > self.highest / 2)[..., None], colour, np.iinfo(colour.dtype).max // 2)

    def with_hole(self, restored, hole) -> np.ndarray:
        """`stored` with the colours of `restored`, as `colour` gives them, in `hole` and nowhere else; where some of
        that was erased, it is as opaque as the rest."""
        if restored.shape == self.stored.shape and restored.dtype == self.stored.dtype:
            return restored  # the same but in the hole
        stored, values = self.stored.copy(), restored[hole].astype(np.float64)
        if stored.dtype == np.float32:
            values *= self.highest / 65535
        if self.grey:
            values = values @ LUMA
        if stored.dtype != np.float32:
            values = np.rint(values)
        stored.reshape(*self.shape, -1)[hole, : self.colours.shape[2]] = values.reshape(len(values), -1)
        if self.erased(hole):
            stored[hole, -1] = np.maximum(stored[hole, -1], self._usual_alpha(hole))
        return stored

    def _usual_alpha(self, hole):
        """The median alpha of what shows outside the `hole`: of a large picture every so many rows and columns."""
        step = np.s_[:: -(-hole.shape[0] // SAMPLED), :: -(-hole.shape[1] // SAMPLED)]
        alpha = self.alpha[step]
        shown = alpha[~hole[step] & (alpha > 0)]
        return np.median(shown) if len(shown) else self.highest

    def erased(self, hole) -> bool:
        """Whether some of the `hole` is transparent, by half or more of what shows around it, as where damage was
        erased."""
        return self.alpha is not None and bool((self.alpha[hole] < self._usual_alpha(hole) / 2).any())


def turned(pixels, orientation):
    """`pixels` as an EXIF `orientation` of 1 to 8 says they are to be looked at."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def turned_back(pixels, orientation):
    """The inverse of turning `pixels` upright."""
    return turned(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def exif_of(header) -> Image.Exif:
    """The EXIF of a picture, empty where it is damaged, which is no reason to refuse the picture."""
    try:
        return Image.Image.getexif(header)  # PNG's own getexif would decode the pixels
    except Exception:  # Pillow raises many kinds
        return Image.Exif()


def orientation_of(header) -> int:
    """How the stored pixels are to be turned. Both libraries turn TIFFs themselves."""
    if header is None or header.format == "TIFF":
        return 1
    try:
        return int(exif_of(header).get(ORIENTATION, 1))
    except (TypeError, ValueError):
        return 1
