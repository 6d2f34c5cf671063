"""What the bytes of a picture file say beyond what the libraries that decode it look at: kinds that cannot be read
here, and what comes along with the pixels. No TensorFlow here.
"""

import re
import struct
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import TiffImagePlugin

from faceinpaint.config import UserError

# How files begin that no library here decodes, and what to do with them.
HEIC = "HEIC, which is not readable here; save it as JPEG, on the phone or by heif-convert"
RAW = "a camera's raw file; save it as TIFF or JPEG with the camera's program, or by dcraw -T"
UNREADABLE = {
    rb".{4}ftyp(hei[cmsx]|hev[cx])": HEIC,
    rb".{4}ftyp(mif1|msf1)(?!.{4}.{0,40}avif)": HEIC,
    rb".{4}ftypcrx |FUJIFILMCCD-RAW|II\*\0.{4}CR|II(RO|RS|U\0)|MMOR|FOVb|\0MRM": RAW,
    rb".{4}ftyp(qt  |isom|iso\d|mp4\d|M4V |3g)": "a film; save one picture of it as JPEG",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "JPEG XL, which is not readable here; save it as PNG or JPEG",
    rb"8BPS": "a Photoshop file; save it as PNG or TIFF",
    rb"gimp xcf": "a file of GIMP; save it as PNG or TIFF",
    rb"%PDF": "a PDF; save its picture as PNG, by pdfimages -png",
    rb"\s*(<\?xml[^>]*>\s*)?<svg": "drawn in SVG; save it as PNG",
}
SUFFIXES = {".heic", ".heif", ".hif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
            ".jxl", ".psd"}  # fmt: skip
DNG_VERSION, SUBFILE_TYPE, SUB_DIRECTORIES = 50706, 254, 330
BITS, PHOTOMETRIC, SAMPLES, PLANES = 258, 262, 277, 284
WHITE_IS_ZERO, LAB, APART = 0, (8, 9, 10), 2  # values of PHOTOMETRIC and PLANES
GAP = rb"(?:\s|#[^\n]*\n)+"
PNM_WHITE = re.compile(rb"P[2356]%b\d+%b\d+%b(\d+)|P7\s.*?MAXVAL\s+(\d+)" % (GAP, GAP, GAP), re.DOTALL)
AV1 = b"av1C"  # the box of an AVIF that tells its depth, in two bits of its third byte

# What a JPEG can hold besides its picture: how its XMP or its end announces it, and what is lost.
COMPANIONS = {
    rb"hdr-gain-map|HDRGainMap|urn:iso:std:iso:ts:21496": "Ultra HDR: its gain map is not kept, the picture is",
    rb"MotionPhoto|MicroVideo": "a motion photo: its film is not kept, only the picture",
    rb"GDepth:|/photos/1.0/depthmap": "has a map of depths, which is not kept",
}
ANNOUNCING = re.compile(r"hdr-gain-map|HDRGainMap|photos/1\.0/(camera|container|depthmap|image)|xmp/note|Thumbnails")
THUMBNAIL, ITS_LENGTH, ITS_STRIPS, THEIR_LENGTHS = 513, 514, 273, 279  # tags of EXIF
PHOTOSHOP, ITS_THUMBNAILS = b"Photoshop 3.0\0", (1033, 1036)  # how its block begins; its resources that are pictures

COLOUR_CHUNKS = {b"gAMA": "gamma", b"cHRM": "chromaticities", b"sRGB": "sRGB", b"cICP": "coding of colours",
                 b"mDCV": "mastering display", b"cLLI": "light level"}  # fmt: skip


def tiff_tags(encoded: bytes) -> dict:
    """The tags of a TIFF's first directory, empty for anything else and where they are damaged."""
    if encoded[:4] not in (b"II*\0", b"MM\0*"):
        return {}
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(encoded[:8])
        file = BytesIO(encoded)
        file.seek(tags.next)
        tags.load(file)
        return dict(tags)
    except Exception:  # Pillow raises many kinds
        return {}


def check_readable(path: Path, encoded: bytes):
    """Raises `UserError` for a file that is no picture for the libraries here, or whose first picture is a preview."""
    begin = encoded[:512]
    for pattern, said in UNREADABLE.items():
        if re.match(pattern, begin, re.DOTALL):
            raise UserError(f"{path}: {said}")
    tags = tiff_tags(encoded)
    if DNG_VERSION in tags or (tags.get(SUBFILE_TYPE) == 1 and SUB_DIRECTORIES in tags):
        raise UserError(f"{path}: {RAW}")
    if tags.get(PHOTOMETRIC) in LAB:
        raise UserError(f"{path}: in Lab colours, which would shift; save it in RGB")
    if tags.get(PLANES) == APART and tags.get(SAMPLES, 1) > 1 and _bits(tags) > 8:
        raise UserError(f"{path}: its colours lie apart, each in a plane of its own; save it interleaved, or as PNG")


def _bits(tags: dict) -> int:
    bits = tags.get(BITS, 8)
    return max(bits) if isinstance(bits, tuple) else bits


def check_depth(path: Path, tags: dict, stored):
    """Raises `UserError` where the pixels of a TIFF with these `tags`, as they were decoded, have fewer bits than it
    holds."""
    bits, left = _bits(tags), 8 * stored.dtype.itemsize
    if bits > left:
        raise UserError(f"{path}: {bits} bits a channel, of which {left} would be left; save it as PNG")


def full_scale(stored, encoded: bytes, tags: dict):
    """`stored` with white at the highest value of its type: libraries leave it where a PNM's maximum, the 10 or 12 bits
    of an AVIF, or a TIFF of negative values have it. tags: `tiff_tags`."""
    highest = white = np.iinfo(stored.dtype).max if stored.dtype.kind == "u" else 1
    if told := PNM_WHITE.match(encoded[:1024]):
        white = int(told[1] or told[2])
    elif encoded[4:8] == b"ftyp" and AV1 in encoded and stored.dtype == np.uint16:
        white = 4095 if encoded[encoded.index(AV1) + 6] & 0x20 else 1023
    elif stored.dtype == np.uint16 and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        return highest - stored
    if white in (0, highest):
        return stored
    scaled = np.rint(np.arange(white + 1) * (highest / white)).astype(stored.dtype)
    return scaled[np.minimum(stored, white)]  # a table, for a large picture in float would not fit into the memory


def upright_xmp(xmp: bytes) -> bytes:
    """`xmp` of a picture that is written upright."""
    return re.sub(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))\d""", rb"\g<1>1", xmp)


def companions(header) -> list[str]:
    """A line for each thing that a JPEG holds besides its picture, as its header announces it, and that is not kept."""
    if header is None or header.format not in ("JPEG", "MPO"):
        return []
    file = header.fp.getbuffer()
    announced = b"".join(block for name, block in header.applist if name in ("APP1", "APP2"))
    announced += bytes(file[-65536:])
    return [said for pattern, said in COMPANIONS.items() if re.search(pattern, announced)]


def without_companions(xmp: bytes) -> bytes:
    """`xmp` without what announces something beside the picture and without thumbnails; none if it is unreadable."""
    if not ANNOUNCING.search(xmp.decode("latin-1")):
        return xmp
    try:
        tree = ElementTree.fromstring(xmp.strip(b"\0 \n\r\t"))
    except ElementTree.ParseError:
        return b""
    for node in tree.iter():
        for name in [name for name in node.attrib if ANNOUNCING.search(name)]:
            del node.attrib[name]
        for child in [child for child in node if ANNOUNCING.search(child.tag)]:
            node.remove(child)
    return ElementTree.tostring(tree)


def without_thumbnail(exif: bytes) -> bytes:
    """EXIF without its picture of the damaged photo: no second directory, and its picture's bytes zero. All other bytes
    stay where they are, for makers' notes say where theirs lie."""
    content, start = bytearray(exif), 6 * exif.startswith(b"Exif\0\0")
    order = "<" if exif[start : start + 2] == b"II" else ">"

    def entries(at):
        """A directory's tags with their values, where these are numbers that lie in it, and where it ends."""
        count = struct.unpack_from(order + "H", exif, start + at)[0]
        tags = [struct.unpack_from(order + "HHII", exif, start + at + 2 + 12 * i) for i in range(count)]
        return {tag: value for tag, *_, value in tags}, start + at + 2 + 12 * count

    try:
        _, end = entries(struct.unpack_from(order + "I", exif, start + 4)[0])
        second = struct.unpack_from(order + "I", exif, end)[0]
        tags = entries(second)[0] if second else {}
    except struct.error:
        return exif
    if second:
        struct.pack_into(order + "I", content, end, 0)
    for place, length in ((THUMBNAIL, ITS_LENGTH), (ITS_STRIPS, THEIR_LENGTHS)):
        if place in tags and length in tags:
            first, last = (min(start + tags[place] + more, len(content)) for more in (0, tags[length]))
            content[first:last] = bytes(last - first)
    return bytes(content)


def without_resources(block: bytes) -> bytes:
    """Photoshop's block without its thumbnails; as it is where it is damaged."""
    at = len(PHOTOSHOP) * block.startswith(PHOTOSHOP)
    kept = block[:at]
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        name = (block[at + 6] + 2) // 2 * 2  # its length is its first byte; even together
        identity = struct.unpack_from(">H", block, at + 4)[0]
        if at + 10 + name > len(block):
            return block
        size = struct.unpack_from(">I", block, at + 6 + name)[0]
        end = at + 10 + name + (size + 1) // 2 * 2
        kept += block[at:end] if identity not in ITS_THUMBNAILS else b""
        at = end
    return kept if at == len(block) else block


def colour_chunks(encoded: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG that say how its values are to be shown, by name, whole."""
    found, at = {}, 8
    while encoded.startswith(b"\x89PNG") and at + 12 <= len(encoded):
        length, name = struct.unpack(">I4s", encoded[at : at + 8])
        if name == b"IDAT":
            break
        if name in COLOUR_CHUNKS:
            found[name] = encoded[at : at + 12 + length]
        at += 12 + length
    return found
