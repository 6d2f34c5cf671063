"""Photographs read: any picture, upright, with what is needed to give it back as it was. No TensorFlow here.

OpenCV decodes, for it keeps 16 bits and alpha; Pillow reads the header. `write` writes.
"""

import warnings
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from faceinpaint.config import MEGAPIXELS, UserError
from faceinpaint.photo import kinds
from faceinpaint.photo.picture import Picture, orientation_of, turned
from faceinpaint.system.stderr import captured_stderr

BIT_DEPTH = 24  # byte of a PNG
END_OF_JPEG = b"\xff\xd9"
Image.MAX_IMAGE_PIXELS = MEGAPIXELS * 10**6  # Pillow refuses twice as many; read refuses more than these
MAX_MISSING = 0.1  # of a JPEG's rows; with more of them missing it is refused
HALF = 0.5  # of white: some of the mask is brighter, or there is no hole
FRINGE = 0.12  # of the way from the mask's darkest to its brightest: a soft edge down to here is damage as well
REACH = 1 / 50  # of the photo's shorter side: how far from what is bright a soft edge goes
COLOURED = 0.15  # of white, between the channels
MAX_GREY = 0.25  # of the mask: soft edges are less
MAX_WHITE = 0.5  # of the photo: more looks like an inverted mask


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
    kinds.check_readable(path, encoded)
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
        if stored is not None and (missing := _missing_rows(stored)) > MAX_MISSING:
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
    companions = kinds.companions(header)
    changes = {
        "1": "black and white only: written in grey, so that the hole can be",
        "P": "its palette holds too few colours: restored in full colour",
        "CMYK": "CMYK: written as RGB, without its colour profile",
    }
    notes = [changes[header.mode]] if header.mode in changes else []
    if getattr(header, "is_animated", False) and not companions:
        notes.append("has several pictures: only the first is restored and written")
    return notes + companions


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
    tags = kinds.tiff_tags(encoded)
    kinds.check_depth(path, tags, stored)
    stored = kinds.full_scale(_channels(path, stored, header, encoded), encoded, tags)
    upright = turned(stored, orientation_of(header))
    return Picture(path, upright, header, (*notes, *_changes(header)), kinds.colour_chunks(encoded))


def _channels(path: Path, stored, header, encoded: bytes):
    """What OpenCV `stored`, as `Picture.stored` has it."""
    mode, kind = (header.mode, header.format) if header is not None else (None, None)
    if kind == "TIFF" and mode in ("LA", "RGBA") and stored.dtype == np.uint8:
        return _by_pillow(path, encoded)  # OpenCV leaves its alpha out, or multiplies the colours by it
    if stored.ndim == 2:
        return _with_key(stored, header, encoded) if kind == "PNG" else stored
    to_rgb = cv2.COLOR_BGRA2RGBA if stored.shape[2] == 4 else cv2.COLOR_BGR2RGB
    stored = cv2.cvtColor(stored, to_rgb, dst=stored)
    return stored[..., {"LA": [0, 3], "CMYK": [0, 1, 2]}[mode]] if mode in ("LA", "CMYK") else stored


def _by_pillow(path: Path, encoded: bytes):
    """Pixels as Pillow decodes them."""
    with captured_stderr():
        try:
            return np.array(Image.open(BytesIO(encoded)))
        except Exception as error:  # Pillow raises many kinds
            raise UserError(f"{path}: damaged inside ({error}); get a whole copy") from error


def _with_key(stored, header, encoded: bytes):
    """Grey `stored` [H, W] with the alpha that a PNG's transparent grey means: [H, W, 2], which OpenCV leaves out."""
    key = header.info.get("transparency")
    if not isinstance(key, int):
        return stored
    bits, highest = encoded[BIT_DEPTH], np.iinfo(stored.dtype).max
    key = key * (highest // (2**bits - 1)) if bits < 8 else key
    return np.dstack([stored, np.where(stored == key, 0, highest).astype(stored.dtype)])


def _brightness(path: Path, picture: Picture):
    """Brightness [H, W], of the picture's type; what is transparent is black."""
    channels = [np.ascontiguousarray(channel) for channel in np.moveaxis(picture.colours, -1, 0)]
    highest = picture.highest
    if len(channels) == 3:
        low, high = (f(f(channels[0], channels[1]), channels[2]) for f in (cv2.min, cv2.max))
        if (high - low > COLOURED * highest).mean() > 1e-3:
            raise UserError(f"{path}: coloured; paint the damage white and the rest black")
        channels = [cv2.addWeighted(low, 0.5, high, 0.5, 0)]
    if picture.alpha is None:
        return channels[0]
    return cv2.multiply(channels[0], np.ascontiguousarray(picture.alpha), scale=1 / highest)


def _check_black_and_white(path: Path, bright):
    """Refuses what is grey all over, such as the photo itself in the place of its mask."""
    darkest, brightest, *_ = cv2.minMaxLoc(bright)
    low, high = (darkest + share * (brightest - darkest) for share in (0.2, 0.8))
    if (grey := ((bright > low) & (bright < high)).mean()) > MAX_GREY:
        raise UserError(f"{path}: {grey:.0%} of it is grey, as of a photo; paint the damage white and the rest black")


def _with_fringe(bright, core):
    """`core` and the soft edge around it, down to `FRINGE` of the way from the darkest to the brightest."""
    darkest, brightest = (float(value) for value in cv2.minMaxLoc(bright)[:2])
    hole = bright > darkest + FRINGE * (brightest - darkest)
    if np.array_equal(hole, core):
        return core
    reach = max(4, int(min(core.shape) * REACH))
    return core | hole & cv2.dilate(core.view(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).view(bool)


def read_mask(path: Path, photo: Picture, damage: str | None = None, whole=False) -> np.ndarray:
    """The hole drawn in the picture `path`, bool [H, W]: what is brighter than half, with its soft edge; transparent
    counts as black.

    damage: "white" or "black", which of them marks it; None is white, unless that is most of the photo.

    whole: all of the photo may be hole.

    Raises `UserError` when it is not of the `photo`'s size, is no picture in black and white, has no hole or nothing
    else, or looks inverted.
    """
    picture = read(path)
    if picture.shape != photo.shape:
        sizes = [f"{width}x{height}" for height, width in (picture.shape, photo.shape)]
        raise UserError(f"{path}: {sizes[0]} pixels, but {photo.path} has {sizes[1]}; make both alike")
    bright, highest, wanted = _brightness(path, picture), picture.highest, damage or "white"
    _check_black_and_white(path, bright)
    bright = (bright.dtype.type(highest) - bright) if damage == "black" else bright
    core = bright > HALF * highest
    share = core.mean()
    if share == 0:
        than = {"white": "brighter", "black": "darker"}[wanted]
        raise UserError(f"{path}: nothing is {than} than half, so there is no hole; paint the damage {wanted}")
    if share == 1 and not whole:
        raise UserError(f"{path}: all of it is {wanted}; paint only the damage {wanted}")
    if share > MAX_WHITE and damage is None:
        raise UserError(
            f"{path}: white on {share:.0%} of the photo. Is it inverted? If so, add --damage black; if so much is "
            "damaged, --damage white; or paint only the damage white"
        )
    hole = _with_fringe(bright, core)
    return core if hole.all() else hole
