"""Photographs read: any picture, upright, with what is needed to give it back as it was. No TensorFlow here.

OpenCV decodes, for it keeps 16 bits and alpha; Pillow reads the header. `photo_write` writes.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from faceinpaint.config import MEGAPIXELS, UserError
from faceinpaint.system.stderr import captured_stderr

ORIENTATION = 0x0112  # EXIF tag
END_OF_JPEG = b"\xff\xd9"
MOST_MISSING = 0.1  # of a JPEG's rows; with more of them missing it is refused


@dataclass(frozen=True)
class Picture:
    """An upright picture. `stored` is uint8, uint16 or float32: grey [H, W], grey and alpha [H, W, 2], RGB [H, W, 3] or
    RGB and alpha [H, W, 4]. `header` is Pillow's, without pixels; None for what only OpenCV reads. `notes`: a line for
    each thing that the user should know of the file."""

    path: Path
    stored: np.ndarray
    header: Image.Image | None
    notes: tuple[str, ...] = ()

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

    def colour(self) -> np.ndarray:
        """The colours as RGB [H, W, 3], uint8, or uint16 for more than 8 bits."""
        values = self.stored
        if self.grey:
            values = np.repeat(values.reshape(*self.shape, -1)[..., :1], 3, axis=2)
        values = np.ascontiguousarray(values[..., :3])
        if values.dtype == np.float32:
            values = np.rint(np.clip(values, 0, None) * (65535 / self.highest)).astype(np.uint16)
        return values

    def with_hole(self, restored, hole) -> np.ndarray:
        """`stored` with the colours of `restored`, as `colour` gives them, in `hole` and nowhere else."""
        stored, values = self.stored.copy(), restored[hole].astype(np.float64)
        if stored.dtype == np.float32:
            values *= self.highest / 65535
        if self.grey:
            values = values @ (0.299, 0.587, 0.114)  # luma of ITU-R BT.601, as OpenCV's and Pillow's
        if stored.dtype != np.float32:
            values = np.rint(values)
        if stored.ndim == 2:
            stored[hole] = values
        else:
            stored[hole, : 1 if self.grey else 3] = values.reshape(len(values), -1)
        return stored


def _turned(pixels, orientation):
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
    return _turned(pixels, {6: 8, 8: 6}.get(orientation, orientation))


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


def _encoded(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path}: a folder; give a picture")
    if not path.exists():
        raise UserError(f"{path}: no such file; check its name")
    if not path.is_file():
        raise UserError(f"{path}: not a file; give a picture")
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; allow reading it, or get another copy") from error
    if not encoded:
        raise UserError(f"{path}: empty; get a whole copy")
    if encoded.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise UserError(f"{path}: a web page, not a picture; download the picture itself")
    return encoded


def _header(path: Path, encoded: bytes):
    """Pillow's view of the picture, before any pixel is decoded; None where Pillow knows no such picture."""
    limit = f"more than the {MEGAPIXELS} megapixels allowed; make it smaller"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = Image.open(BytesIO(encoded))
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: {limit}") from error
    except Exception:  # Pillow raises many kinds for a damaged header; OpenCV has the last word
        return None
    width, height = header.size
    if width * height > MEGAPIXELS * 10**6:
        raise UserError(f"{path}: {width}x{height} is {width * height / 1e6:.0f} megapixels, {limit}")
    return header


def _decoded(encoded: bytes) -> tuple[np.ndarray | None, list[str]]:
    """Pixels as they are stored, None when they cannot be read, and what the libraries complained of."""
    with captured_stderr() as complaints:
        try:
            return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED), complaints
        except cv2.error:
            return None, complaints


def _missing_rows(stored) -> float:
    """The fraction of rows at the lower end that are mid-grey, as a JPEG's are where its data has ended."""
    missing = (np.abs(stored.reshape(len(stored), -1).astype(np.int16) - 128) <= 1).all(axis=1)
    return float(np.cumprod(missing[::-1]).sum() / len(missing))


def _pixels(path: Path, encoded: bytes) -> tuple[np.ndarray, list[str]]:
    """Pixels as they are stored, and notes. A JPEG cut short is recovered where little is missing."""
    stored, complaints = _decoded(encoded)
    if stored is None and encoded.startswith(b"\xff\xd8"):
        stored, _ = _decoded(encoded + END_OF_JPEG)
        if stored is not None and (missing := _missing_rows(stored)) > MOST_MISSING:
            raise UserError(f"{path}: cut short, {missing:.0%} of the picture are missing; get a whole copy")
        if stored is not None:
            return stored, ["cut short: recovered, but the last rows may be wrong"]
    if stored is None:
        raise UserError(f"{path}: not a picture that can be read, or damaged; get a whole copy, or save it as PNG")
    serious = [line for line in complaints if line.startswith("Corrupt JPEG data") and "extraneous" not in line]
    if serious:
        raise UserError(f"{path}: damaged inside ({serious[0]}); get a whole copy")
    return stored, ["damaged inside: look at it before you use it"] if "Corrupt JPEG data" in str(complaints) else []


def _changes(header) -> list[str]:
    """What of the file cannot be kept when its hole is filled."""
    if header is None:
        return []
    changes = {
        "1": "black and white only: written in grey, so that the hole can be",
        "P": "its palette holds too few colours: restored in full colour",
        "CMYK": "CMYK: written as RGB, without its colour profile",
    }
    notes = [changes[header.mode]] if header.mode in changes else []
    if getattr(header, "is_animated", False):
        notes.append("has several pictures: only the first is restored and written")
    return notes


def read(path: Path) -> Picture:
    """The picture in the file `path`, of whatever kind its content says. Raises `UserError` when there is none that can
    be read, or it has more than `MEGAPIXELS`."""
    encoded = _encoded(path)
    header = _header(path, encoded)
    stored, notes = _pixels(path, encoded)
    if stored.dtype not in (np.uint8, np.uint16, np.float32):
        raise UserError(f"{path}: pixels of type {stored.dtype}; save it with 8 or 16 bits a channel")
    if stored.dtype == np.float32 and not np.isfinite(stored).all():
        raise UserError(f"{path}: holds numbers that are not finite; save it with 8 or 16 bits a channel")
    if stored.ndim == 3:
        stored = stored[..., [2, 1, 0, 3][: stored.shape[2]]]
    if header is not None and header.mode == "LA":
        whole = stored.ndim == 3  # OpenCV leaves the alpha of a TIFF out
        stored = stored[..., [0, 3]] if whole else np.array(Image.open(BytesIO(encoded)))
    if header is not None and header.mode == "CMYK":
        stored = stored[..., :3]
    return Picture(path, _turned(stored, orientation_of(header)), header, (*notes, *_changes(header)))


def read_mask(path: Path, photo: Picture) -> np.ndarray:
    """The hole drawn in the picture `path`, bool [H, W]: what is brighter than half, transparent counting as black.

    Raises `UserError` when it is not of the `photo`'s size, is no picture in black and white, or has no hole or nothing
    else.
    """
    picture = read(path)
    if picture.shape != photo.shape:
        sizes = [f"{width}x{height}" for height, width in (picture.shape, photo.shape)]
        raise UserError(f"{path}: {sizes[0]} pixels, but {photo.path} has {sizes[1]}; make both alike")
    colours = picture.stored.reshape(*picture.shape, -1)[..., : 1 if picture.grey else 3]
    values = colours / np.float32(picture.highest)
    if (np.ptp(values, axis=2) > 0.15).mean() > 1e-3:
        raise UserError(f"{path}: coloured; paint the damage white and the rest black")
    bright = values.mean(axis=2)
    if picture.alpha is not None:
        bright = bright * (picture.alpha / picture.highest)
    hole = bright > 0.5
    if not hole.any():
        raise UserError(f"{path}: nothing is brighter than half, so there is no hole; paint the damage white")
    if hole.all():
        raise UserError(f"{path}: all of it is white; paint only the damage white, the rest black")
    return hole
