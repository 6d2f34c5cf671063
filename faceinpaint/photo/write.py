"""Photographs given back: format, orientation, depth, alpha and metadata as they were. No TensorFlow here.

Pillow writes what has 8 bits, for it keeps the metadata and a JPEG's quality; OpenCV the rest.
"""

import struct
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from faceinpaint.config import UserError
from faceinpaint.photo import kinds
from faceinpaint.photo.picture import Picture, exif_of, orientation_of, turned_back
from faceinpaint.system.files import write_bytes

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".tif": "TIFF", ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP", ".gif": "GIF", ".jp2": "JPEG2000", ".avif": "AVIF", ".ppm": "PPM", ".pgm": "PPM", ".pnm": "PPM",
    ".hdr": "HDR", ".pfm": "PFM",
}  # fmt: skip
LOSSY = {"JPEG", "GIF", "AVIF"}
HOLDS_16_BITS, HOLDS_FLOAT = {"PNG", "TIFF", "JPEG2000", "PPM"}, {"HDR", "PFM", "TIFF"}
HOLDS_ALPHA = {"PNG", "TIFF", "WEBP", "JPEG2000", "AVIF"}
EXIF_IFD, GPS_IFD = 34665, 34853
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432, EXIF_IFD, GPS_IFD)  # EXIF tags that do not say how pixels lie
PHOTOSHOP = 34377
OTHER_BLOCKS = (33723, PHOTOSHOP)  # IPTC's and Photoshop's, which are tags of a TIFF but never of EXIF
TIFF_TAGS, RESOLUTION = {"icc_profile": 34675, "xmp": 700}, (282, 283, 296)
SIGNATURE_AND_HEADER = 33  # bytes at the beginning of a PNG, after which other chunks may stand
XMP_TEXT = "XML:com.adobe.xmp"  # under which a PNG keeps it
NAMES = {"exif": "EXIF", "icc_profile": "colour profile", "dpi": "resolution", "comment": "comment", "xmp": "XMP"}


def kind_of(path: Path) -> str:
    """The kind of picture that `path` names. Raises `UserError` for a suffix that names none."""
    if kind := FORMATS.get(path.suffix.lower()):
        return kind
    raise UserError(f"{path}: '{path.suffix}' is no kind of picture; end the name in .png, .jpg or .tif")


def _holds_alpha(kind, alpha) -> bool:
    """A GIF's pixels are transparent or they are not."""
    return kind in HOLDS_ALPHA or (kind == "GIF" and bool(np.isin(alpha, (0, 255)).all()))


def check_holds(path: Path, photo: Picture):
    """Refuses an output that could not hold what the `photo` has."""
    kind = kind_of(path)
    if photo.stored.dtype == np.float32 and kind not in HOLDS_FLOAT:
        raise UserError(f"{path}: cannot hold the photo's float values; end the name in .tif")
    if photo.stored.dtype != np.float32 and kind in {"HDR", "PFM"}:
        raise UserError(f"{path}: is for float values, which the photo has not; end the name in .png")
    if photo.stored.dtype == np.uint16 and kind not in HOLDS_16_BITS:
        raise UserError(f"{path}: cannot hold the photo's 16 bits; end the name in .png or .tif")
    if photo.alpha is not None and not _holds_alpha(kind, photo.alpha):
        raise UserError(f"{path}: cannot hold the photo's transparency; end the name in .png")


def _same_kind(path: Path, header) -> bool:
    return header is not None and kind_of(path) == {"MPO": "JPEG"}.get(header.format, header.format)


def _as_it_lay(path: Path, header) -> bool:
    """Whether the file at `path` has its pixels turned as the photo's had; TIFFs come upright from both libraries."""
    return _same_kind(path, header) and header.format != "TIFF"


def _value(exif, tag):
    """What `exif` has under `tag`: texts as their bytes, for Pillow would write ? for every letter beyond ASCII."""
    if tag in (EXIF_IFD, GPS_IFD):
        return exif.get_ifd(tag)
    value = exif[tag].encode("latin-1") if isinstance(exif[tag], str) else exif[tag]
    return kinds.without_resources(value) if tag == PHOTOSHOP else value


def _exif(path: Path, header) -> bytes:
    """The photo's EXIF for a file at `path`: as it is for the same kind of file, else what describes the picture."""
    if _as_it_lay(path, header):
        return kinds.without_thumbnail(header.info.get("exif", b""))
    exif, kept = exif_of(header), Image.Exif()
    for tag in DESCRIPTIVE + (OTHER_BLOCKS if _same_kind(path, header) else ()):
        if tag in exif:
            kept[tag] = _value(exif, tag)
    return kept.tobytes() if len(kept) else b""


def _metadata(path: Path, header) -> dict:
    """What describes the photo, under the names that Pillow's writers take."""
    if header is None:
        return {}
    found = {key: header.info.get(key) for key in ("dpi", "icc_profile", "comment", "xmp")}
    dpi = found["dpi"] or (1, 1)  # which is what Pillow says of a TIFF without any
    if dpi == (1, 1) or not all(0 < float(value) < 1e6 for value in dpi):
        del found["dpi"]
    if header.mode == "CMYK":
        del found["icc_profile"]  # it describes inks
    if found["xmp"]:
        found["xmp"] = kinds.without_companions(found["xmp"])
        if not _as_it_lay(path, header):
            found["xmp"] = kinds.upright_xmp(found["xmp"])
    return {key: value for key, value in (found | {"exif": _exif(path, header)}).items() if value}


def _png_texts(header) -> PngImagePlugin.PngInfo:
    texts, kept = PngImagePlugin.PngInfo(), getattr(header, "text", {})
    for key, text in kept.items():
        texts.add_itxt(key, text) if isinstance(text, PngImagePlugin.iTXt) else texts.add_text(key, text)
    if XMP_TEXT not in kept and "xmp" in getattr(header, "info", {}):
        texts.add_itxt(XMP_TEXT, kinds.upright_xmp(header.info["xmp"]).decode(errors="replace"))
    return texts


def _options(path: Path, header) -> dict:
    """How Pillow is to write `path`, so that as little as can be of what the photo has is lost."""
    kind = kind_of(path)
    if kind == "JPEG" and getattr(header, "quantization", None):
        sampling = JpegImagePlugin.get_sampling(header)
        progressive = bool(header.info.get("progressive"))
        blocks = [block for name, block in header.applist if name == "APP13"]  # IPTC's, as Photoshop keeps it
        blocks = [kinds.without_resources(block) for block in blocks]
        extra = b"".join(b"\xff\xed" + struct.pack(">H", len(block) + 2) + block for block in blocks)
        return {"qtables": header.quantization, "subsampling": sampling, "progressive": progressive, "extra": extra}
    uncompressed = header is not None and header.info.get("compression") == "raw"
    return {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True, "exact": True},
        "TIFF": {"compression": "raw" if uncompressed else "tiff_lzw"},
        "AVIF": {"quality": 95},
        # a third of the time that the default compression takes, for a twentieth more bytes
        "PNG": {"pnginfo": _png_texts(header), "compress_level": 4},
    }.get(kind, {})


def _png_with(metadata: dict, header, content: bytes) -> bytes:
    """The PNG `content` with the chunks that hold `metadata` in a PNG of one pixel that Pillow writes."""
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG", pnginfo=_png_texts(header), **metadata)
    small, at = file.getvalue(), SIGNATURE_AND_HEADER
    return content[:at] + small[at : small.rindex(b"IDAT") - 4] + content[at:]


def _png_chunks(photo: Picture, metadata: dict, content: bytes) -> bytes:
    """The PNG `content` with the chunks of `photo` that say how its values are to be shown, unless a profile does."""
    chunks = b"" if "icc_profile" in metadata else b"".join(photo.chunks.values())
    return content[:SIGNATURE_AND_HEADER] + chunks + content[SIGNATURE_AND_HEADER:]


def _tiff_with(metadata: dict, content: bytes) -> bytes:
    """The TIFF `content` behind a directory that has its tags and those that hold `metadata`."""
    tags, exif = TiffImagePlugin.ImageFileDirectory_v2(content[:8]), Image.Exif()
    file = BytesIO(content)
    file.seek(tags.next)
    tags.load(file)
    dict(tags)  # each is decoded when it is first asked for; what was not asked for is not saved
    exif.load(metadata.get("exif", b""))
    for tag in exif:
        tags[tag] = _value(exif, tag)
    for key in metadata.keys() & TIFF_TAGS.keys():
        tags[TIFF_TAGS[key]] = metadata[key]
    if "dpi" in metadata:
        for tag, value in zip(RESOLUTION, (*metadata["dpi"], 2), strict=True):  # 2: by the inch
            tags[tag] = value
    file = BytesIO()
    tags.save(file)  # counts where the pixels lie from its own end
    return file.getvalue() + content


def _by_pillow(path: Path, pixels, header, metadata: dict) -> bytes:
    """8 bits. Tags are added to a TIFF afterwards: libtiff refuses the parts of EXIF that are directories."""
    file = BytesIO()
    options = _options(path, header) | ({} if kind_of(path) == "TIFF" else metadata)
    Image.fromarray(pixels).save(file, kind_of(path), **options)
    return _tiff_with(metadata, file.getvalue()) if kind_of(path) == "TIFF" else file.getvalue()


def _by_opencv(path: Path, pixels, header, metadata: dict) -> bytes:
    """16 bits or float. The metadata goes into PNG and TIFF; in other kinds there is no room."""
    if pixels.ndim == 3:
        pixels = pixels[..., {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]]
    kind, suffix = kind_of(path), path.suffix
    if kind == "PPM":
        suffix = ".pgm" if pixels.ndim == 2 else ".ppm"  # whatever the name says, as Pillow does
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if kind == "JPEG2000" else []
    content = cv2.imencode(suffix, pixels, lossless)[1].tobytes()
    if kind == "PNG":
        return _png_with(metadata, header, content)
    return _tiff_with(metadata, content) if kind == "TIFF" else content


def _lost(path: Path, photo: Picture, content: bytes) -> list[str]:
    """A line that names what of the photo's metadata is not in `content`, if anything."""
    header = photo.header
    if header is None:  # such as a TIFF of colours in float, of which Pillow reads nothing
        tiff = FORMATS.get(photo.path.suffix.lower()) == "TIFF"
        return [f"not kept in a {path.suffix}: metadata, if it has any"] if tiff else []
    try:
        written = Image.open(BytesIO(content))
    except OSError:
        written = Image.new("L", (1, 1))
    kept = {"exif": len(exif_of(written))} | written.info
    shown = [
        kinds.COLOUR_CHUNKS[name] for name in photo.chunks if kind_of(path) != "PNG" and b"sRGB" not in photo.chunks
    ]
    lost = [NAMES[key] for key in NAMES if key in _metadata(path, header) and not kept.get(key)]
    if set(getattr(header, "text", {})) - {XMP_TEXT, *kept}:
        lost.append("texts")
    if shown:
        lost.append(f"{', '.join(shown)}, without which it may look different")
    return [f"not kept in a {path.suffix}: {', '.join(lost)}"] if lost else []


def write(path: Path, photo: Picture, stored) -> list[str]:
    """Writes `stored`, the restored pixels of `photo` as `Picture.with_hole` gives them, whole or not at all.

    A file of the photo's kind gets the pixels as they lay there and the same EXIF; another kind gets them upright.
    Returns a line for the user when some of the metadata is lost.
    """
    if _same_kind(path, photo.header):
        stored = turned_back(stored, orientation_of(photo.header))
    encode = _by_pillow if stored.dtype == np.uint8 else _by_opencv
    metadata = _metadata(path, photo.header)
    content = encode(path, stored, photo.header, metadata)
    if kind_of(path) == "PNG":
        content = _png_chunks(photo, metadata, content)
    write_bytes(path, content)
    return _lost(path, photo, content)
