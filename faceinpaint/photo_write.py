"""Photographs given back: format, orientation, depth, alpha and metadata as they were. No TensorFlow here.

Pillow writes what has 8 bits, for it keeps the metadata and a JPEG's quality; OpenCV the rest.
"""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from faceinpaint.config import UserError
from faceinpaint.files import write_bytes
from faceinpaint.photo_read import Picture, orientation_of, turned_back

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
    ".bmp": "BMP", ".gif": "GIF", ".jp2": "JPEG2000", ".avif": "AVIF", ".ppm": "PPM", ".pgm": "PPM", ".pnm": "PPM",
    ".hdr": "HDR", ".pfm": "PFM",
}  # fmt: skip
LOSSY = {"JPEG", "GIF", "AVIF"}
HOLDS_16_BITS, HOLDS_FLOAT = {"PNG", "TIFF", "JPEG2000", "PPM"}, {"HDR", "PFM", "TIFF"}
HOLDS_ALPHA = {"PNG", "TIFF", "WEBP", "JPEG2000", "AVIF", "GIF"}
EXIF_IFD, GPS_IFD = 34665, 34853
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432, EXIF_IFD, GPS_IFD)  # EXIF tags that do not say how pixels lie


def kind_of(path: Path) -> str:
    """The kind of picture that `path` names. Raises `UserError` for a suffix that names none."""
    if kind := FORMATS.get(path.suffix.lower()):
        return kind
    raise UserError(f"{path}: '{path.suffix}' is no kind of picture; end the name in .png, .jpg or .tif")


def check_holds(path: Path, photo: Picture):
    """Refuses an output that could not hold what the `photo` has."""
    kind = kind_of(path)
    if photo.stored.dtype == np.float32 and kind not in HOLDS_FLOAT:
        raise UserError(f"{path}: cannot hold the photo's float values; end the name in .tif")
    if photo.stored.dtype != np.float32 and kind in {"HDR", "PFM"}:
        raise UserError(f"{path}: is for float values, which the photo has not; end the name in .png")
    if photo.stored.dtype == np.uint16 and kind not in HOLDS_16_BITS:
        raise UserError(f"{path}: cannot hold the photo's 16 bits; end the name in .png or .tif")
    if photo.alpha is not None and kind not in HOLDS_ALPHA:
        raise UserError(f"{path}: cannot hold the photo's transparency; end the name in .png")


def _same_kind(path: Path, header) -> bool:
    return header is not None and kind_of(path) == {"MPO": "JPEG"}.get(header.format, header.format)


def _exif(path: Path, header) -> bytes:
    """The photo's EXIF for a file at `path`: as it is for the same kind of file, else what describes the picture."""
    if _same_kind(path, header) and header.format != "TIFF":
        return header.info.get("exif", b"")
    exif, kept = Image.Image.getexif(header), Image.Exif()
    for tag in DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else exif[tag]
    return kept.tobytes() if len(kept) else b""


def _metadata(path: Path, header) -> dict:
    """What describes the photo, under the names that Pillow's writers take."""
    if header is None:
        return {}
    found = {key: header.info.get(key) for key in ("dpi", "icc_profile", "comment", "xmp")}
    if header.mode == "CMYK":
        del found["icc_profile"]  # it describes inks
    return {key: value for key, value in (found | {"exif": _exif(path, header)}).items() if value}


def _png_texts(header) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    for key, text in getattr(header, "text", {}).items():
        texts.add_itxt(key, text) if isinstance(text, PngImagePlugin.iTXt) else texts.add_text(key, text)
    return texts


def _options(path: Path, header) -> dict:
    """How Pillow is to write `path`, so that as little as can be of what the photo has is lost."""
    kind = kind_of(path)
    if kind == "JPEG" and getattr(header, "quantization", None):
        sampling = JpegImagePlugin.get_sampling(header)
        progressive = bool(header.info.get("progressive"))
        return {"qtables": header.quantization, "subsampling": sampling, "progressive": progressive}
    uncompressed = header is not None and header.info.get("compression") == "raw"
    return {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True, "exact": True},
        "TIFF": {"compression": "raw" if uncompressed else "tiff_lzw"},
        "AVIF": {"quality": 95},
        "PNG": {"pnginfo": _png_texts(header)},
    }.get(kind, {})


def _by_pillow(path: Path, pixels, header) -> bytes:
    file = BytesIO()
    options = _metadata(path, header) | _options(path, header)
    Image.fromarray(pixels).save(file, kind_of(path), **options)
    return file.getvalue()


def _by_opencv(path: Path, pixels, header) -> bytes:
    """16 bits or float. Of the metadata a PNG keeps EXIF and colour profile, other kinds nothing."""
    if pixels.ndim == 3:
        pixels = pixels[..., {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]]
    metadata = _metadata(path, header) if kind_of(path) == "PNG" else {}
    names = {"exif": cv2.IMAGE_METADATA_EXIF, "icc_profile": cv2.IMAGE_METADATA_ICCP}
    found = {names[key]: np.frombuffer(value, np.uint8) for key, value in metadata.items() if key in names}
    if found:
        return cv2.imencodeWithMetadata(path.suffix, pixels, list(found), list(found.values()))[1].tobytes()
    return cv2.imencode(path.suffix, pixels)[1].tobytes()


def write(path: Path, photo: Picture, stored):
    """Writes `stored`, the restored pixels of `photo` as `Picture.with_hole` gives them, whole or not at all.

    A file of the photo's kind gets the pixels as they lay there and the same EXIF; another kind gets them upright.
    """
    if _same_kind(path, photo.header):
        stored = turned_back(stored, orientation_of(photo.header))
    encode = _by_pillow if stored.dtype == np.uint8 else _by_opencv
    write_bytes(path, encode(path, stored, photo.header))
