"""`restore` from the command line: every kind of picture given back as it was, and bad input refused in one line."""

import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from io import BytesIO, TextIOWrapper
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

import faceinpaint
from faceinpaint.__main__ import main
from faceinpaint.photo import read as photo_read
from faceinpaint.photo import write as photo_write
from faceinpaint.runs.folder import WEIGHTS

HEIGHT, WIDTH = 160, 200
EYES = "70,70,120,70,95,99"  # and the nose: an untrained network cannot tell which way round a face is
HOLE = np.s_[60:80, 60:90]


def colours() -> np.ndarray:
    """RGB uint8 [HEIGHT, WIDTH, 3]."""
    small = np.random.default_rng(1).integers(30, 226, (4, 5, 3), np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def hole() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[HOLE] = True
    return mask


def encoded(pixels=None, kind="PNG", **options) -> bytes:
    file = BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(colours() if pixels is None else pixels)
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, data=b"") -> bytes:
    """A PNG whose header promises `width` x `height` pixels, and its compressed `data`."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def spoiled(content: bytes, seed=0) -> bytes:
    """`content` with a hundred bytes in its middle overwritten."""
    middle = len(content) // 2
    noise = np.random.default_rng(seed).integers(0, 256, 100, np.uint8).tobytes()
    return content[:middle] + noise + content[middle + 100 :]


def mask_file(values, **options) -> bytes:
    return encoded(np.asarray(values, np.uint8), **options)


@pytest.fixture
def folder(tmp_path, monkeypatch, lite_run):
    """An empty folder, the current one, with a good photo.png and mask.png; `lite_run` restores."""
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(encoded())
    Path("mask.png").write_bytes(mask_file(hole() * 255))
    return tmp_path


def restore(run, photo="photo.png", mask="mask.png", out="out.png", *options):
    """The command, without detail from the face's other half: the lines that tell of it are tested with that step."""
    options = options or (f"--eyes={EYES}",)
    return main(["restore", str(photo), str(mask), "-o", str(out), "--run", str(run), "--no-other-half", *options])


def snapshot(folder) -> dict:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(Path(folder).rglob("*"))}


JPEG = encoded(kind="JPEG", quality=90)
HTML = b"<!DOCTYPE html><html><body>Sign in to download</body></html>"
BAD_PHOTOS = {
    "empty": (b"", "empty; get a whole copy"),
    "text": (b"hello\n" * 50, "not a picture"),
    "web page": (HTML, "a web page, not a picture; download"),
    "PNG cut in half": (encoded()[:2000], "damaged; get a whole copy"),
    "PNG cut in its header": (encoded()[:20], "damaged; get a whole copy"),
    "PNG spoiled in the middle": (spoiled(encoded()), "damaged; get a whole copy"),
    "JPEG cut in half": (JPEG[: len(JPEG) // 2], "cut short, 4"),
    "JPEG cut in its header": (JPEG[:200], "damaged; get a whole copy"),
    "JPEG spoiled in the middle": (spoiled(JPEG, seed=3), "damaged inside (Corrupt JPEG data"),
    "TIFF cut in half": (encoded(kind="TIFF")[:20_000], "damaged"),
    "WebP cut in half": (encoded(kind="WEBP")[:300], "damaged"),
    "GIF cut in its header": (encoded(kind="GIF")[:12], "damaged"),
    "BMP cut in half": (encoded(kind="BMP")[:20_000], "damaged"),
    "no pixels": (png(0, 0), "damaged"),
    "no height": (png(100, 0), "damaged"),
    "wider than there is memory": (png(2**31 - 1, 2**31 - 1), "megapixels"),
    "just above the limit": (
        png(20_001, 10_000),
        "20001x10000 is 200 megapixels, more than the 200 megapixels allowed",
    ),
    "decompression bomb": (png(50_000, 50_000, zlib.compress(bytes(10**8), 9)[:100_000]), "megapixels"),
    "random bytes": (np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes(), "not a picture"),
    "archive": (b"PK\x03\x04" + bytes(500), "not a picture"),
    "pixels of 32-bit integers": (encoded(Image.new("I", (WIDTH, HEIGHT)), kind="TIFF"), "8 or 16 bits"),
}
BAD_MASKS = {
    "empty file": (b"", "empty; get a whole copy"),
    "text": (b"white", "not a picture"),
    "web page": (HTML, "a web page"),
    "cut in half": (mask_file(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)))[:9000], "damaged"),
    "nothing white": (mask_file(np.zeros((HEIGHT, WIDTH))), "there is no hole; paint the damage white"),
    "nothing above half": (mask_file(np.full((HEIGHT, WIDTH), 127)), "there is no hole"),
    "all white": (mask_file(np.full((HEIGHT, WIDTH), 255)), "all of it is white; paint only the damage"),
    "smaller": (mask_file(np.eye(100) * 255), "100x100 pixels, but photo.png has 200x160"),
    "turned": (mask_file(hole().T * 255), "160x200 pixels, but photo.png has 200x160"),
    "the photo itself": (encoded(), "coloured; paint the damage white"),
    "painted red": (mask_file(hole()[..., None] * np.array([255, 0, 0])), "coloured"),
    "all of it transparent": (
        mask_file(np.dstack([np.full((HEIGHT, WIDTH), 255), np.zeros((HEIGHT, WIDTH))])),
        "no hole",
    ),
    "too large": (png(19_000, 19_000), "megapixels"),
}
BAD_OPTIONS = {
    "no such photo": ({"photo": "none.png"}, "none.png: no such file"),
    "no such mask": ({"mask": "none.png"}, "none.png: no such file"),
    "photo is a folder": ({"photo": "."}, "mask.png: not a folder, but . is one; give the folder"),
    "mask is a folder": ({"mask": "."}, ".: a folder; give the mask of photo.png"),
    "output is the photo": ({"out": "photo.png"}, "photo.png: is photo.png, which is never written over"),
    "output is the photo by another path": ({"out": "../{folder}/photo.png"}, "which is never written over"),
    "output is the mask": ({"out": "mask.png"}, "mask.png: is mask.png, which is never written over"),
    "no folder for the output": ({"out": "none/out.png"}, "none/out.png: there is no folder none; make it"),
    "a file for a folder": ({"out": "photo.png/out.png"}, "there is no folder photo.png"),
    "no suffix": ({"out": "out"}, "out: '' is no kind of picture; end the name in .png"),
    "wrong suffix": ({"out": "out.txt"}, "out.txt: '.txt' is no kind of picture"),
    "unwritable file system": ({"out": "/proc/out.png"}, "/proc/out.png: "),
    "no generator": ({"run": "none"}, "none/generator.tflite: no trained generator"),
    "eyes: three numbers": ({"eyes": "1,2,3"}, "--eyes 1,2,3: not four numbers; give both eyes' centres, X1,Y1,X2,Y2"),
    "eyes: words": ({"eyes": "left,right,up,down"}, "not four numbers"),
    "eyes: nothing": ({"eyes": ""}, "not four numbers"),
    "eyes: equal": ({"eyes": "70,70,70,70"}, "less than 4 pixels apart; give both eyes' centres"),
    "eyes: five numbers": ({"eyes": "1,2,3,4,5"}, "not four numbers"),
    "eyes: far outside": ({"eyes": "70,70,310,70"}, "far outside the photo of 200x160 pixels"),
    "eyes: far above": ({"eyes": "70,-90,120,70"}, "far outside the photo"),
    "eyes: not a number": ({"eyes": "nan,70,120,70"}, "outside the photo"),
    "eyes: infinite": ({"eyes": "70,inf,120,70"}, "outside the photo"),
}


# What the user can do, after the reason.
REMEDY = re.compile(
    r"; (or )?(allow|check|download|end|get|give|make|paint|save|`python -m|what was finished is kept: mend this)\b"
)


def refused(capsys, code, part, named=""):
    """One line on stderr that begins with what is `named`, has `part` in it and a remedy; nothing on stdout, exit code
    2."""
    assert code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"faceinpaint: {named}")
    assert captured.err.count("\n") == 1, captured.err
    assert part in captured.err
    assert REMEDY.search(captured.err), captured.err
    assert len(captured.err) < 260


@pytest.mark.parametrize(
    ("role", "content", "part"),
    [
        pytest.param(role, content, part, id=f"{role}-{case}")
        for role, bad in {"photo": BAD_PHOTOS, "mask": BAD_MASKS}.items()
        for case, (content, part) in bad.items()
    ],
)
def test_bad_pictures(role, content, part, folder, lite_run, capfd):
    Path("bad.png").write_bytes(content)
    before = snapshot(folder)
    refused(capfd, restore(lite_run, **{role: "bad.png"}), part, "bad.png: ")
    assert snapshot(folder) == before


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options(case, folder, lite_run, capfd):
    given, part = BAD_OPTIONS[case]
    given = {"photo": "photo.png", "mask": "mask.png", "out": "out.png", "run": lite_run, "eyes": EYES} | given
    before = snapshot(folder)
    out = given["out"].format(folder=folder.name)
    code = restore(given["run"], given["photo"], given["mask"], out, f"--eyes={given['eyes']}")
    refused(capfd, code, part, f"--eyes {given['eyes']}: " if "eyes" in case else "")
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("photo", "out", "part"),
    [
        (encoded(np.dstack([colours(), colours()[..., 0]])), "out.jpg", "cannot hold the photo's transparency"),
        (cv2.imencode(".png", colours().astype(np.uint16) * 257)[1].tobytes(), "out.jpg", "the photo's 16 bits"),
        (cv2.imencode(".pfm", colours().astype(np.float32))[1].tobytes(), "out.png", "the photo's float values"),
        (encoded(), "out.hdr", "is for float values"),
        (encoded(np.dstack([colours(), hole() * np.uint8(200)])), "out.gif", "cannot hold the photo's transparency"),
    ],
)
def test_outputs_that_would_lose_something(photo, out, part, folder, lite_run, capfd):
    Path("photo.png").write_bytes(photo)
    before = snapshot(folder)
    refused(capfd, restore(lite_run, out=out), part, f"{out}: ")
    assert snapshot(folder) == before


def not_finite(number) -> np.ndarray:
    values = colours().astype(np.float32)
    values[5, 7] = number
    return values


@pytest.mark.parametrize("suffix", [".pfm", ".tiff"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_float_pixels_that_are_no_numbers(number, suffix, folder, lite_run, capfd):
    bad = f"bad{suffix}"
    Path(bad).write_bytes(cv2.imencode(suffix, not_finite(number))[1].tobytes())
    before = snapshot(folder)
    reason = f"{bad}: holds numbers that are not finite; save it with 8 or 16 bits a channel"
    refused(capfd, restore(lite_run, photo=bad, out=f"out{suffix}"), reason, bad)
    refused(capfd, restore(lite_run, mask=bad), reason, bad)
    assert snapshot(folder) == before


def test_float_pixels_below_black_and_far_above_white_are_kept(folder, lite_run, capfd):
    values = not_finite(1e30)
    values[5, 8] = -3
    Path("photo.pfm").write_bytes(cv2.imencode(".pfm", values)[1].tobytes())
    assert restore(lite_run, photo="photo.pfm", out="out.pfm") == 0
    assert np.isfinite(kept(Path("photo.pfm"), Path("out.pfm"), hole())).all()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(folder, lite_run, capfd):
    (folder / "closed").mkdir(mode=0o500)
    refused(capfd, restore(lite_run, out="closed/out.png"), "closed cannot be written to")


def test_a_folder_that_the_system_calls_read_only(folder, lite_run, capfd, monkeypatch):
    """For root as well, whom modes do not stop."""
    (folder / "closed").mkdir()
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != Path("closed") and may(path, mode))
    before = snapshot(folder)
    for out in ("closed/out.png", "closed"):
        refused(
            capfd, restore(lite_run, out=out), "closed cannot be written to; allow it, or give another -o", "closed/"
        )
    assert snapshot(folder) == before


@pytest.mark.parametrize("role", ["photo", "mask"])
def test_a_file_that_may_not_be_read(role, folder, lite_run, capfd, monkeypatch):
    def denied(path):
        if path.name == "secret.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    Path("secret.png").write_bytes(Path(f"{role}.png").read_bytes())
    before, read_bytes = snapshot(folder), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", denied)
    reason = "secret.png: Permission denied; allow reading it, or get another copy"
    refused(capfd, restore(lite_run, **{role: "secret.png"}), reason, "secret.png")
    monkeypatch.undo()
    assert snapshot(folder) == before


def test_an_output_folder_that_cannot_be_made(folder, lite_run, capfd, monkeypatch):
    def denied(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    (folder / "photos").mkdir()
    Path("photos/mask.png").write_bytes(Path("mask.png").read_bytes())
    monkeypatch.setattr(Path, "mkdir", denied)
    refused(capfd, restore(lite_run, "photos", "photos", "out", "--align", "none"), "out: Permission denied; ", "out: ")


def test_a_full_disk_leaves_nothing(folder, lite_run, capfd, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    before = snapshot(folder)
    monkeypatch.setattr(os, "fsync", full)
    refused(capfd, restore(lite_run), "out.png: No space left on device")
    assert snapshot(folder) == before


def test_auto_alignment_without_its_package(folder, lite_run, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    monkeypatch.setattr("faceinpaint.photo.detect.find_spec", lambda name: None)
    refused(capfd, restore(lite_run, "photo.png", "mask.png", "out.png", "--align", "auto"), "pip install mtcnn==1.0.0")
    refused(capfd, restore(lite_run, "absent.png", "mask.png", "out.png", "--align", "auto"), "absent.png")
    asked = ("photo.png", "mask.png", "out.png", "--eyes", "30,40,60,40", "--reference")
    refused(capfd, restore(lite_run, *asked, "photo.png"), "photo.png: finding its face needs the package mtcnn")
    refused(capfd, restore(lite_run, *asked, "absent.png"), "absent.png: no such file")
    Path("empty").mkdir()
    refused(capfd, restore(lite_run, "empty", "empty", "out", "--align", "auto"), "empty: holds no picture")
    Path("empty/photo.png").write_bytes(Path("photo.png").read_bytes())
    refused(capfd, restore(lite_run, "empty", "empty", "out", "--align", "auto"), "pip install mtcnn==1.0.0")
    assert not Path("out").exists()


def in_file(path) -> Image.Image:
    return Image.open(BytesIO(Path(path).read_bytes()))


def kept(before: Path, after: Path, mask) -> np.ndarray:
    """Asserts that two files hold the same pixels outside the bool `mask` and others inside; returns `after`'s."""
    old, new = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (before, after))
    assert (old.shape, old.dtype) == (new.shape, new.dtype)
    assert np.array_equal(old[~mask], new[~mask])
    assert not np.array_equal(old[mask], new[mask])
    return new


RGBA = np.dstack([colours(), np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))])
LOSSLESS = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
EXACT = {
    "rgb.png": encoded(),
    "grey.png": encoded(colours()[..., 0]),
    "grey_alpha.png": encoded(Image.fromarray(RGBA).convert("LA")),
    "rgba.png": encoded(RGBA),
    "rgb16.png": cv2.imencode(".png", colours().astype(np.uint16) * 251)[1].tobytes(),
    "grey16.png": cv2.imencode(".png", colours()[..., 0].astype(np.uint16) * 251)[1].tobytes(),
    "rgba16.png": cv2.imencode(".png", RGBA.astype(np.uint16) * 251)[1].tobytes(),
    "rgb.tif": encoded(kind="TIFF", compression="tiff_lzw"),
    "rgba.tif": encoded(RGBA, kind="TIFF"),
    "grey_alpha.tif": encoded(Image.fromarray(RGBA).convert("LA"), kind="TIFF"),
    "rgb16.tif": cv2.imencode(".tif", colours().astype(np.uint16) * 251)[1].tobytes(),
    "rgb.bmp": encoded(kind="BMP"),
    "rgb.ppm": encoded(kind="PPM"),
    "grey.pgm": encoded(colours()[..., 0], kind="PPM"),
    "lossless.webp": encoded(kind="WEBP", lossless=True),
    "lossy.webp": encoded(kind="WEBP", quality=80),
    "rgb.jp2": encoded(kind="JPEG2000"),
    "rgb16.jp2": cv2.imencode(".jp2", colours().astype(np.uint16) * 251, LOSSLESS)[1].tobytes(),
    "float.pfm": cv2.imencode(".pfm", colours().astype(np.float32) / 255)[1].tobytes(),
}


@pytest.mark.parametrize("name", EXACT)
def test_kind_depth_and_every_pixel_outside_the_hole_are_kept(name, folder, lite_run, capfd):
    Path(name).write_bytes(EXACT[name])
    assert restore(lite_run, photo=name, out=f"out{Path(name).suffix}") == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out == f"out{Path(name).suffix}: restored\n"
    kept(Path(name), Path(f"out{Path(name).suffix}"), hole())
    assert Path(name).read_bytes() == EXACT[name]
    if "alpha" in name or "rgba" in name:
        old, new = (np.asarray(in_file(path))[..., -1] for path in (name, f"out{Path(name).suffix}"))
        assert np.array_equal(new, old)
    if not name.endswith((".pfm", ".ppm", ".pgm")) and "16" not in name:
        assert in_file(name).mode == in_file(f"out{Path(name).suffix}").mode


def raw_tiff(pixels, photometric, together=True) -> bytes:
    """An uncompressed TIFF of `pixels` uint8 or uint16 [H, W, channels], or of each channel in a plane of its own."""
    height, width, samples = pixels.shape
    planes = [pixels] if together else list(np.moveaxis(pixels, -1, 0))
    data, bits = b"".join(plane.tobytes() for plane in planes), 8 * pixels.dtype.itemsize
    size, at = len(data) // len(planes), 8 + len(data)
    tags = {
        256: [width], 257: [height], 258: [bits] * samples, 259: [1], 262: [photometric], 277: [samples],
        273: [8 + size * i for i in range(len(planes))], 278: [height], 279: [size] * len(planes),
        284: [1 if together else 2], **({338: [2]} if samples in (2, 4) else {}),
    }  # fmt: skip
    far, entries = b"", b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        place = packed if len(values) == 1 else struct.pack("<I", at + len(far))
        entries += struct.pack("<HHI", tag, 4, len(values)) + place
        far += packed if len(values) > 1 else b""
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", at + len(far)) + data + far + directory


TEN_BITS = [cv2.IMWRITE_AVIF_DEPTH, 10]
DEEP = colours().astype(np.uint16) * 257
OWN_WHITE = {  # content, and what it shows
    "100.pgm": (b"P5\n# drawn\n200 160\n100\n" + np.uint8(colours()[..., 0] * (100 / 255)).tobytes(), np.uint8),
    "1023.ppm": (b"P6 200 160 1023\n" + (colours() * (1023 / 255)).astype(">u2").tobytes(), np.uint16),
    "ten.avif": (cv2.imencode(".avif", np.uint16(colours()[..., ::-1] * 4.01), TEN_BITS)[1].tobytes(), np.uint16),
    "negative.tif": (raw_tiff(65535 - DEEP[..., :1], photometric=0), np.uint16),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN_WHITE)
def test_a_picture_whose_white_is_its_own_keeps_its_look(name, folder, lite_run):
    content, depth = OWN_WHITE[name]
    Path(name).write_bytes(content)
    assert restore(lite_run, photo=name, out="out.png") == 0
    written = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)
    assert written.dtype == depth
    expected = colours()[..., ::-1] if written.ndim == 3 else colours()[..., 0]
    shown = written / (np.iinfo(depth).max / 255)
    assert np.abs(shown - expected)[~hole()].mean() < (6 if name == "ten.avif" else 3)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (raw_tiff(DEEP, photometric=2, together=False), "its colours lie apart, each in a plane of its own; save it"),
        (raw_tiff(DEEP[..., :2], photometric=1), "16 bits a channel, of which 8 would be left; save it as PNG"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(content, part, folder, lite_run, capfd):
    Path("photo.tif").write_bytes(content)
    refused(capfd, restore(lite_run, photo="photo.tif"), part, "photo.tif: ")


def test_a_mask_whose_white_is_1(folder, lite_run):
    assert restore(lite_run) == 0
    expected = Path("out.png").read_bytes()
    Path("mask.pgm").write_bytes(b"P5 200 160 1\n" + hole().astype(np.uint8).tobytes())
    assert restore(lite_run, mask="mask.pgm") == 0
    assert Path("out.png").read_bytes() == expected


def test_a_photo_in_the_place_of_its_mask_is_refused(folder, lite_run, capfd):
    grey = cv2.cvtColor(colours(), cv2.COLOR_RGB2GRAY)
    grey[HOLE] = 255
    Path("mask.png").write_bytes(encoded(grey))
    refused(capfd, restore(lite_run), "of it is grey, as of a photo; paint the damage white", "mask.png: ")


@pytest.mark.parametrize("level", [0, 255])
def test_what_is_wrong_with_a_mask_is_said_in_its_own_colour(level, folder, lite_run, capfd):
    Path("mask.png").write_bytes(mask_file(np.full((HEIGHT, WIDTH), level)))
    part = "nothing is darker than half" if level else "all of it is black; paint only the damage black"
    asked = ("photo.png", "mask.png", "out.png", "--eyes", EYES, "--damage", "black")
    refused(capfd, restore(lite_run, *asked), part, "mask.png: ")


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
def test_what_is_written_upright_says_so_in_its_xmp_as_well(kind, folder, lite_run):
    """EXIF and XMP both turn this JPEG; written upright, neither turns it again."""
    exif = Image.Exif()
    exif[274] = 6
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    Path("photo.jpg").write_bytes(encoded(kind="JPEG", exif=exif, xmp=xmp))
    Path("mask.png").write_bytes(mask_file(np.rot90(hole(), -1) * 255))
    out = f"out.{kind}"
    assert restore(lite_run, "photo.jpg", "mask.png", out, "--eyes", "90,70,90,120") == 0
    assert photo_read.read(Path(out)).shape == (WIDTH, HEIGHT)
    assert b'tiff:Orientation="6"' not in Path(out).read_bytes()


def test_a_reference_is_never_written_over_and_never_the_photo(folder, lite_run, capfd):
    Path("other.png").write_bytes(encoded(colours()[:, ::-1].copy()))
    asked = ("--eyes", EYES, "--reference-eyes", EYES, "--reference")
    before = snapshot(folder)
    part = "other.png: is other.png, which is never written over; give another -o"
    refused(capfd, restore(lite_run, "photo.png", "mask.png", "other.png", *asked, "other.png"), part)
    part = "photo.png: --reference is the photo itself, and would bring its damage back; give another"
    refused(capfd, restore(lite_run, "photo.png", "mask.png", "out.png", *asked, "photo.png"), part)
    twice = (*asked, "other.png", "--reference", "other.png")
    refused(capfd, restore(lite_run, "photo.png", "mask.png", "out.png", *twice), "1 for 2 photos")
    assert snapshot(folder) == before


def test_a_folder_that_is_not_there_and_a_folder_of_masks_for_the_results(folder, lite_run, capfd):
    Path("masks").mkdir()
    Path("photos").mkdir()
    Path("photos/a.jpg").write_bytes(JPEG)
    Path("masks/a.png").write_bytes(Path("mask.png").read_bytes())
    refused(capfd, restore(lite_run, "foto", "masks", "out"), "foto: no such file or folder; check its name")
    part = "masks: the folder of the masks; give another -o"
    refused(capfd, restore(lite_run, "photos", "masks", "masks", "--align", "none"), part)
    assert [path.name for path in Path("masks").iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("config.json", '{"size": 48}', "for pictures of 32 pixels, but config.json says 48"),
        ("config.json", '{"sise": 32}', "config.json: config: unknown key 'sise'"),
        ("config.json", None, "config.json: not there; restore it"),
    ],
)
def test_a_run_that_does_not_fit_its_config(name, content, part, folder, lite_run, capfd):
    run = Path(shutil.copytree(lite_run, folder / "run"))
    (run / name).unlink()
    if content:
        (run / name).write_text(content)
    assert restore(run) == 2
    captured = capfd.readouterr().err
    assert part in captured
    assert captured.count("\n") == 1


def test_a_name_that_the_console_has_no_letters_for(folder, lite_run, monkeypatch):
    console = TextIOWrapper(BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", console)
    Path("Łukasz.png").write_bytes(encoded())
    assert restore(lite_run, photo="Łukasz.png", out="Łukasz out.png") == 0
    console.flush()
    assert console.buffer.getvalue() == b"\\u0141ukasz out.png: restored\n"


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("one.png", encoded(Image.fromarray(colours()).convert("1")), "black and white only: written in grey"),
        ("palette.png", encoded(Image.fromarray(colours()).quantize(50)), "its palette holds too few colours"),
        ("animated.png", encoded(save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))]), "only the first"),
        ("pages.tif", encoded(kind="TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]), "only the first"),
    ],
)
def test_what_cannot_be_kept_is_said(name, content, note, folder, lite_run, capfd):
    Path(name).write_bytes(content)
    out = f"out{Path(name).suffix}"
    assert restore(lite_run, name, "mask.png", out, "--eyes", EYES, "--exact-mask") == 0
    printed = capfd.readouterr().err
    assert printed.startswith(f"faceinpaint: {name}: ")
    assert printed.count("\n") == 1
    assert note in printed
    old, new = (np.asarray(in_file(path).convert("RGB")) for path in (name, out))
    assert np.array_equal(old[~hole()], new[~hole()])


def test_an_animated_gif_gives_its_first_frame(folder, lite_run, capfd):
    first, second = Image.fromarray(colours()), Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0))
    Path("moving.gif").write_bytes(encoded(first, kind="GIF", save_all=True, append_images=[second]))
    assert restore(lite_run, photo="moving.gif") == 0
    assert "several pictures: only the first is restored" in capfd.readouterr().err
    old, new = (np.asarray(in_file(path).convert("RGB")) for path in ("moving.gif", "out.png"))
    assert np.array_equal(old[~hole()], new[~hole()])


LOSES = "out.{}: this kind of picture loses a little when it is written, outside the hole too; a .png keeps every pixel"


@pytest.mark.parametrize(
    ("photo", "mean"),
    [
        (colours()[..., 0], 0.1),  # 256 greys are a GIF's colours
        (Image.fromarray(colours()).quantize(40), 1),  # room is left for those in the hole
        (colours(), 8),
        (np.dstack([colours(), np.where(RGBA[..., 3] < 150, np.uint8(255), np.uint8(0))]), 8),
    ],
)
def test_a_gif_is_written_as_it_can_be_and_says_that_it_loses(photo, mean, folder, lite_run, capfd):
    Path("photo.png").write_bytes(encoded(photo))
    assert restore(lite_run, out="out.gif") == 0
    assert LOSES.format("gif") in capfd.readouterr().err
    old, new = (np.asarray(in_file(path).convert("RGBA")).astype(int) for path in ("photo.png", "out.gif"))
    assert np.array_equal(old[..., 3], new[..., 3])
    seen, difference = old[..., 3] > 0, np.abs(old - new)[..., :3]
    assert difference[seen & ~hole()].max() < 60
    assert difference[seen & ~hole()].mean() <= mean
    assert difference[hole()].mean() > 1


@pytest.mark.parametrize("pixels", ["grey", "colour", "alpha"])
def test_an_avif_stays_close_and_says_that_it_loses(pixels, folder, capfd):
    photo = {"grey": colours()[..., 0], "colour": colours(), "alpha": RGBA}[pixels]
    Path("photo.avif").write_bytes(encoded(photo, kind="AVIF", quality=95))
    before = Path("photo.avif").read_bytes()
    assert restore(WEIGHTS, photo="photo.avif", out="out.avif") == 0
    assert capfd.readouterr().err == f"faceinpaint: {LOSES.format('avif')}\n"
    old, new = (np.asarray(in_file(path)).astype(int) for path in ("photo.avif", "out.avif"))
    assert in_file("photo.avif").mode == in_file("out.avif").mode
    if pixels == "alpha":
        assert np.array_equal(old[..., 3], new[..., 3])
    difference = np.abs(old - new)
    assert difference[~hole()].max() < 12
    assert difference[~hole()].mean() < 1.5 < difference[hole()].mean()
    assert Path("photo.avif").read_bytes() == before


def test_cmyk(folder, lite_run, capfd):
    Path("inks.jpg").write_bytes(encoded(Image.fromarray(colours()).convert("CMYK"), kind="JPEG", quality=98))
    assert restore(lite_run, photo="inks.jpg") == 0
    assert "CMYK: written as RGB" in capfd.readouterr().err
    difference = np.abs(np.asarray(in_file("out.png")).astype(int) - colours())
    assert difference[~hole()].mean() < 3


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_a_jpeg_cut_by_a_few_bytes_is_recovered(cut, folder, lite_run, capfd):
    Path("cut.jpg").write_bytes(JPEG[:-cut])
    assert restore(lite_run, photo="cut.jpg") == 0
    assert "cut.jpg: cut short: recovered, but the last rows may be wrong" in capfd.readouterr().err
    whole, new = (np.asarray(Image.open(file)) for file in (BytesIO(JPEG), "out.png"))
    mask = hole()
    mask[-17:] = True  # the last blocks may be lost
    assert np.array_equal(whole[~mask], new[~mask])


def test_the_jpeg_keeps_its_quality_and_says_that_it_loses(folder, lite_run, capfd):
    for quality, subsampling in ((60, 2), (95, 0)):
        Path("photo.jpg").write_bytes(encoded(kind="JPEG", quality=quality, subsampling=subsampling))
        assert restore(lite_run, photo="photo.jpg", out="out.jpg") == 0
        assert "this kind of picture loses a little when it is written" in capfd.readouterr().err
        old, new = in_file("photo.jpg"), in_file("out.jpg")
        assert old.quantization == new.quantization
        assert [layer[1:3] for layer in old.layer] == [layer[1:3] for layer in new.layer]
        far = np.ones((HEIGHT, WIDTH), bool)
        far[48:96, 48:112] = False  # no block that the hole touches
        assert np.abs(np.asarray(old).astype(int) - np.asarray(new))[far].max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured_and_kept(orientation, folder, lite_run):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "grandmother"
    upright = colours()
    # How a camera held so stores the upright picture: the inverse of each of EXIF's eight ways to turn one.
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.swapaxes(0, 1),
        6: np.rot90(upright), 7: np.rot90(upright, 2).swapaxes(0, 1), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    for name in ("photo.png", "photo.webp"):
        options = {"lossless": True} if name.endswith("webp") else {}
        Path(name).write_bytes(
            encoded(np.ascontiguousarray(stored), Path(name).suffix[1:].upper(), exif=exif, **options)
        )
        out = f"out{Path(name).suffix}"
        assert restore(lite_run, photo=name, out=out) == 0
        new = cv2.cvtColor(cv2.imread(out), cv2.COLOR_BGR2RGB)  # OpenCV turns it
        assert np.array_equal(new[~hole()], upright[~hole()])
        assert not np.array_equal(new[hole()], upright[hole()])
        assert in_file(out).getexif()[0x0112] == orientation
        assert in_file(out).getexif()[0x010E] == "grandmother"
        assert in_file(out).size == in_file(name).size


def test_a_turned_jpeg_becomes_an_upright_png(folder, lite_run):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(colours()))
    Path("photo.jpg").write_bytes(encoded(stored, "JPEG", quality=98, exif=exif))
    assert restore(lite_run, photo="photo.jpg") == 0
    assert in_file("out.png").size == (WIDTH, HEIGHT)
    assert in_file("out.png").getexif().get(0x0112, 1) == 1


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def described(kind, pixels=None, **options) -> bytes:
    """A picture with all the metadata that its `kind` can hold."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "Box camera", "1926:05:01 12:00:00"
    exif[0x010E] = "Großmutter".encode()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0by the sea"
    options |= {"icc_profile": PROFILE} | ({} if kind == "WEBP" else {"dpi": (300, 300)})
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Title", "Portrait")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif kind == "TIFF":
        exif[700], exif[33723] = XMP, b"\x1c\x02\x78\x00\x03sea"
    else:
        options["xmp"] = XMP
    content = encoded(pixels, kind, exif=exif.tobytes(), **options)
    return content.replace(b"Gro??mutter", "Großmutter".encode())  # Pillow writes a TIFF's letters so


def still_described(path, kind):
    new = in_file(path)
    exif = Image.Image.getexif(new)
    assert (exif[0x010F], exif[0x0132]) == ("Box camera", "1926:05:01 12:00:00")
    assert exif[0x010E].encode("latin-1").decode() == "Großmutter"
    assert exif.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0by the sea"
    assert new.info["icc_profile"] == PROFILE
    assert new.info["xmp"] == XMP
    if kind != "WEBP":
        assert np.allclose([float(value) for value in new.info["dpi"]], 300, atol=0.1)
    if kind == "PNG":
        assert new.text["Title"] == "Portrait"
    if kind == "TIFF":
        assert new.tag_v2[33723] == b"\x1c\x02\x78\x00\x03sea"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_metadata_is_kept(kind, folder, lite_run, capfd):
    suffix = kind.lower()
    Path(f"photo.{suffix}").write_bytes(described(kind))
    assert restore(lite_run, photo=f"photo.{suffix}", out=f"out.{suffix}") == 0
    still_described(f"out.{suffix}", kind)
    assert "written without" not in capfd.readouterr().err


def deep(kind, channels, depth=np.uint16) -> bytes:
    """A picture of 16 bits, or float, in grey or colour, with metadata: Pillow writes such in grey alone, so that for
    colour its tags and chunks are put in by `photo_write`, from a picture in grey."""
    pixels = colours().astype(depth) * depth(251)
    grey = described(kind, pixels[..., 0])
    if channels == 1:
        return grey
    path = Path(f"grey.{kind.lower()}")
    path.write_bytes(grey)
    colour = photo_read.Picture(path, pixels, Image.open(BytesIO(grey)))
    photo_write.write(path, colour, pixels)
    return path.read_bytes()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_metadata_of_16_bits_is_kept(kind, channels, folder, lite_run, capfd):
    photo, out = f"photo.{kind.lower()}", f"out.{kind.lower()}"
    Path(photo).write_bytes(deep(kind, channels))
    still_described(photo, kind)
    assert restore(lite_run, photo=photo, out=out) == 0
    assert capfd.readouterr().err == ""
    still_described(out, kind)
    kept(Path(photo), Path(out), hole())
    assert in_file(out).mode == in_file(photo).mode
    in_file(out).load()  # Pillow finds the pixels as well


EVERYTHING = "EXIF, colour profile, resolution, XMP"


@pytest.mark.parametrize(
    ("kind", "depth", "channels", "out", "lost"),
    [
        ("PNG", np.uint16, 1, "out.ppm", f"{EVERYTHING}, texts"),
        ("PNG", np.uint16, 3, "out.pgm", f"{EVERYTHING}, texts"),
        ("PNG", np.uint16, 3, "out.jp2", f"{EVERYTHING}, texts"),
        ("PNG", np.uint16, 3, "out.tif", "texts"),
        ("TIFF", np.uint16, 3, "out.png", None),
        ("TIFF", np.float32, 1, "out.tif", None),
        ("TIFF", np.float32, 1, "out.pfm", EVERYTHING),
        ("TIFF", np.float32, 3, "out.tif", "metadata, if it has any"),
        ("PNG", np.uint8, 3, "out.bmp", "EXIF, colour profile, XMP, texts"),
        ("PNG", np.uint8, 3, "out.tif", "texts"),
        ("JPEG", np.uint8, 3, "out.tif", None),
        ("JPEG", np.uint8, 3, "out.png", None),
        ("JPEG", np.uint8, 3, "out.webp", "resolution"),
    ],
)
def test_what_metadata_another_kind_cannot_keep_is_said(kind, depth, channels, out, lost, folder, lite_run, capfd):
    photo = f"photo.{kind.lower()}"
    Path(photo).write_bytes(described(kind) if depth == np.uint8 else deep(kind, channels, depth))
    assert restore(lite_run, photo=photo, out=out) == 0
    said = f"faceinpaint: {photo}: not kept in a {out[3:]}: {lost}\n" if lost else ""
    assert capfd.readouterr().err == said
    kept(Path(photo), Path(out), hole())


def test_captions_stay_in_a_jpeg(folder, lite_run):
    block = b"\xff\xed\x00\x1bPhotoshop 3.0\x008BIM by the"
    Path("photo.jpg").write_bytes(JPEG[:20] + block + JPEG[20:])
    assert restore(lite_run, photo="photo.jpg", out="out.jpg") == 0
    assert block in Path("out.jpg").read_bytes()


def test_masks_of_every_kind(folder, lite_run):
    """Soft edges, 1 bit, palette, 16 bits, JPEG, white strokes on a transparent layer: all the same hole."""
    white, opaque = hole() * np.uint8(255), np.dstack([np.full((HEIGHT, WIDTH), 255, np.uint8), hole() * np.uint8(255)])
    soft = np.where(hole(), np.uint8(140), np.uint8(120))
    masks = [
        soft, white[..., None].repeat(3, axis=2), opaque, Image.fromarray(white).convert("1"),
        Image.fromarray(white).convert("P"), white.astype(np.uint16) * 257,
    ]  # fmt: skip
    assert restore(lite_run) == 0
    expected = Path("out.png").read_bytes()
    for mask in masks:
        Path("mask.png").write_bytes(encoded(mask))
        assert restore(lite_run) == 0
        assert Path("out.png").read_bytes() == expected
    Path("mask.jpg").write_bytes(encoded(white, "JPEG", quality=95))
    assert restore(lite_run, mask="mask.jpg") == 0
    kept(Path("photo.png"), Path("out.png"), hole())


def test_eyes_in_either_order_and_several_faces(folder, lite_run, capfd):
    assert restore(lite_run) == 0
    expected = Path("out.png").read_bytes()
    assert restore(lite_run, "photo.png", "mask.png", "out.png", "--eyes", "120,70,70,70,95,99") == 0
    assert Path("out.png").read_bytes() == expected
    assert restore(lite_run, "photo.png", "mask.png", "out.png", "--eyes", EYES, "--eyes", "170,20,190,20,180,32") == 0
    assert Path("out.png").read_bytes() == expected
    assert capfd.readouterr().err == ""


def test_a_celeba_crop_needs_no_eyes(folder, lite_run):
    """--align none on 178x218 is --eyes at CelebA's eyes."""
    image = cv2.resize(colours(), (178, 218))
    mask = np.zeros((218, 178), np.uint8)
    mask[100:120, 55:80] = 255
    Path("photo.png").write_bytes(encoded(image))
    Path("mask.png").write_bytes(encoded(mask))
    assert restore(lite_run, "photo.png", "mask.png", "one.png", "--align", "none") == 0
    assert restore(lite_run, "photo.png", "mask.png", "two.png", "--eyes", "69,111,108,111") == 0
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()


def test_a_suffix_that_lies_and_an_output_folder(folder, lite_run):
    Path("photo.jpg").write_bytes(encoded())  # a PNG
    (folder / "done").mkdir()
    assert restore(lite_run, photo="photo.jpg", out="done/out.png") == 0
    kept(Path("photo.jpg"), Path("done/out.png"), hole())
    assert restore(lite_run, photo="photo.png", out="done") == 0
    assert Path("done/photo.png").read_bytes() == Path("done/out.png").read_bytes()


def test_folders(folder, lite_run, capfd):
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    for name in ("a.png", "b.png", "c.bmp", "d.png", "notes.txt"):
        Path("photos", name).write_bytes(encoded(kind="BMP" if name == "c.bmp" else "PNG"))
    Path("photos/b.png").write_bytes(HTML)
    for name in ("a.png", "b.png", "c.png"):
        Path("masks", name).write_bytes(Path("mask.png").read_bytes())
    before = snapshot("photos"), snapshot("masks")
    assert restore(lite_run, "photos", "masks", "out", "--align", "none") == 2
    captured = capfd.readouterr()
    assert "out: 2 of 4 photos restored\n" in captured.out
    lines = [line for line in captured.err.splitlines() if line.startswith("faceinpaint: ")]
    assert len(lines) == 4
    assert lines.pop(0) == "faceinpaint: photos: passed over, for their names are no pictures': notes.txt"
    assert lines[0] == "faceinpaint: photos/b.png: a web page, not a picture; download the picture itself"
    assert lines[1].startswith("faceinpaint: photos/d.png: no mask of this name in masks; exactly one is needed")
    assert lines[2].startswith("faceinpaint: photos: 2 of 4 photos not restored")
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c.bmp"]
    kept(Path("photos/c.bmp"), Path("out/c.bmp"), hole())
    assert (snapshot("photos"), snapshot("masks")) == before
    for name in ("b.png", "d.png"):
        Path("photos", name).unlink()
    assert restore(lite_run, "photos", "masks", "out", "--align", "none") == 0


@pytest.mark.parametrize(
    ("photos", "masks", "out", "options", "part"),
    [
        ("empty", "masks", "out", ["--align", "none"], "empty: holds no picture"),
        ("photos", "masks", "out", ["--eyes", EYES], "--eyes: names the eyes of one photo"),
        ("photos", "masks", "none/out", ["--align", "none"], "none/out: not a folder, nor one that can be made"),
        ("photos", "masks", "mask.png", ["--align", "none"], "mask.png: not a folder"),
        ("photos", "mask.png", "out", ["--align", "none"], "mask.png: not a folder, but photos is one"),
        ("photos", "masks", "photos", ["--align", "none"], "1 of 1 photos not restored"),
    ],
)
def test_bad_folders(photos, masks, out, options, part, folder, lite_run, capfd):
    for name in ("photos", "masks", "empty"):
        (folder / name).mkdir()
    Path("photos/a.png").write_bytes(encoded())
    Path("masks/a.png").write_bytes(Path("mask.png").read_bytes())
    before = snapshot(folder)
    assert restore(lite_run, photos, masks, out, *options) == 2
    assert part in capfd.readouterr().err
    assert snapshot(folder) == before


def python(*arguments, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(Path(faceinpaint.__file__).parent.parent)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, **options)


@pytest.mark.parametrize(
    ("photo", "eyes", "code", "printed"),
    [
        ("photo.png", EYES, 0, ""),
        ("bad.png", EYES, 2, "faceinpaint: bad.png: a web page, not a picture; download the picture itself\n"),
        ("cut.png", EYES, 2, "faceinpaint: cut.png: not a picture that can be read, or damaged; get a whole copy"),
        ("photo.png", "1,2,3", 2, "faceinpaint: --eyes 1,2,3: not four numbers; give both eyes' centres"),
    ],
)
def test_as_a_program(photo, eyes, code, printed, folder, lite_run):
    Path("bad.png").write_bytes(HTML)
    Path("cut.png").write_bytes(encoded()[:3000])
    arguments = ["restore", photo, "mask.png", "-o", "out.png", "--eyes", eyes, "--run", str(lite_run)]
    run = python("-m", "faceinpaint", *arguments, "--no-other-half")
    assert run.returncode == code
    assert run.stderr.startswith(printed)
    assert run.stderr.count("\n") == (1 if printed else 0)
    assert Path("out.png").exists() == (code == 0)


def test_restoring_imports_nothing_heavy(folder, lite_run):
    arguments = ["restore", "photo.png", "mask.png", "-o", "out.png", "--eyes", EYES, "--run", str(lite_run)]
    code = f"""import sys
from faceinpaint.__main__ import main
assert main({arguments}) == 0
print(*{{"tensorflow", "keras", "matplotlib", "mtcnn"}} & set(sys.modules))"""
    run = python("-c", code)
    told = "detail for the left eye was taken from the right one; --no-other-half leaves it out"
    expected = (0, "out.png: restored\n\n", f"faceinpaint: photo.png: {told}\n")
    assert (run.returncode, run.stdout, run.stderr) == expected


def test_importing_what_restores_and_paints_imports_nothing_heavy():
    code = """import sys
import faceinpaint.lite, faceinpaint.paint.server, faceinpaint.photo.command
print(*{"tensorflow", "keras", "matplotlib", "skimage", "mtcnn"} & set(sys.modules))"""
    run = python("-c", code)
    assert (run.returncode, run.stdout, run.stderr) == (0, "\n", "")


def test_the_cold_start_is_measured(lite_run, monkeypatch):
    from faceinpaint.bench import cold_start

    monkeypatch.setattr(cold_start, "KERAS", cold_start.LITE)  # Keras takes seconds to start
    seconds = cold_start.cold_start(lite_run, repeats=1)
    assert list(seconds) == ["LiteRT", "Keras"]
    assert all(values.shape == (1,) and values[0] > 0.1 for values in seconds.values())


def test_a_large_photo_is_measured_in_seconds_and_memory(monkeypatch):
    from faceinpaint.bench import cold_start

    monkeypatch.setattr(cold_start, "LARGE", 600)
    seconds, peak = cold_start.large_photo(repeats=1)
    assert 0.1 < seconds[0] < 60
    assert 0.05 < peak < 1.5


# Photographs as people have them.


def said(capfd) -> str:
    return capfd.readouterr().err


def test_erased_damage_is_opaque_where_it_is_mended(folder, lite_run, capfd):
    erased = np.dstack([colours(), np.where(hole(), 0, 255).astype(np.uint8)])
    Path("photo.png").write_bytes(encoded(erased))
    assert restore(lite_run) == 0
    assert "transparent in the hole: opaque there now" in said(capfd)
    assert (np.asarray(in_file("out.png"))[..., 3] == 255).all()


@pytest.mark.parametrize(("around", "inside", "becomes"), [(255, 20, 255), (128, 0, 128), (128, 128, 128)])
def test_a_softly_erased_hole_becomes_as_opaque_as_the_rest(around, inside, becomes, folder, lite_run):
    alpha = np.where(hole(), inside, around).astype(np.uint8)
    alpha[:20] = 0  # what was never there counts for nothing
    Path("photo.png").write_bytes(encoded(np.dstack([colours(), alpha])))
    assert restore(lite_run) == 0
    assert (np.asarray(in_file("out.png"))[..., 3][hole()] == becomes).all()


@pytest.mark.parametrize("kind", ["inverted", "a white layer with a transparent hole"])
def test_an_inverted_mask_is_asked_about(kind, folder, lite_run, capfd):
    assert restore(lite_run) == 0
    expected = Path("out.png").read_bytes()
    Path("out.png").unlink()
    capfd.readouterr()
    black = np.where(hole(), 0, 255).astype(np.uint8)
    mask = black if kind == "inverted" else np.dstack([np.full_like(black, 255), black])
    Path("mask.png").write_bytes(encoded(mask))
    advice = "98% of the photo. Is it inverted? If so, add --damage black"
    refused(capfd, restore(lite_run), advice, "mask.png: white on")
    assert not Path("out.png").exists()
    assert restore(lite_run, "photo.png", "mask.png", "out.png", "--eyes", EYES, "--damage", "black") == 0
    assert Path("out.png").read_bytes() == expected
    assert restore(lite_run, "photo.png", "mask.png", "all.png", "--eyes", EYES, "--damage", "white") == 0


def test_a_soft_edge_is_damage_as_well(folder, lite_run):
    soft = cv2.GaussianBlur(np.float32(hole()), (0, 0), 2)
    Path("mask.png").write_bytes(mask_file(np.rint(soft * 255)))
    assert restore(lite_run, "photo.png", "mask.png", "out.png", "--eyes", EYES, "--exact-mask") == 0
    changed = (np.asarray(in_file("out.png")) != colours()).any(axis=2)
    assert not changed[soft < 0.1].any()
    assert changed[(soft > 0.15) & (soft < 0.5)].mean() > 0.8


def tight(sigma=1.5, width=8):
    """A photo with a white scratch whose edges are soft, and how white it is in each pixel."""
    soft = np.zeros((HEIGHT, WIDTH), np.float32)
    soft[40 : 40 + width, 20:180] = 1
    soft = cv2.GaussianBlur(soft, (0, 0), sigma)[..., None]
    return np.rint((0.6 * colours()) * (1 - soft) + 255 * soft).astype(np.uint8), soft[..., 0]


def test_a_mask_that_is_too_tight_is_widened_and_said(folder, lite_run, capfd):
    damaged, soft = tight()
    Path("photo.png").write_bytes(encoded(damaged))
    Path("mask.png").write_bytes(mask_file(255 * (soft > 0.5)))
    assert restore(lite_run) == 0
    assert "the damage shows up to" in said(capfd)
    clean = 0.6 * colours()
    left = np.abs(np.asarray(in_file("out.png")) - clean)[(soft > 0.05) & (soft < 0.5)]
    assert left.mean() < 6 < np.abs(damaged - clean)[(soft > 0.05) & (soft < 0.5)].mean()
    assert restore(lite_run, "photo.png", "mask.png", "out.png", "--eyes", EYES, "--exact-mask") == 0
    assert said(capfd) == ""
    kept(Path("photo.png"), Path("out.png"), soft > 0.5)


def test_damage_that_goes_on_beyond_its_mask_is_said(folder, lite_run, capfd):
    damaged, soft = tight(sigma=8, width=40)
    Path("photo.png").write_bytes(encoded(damaged))
    Path("mask.png").write_bytes(mask_file(255 * (soft > 0.8)))
    assert restore(lite_run) == 0
    assert "the damage goes on beyond the mask" in said(capfd)
    kept(Path("photo.png"), Path("out.png"), soft > 0.8)


def test_what_jpeg_smears_of_white_damage_is_mended_and_said(folder, lite_run, capfd):
    scratch = np.zeros((HEIGHT, WIDTH), bool)
    scratch[100:104, 20:180] = True
    damaged = np.where(scratch[..., None], 255, 0.6 * colours()).astype(np.uint8)
    Path("mask.png").write_bytes(mask_file(255 * scratch))
    Path("photo.jpg").write_bytes(encoded(damaged, "JPEG", quality=80))
    assert restore(lite_run, "photo.jpg", "mask.png", "out.png", "--eyes", EYES) == 0
    assert "the damage shows up to 1 pixel beyond the mask" in said(capfd)
    Path("photo.png").write_bytes(encoded(damaged))
    assert restore(lite_run) == 0
    assert "the damage" not in said(capfd)


def with_thumbnail() -> bytes:
    """EXIF with a maker's note, and a thumbnail that is a JPEG."""
    exif = Image.Exif()
    exif[0x010F] = "Box camera"
    exif.get_ifd(0x8769)[0x927C] = b"maker's own"
    content, thumbnail = exif.tobytes(), b"\xff\xd8the damage\xff\xd9"
    start = 6 if content.startswith(b"Exif") else 0
    order = "<" if content[start : start + 2] == b"II" else ">"
    first = struct.unpack_from(order + "I", content, start + 4)[0]
    end = start + first + 2 + 12 * struct.unpack_from(order + "H", content, start + first)[0]
    second = len(content) - start
    content = content[:end] + struct.pack(order + "I", second) + content[end + 4 :]
    tags = struct.pack(order + "HHII", 513, 4, 1, second + 30) + struct.pack(order + "HHII", 514, 4, 1, len(thumbnail))
    return content + struct.pack(order + "H", 2) + tags + struct.pack(order + "I", 0) + thumbnail


def test_no_thumbnail_of_the_damage_is_left(folder, lite_run):
    block = b"Photoshop 3.0\x008BIM\x04\x0c\0\0" + struct.pack(">I", 10) + b"the damage"
    block += b"8BIM\x04\x04\0\0\0\0\0\x02by"
    app13 = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    photo = encoded(kind="JPEG", quality=90, exif=with_thumbnail())
    Path("photo.jpg").write_bytes(photo[:2] + app13 + photo[2:])
    assert Path("photo.jpg").read_bytes().count(b"the damage") == 2
    assert restore(lite_run, photo="photo.jpg", out="out.jpg") == 0
    content = Path("out.jpg").read_bytes()
    assert b"the damage" not in content
    assert b"8BIM\x04\x04" in content
    exif = in_file("out.jpg").getexif()
    assert exif[0x010F] == "Box camera"
    assert exif.get_ifd(0x8769)[0x927C] == b"maker's own"
    assert not exif.get_ifd(1)


def test_lab_colours_are_refused(folder, lite_run, capfd):
    Path("photo.tif").write_bytes(encoded(Image.new("LAB", (WIDTH, HEIGHT), (120, 140, 150)), kind="TIFF"))
    code = restore(lite_run, photo="photo.tif", out="out.tif")
    refused(capfd, code, "Lab colours, which would shift; save it in RGB")


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_transparent_grey_stays_transparent(depth, folder, lite_run):
    grey = colours()[..., 0].astype(depth)
    grey[:10] = 7
    Path("photo.png").write_bytes(encoded(grey, transparency=7))
    assert restore(lite_run) == 0
    new = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)
    assert (new[..., 3] == np.where(grey == 7, 0, np.iinfo(depth).max)).all()
    assert np.array_equal(new[~hole(), 0], grey[~hole()])


def chunk(name, content) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_how_a_pngs_values_are_shown_is_kept_or_said(folder, lite_run, capfd):
    chunks = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"cICP", bytes([9, 16, 0, 1]))
    Path("photo.png").write_bytes(encoded()[:33] + chunks + encoded()[33:])
    assert restore(lite_run) == 0
    assert chunks in Path("out.png").read_bytes()
    assert said(capfd) == ""
    kept(Path("photo.png"), Path("out.png"), hole())
    assert restore(lite_run, out="out.tif") == 0
    assert "gamma, coding of colours, without which it may look different" in said(capfd)


GAIN_MAP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"
xmlns:C="http://ns.google.com/photos/1.0/container/" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="sea">
<C:Directory><rdf:Seq/></C:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""
MOTION = GAIN_MAP.replace(b"adobe.com/hdr-gain-map/1.0/", b"google.com/photos/1.0/camera/")
MOTION = MOTION.replace(b"Version", b"MotionPhoto")


@pytest.mark.parametrize(("xmp", "part"), [(GAIN_MAP, "Ultra HDR: its gain map"), (MOTION, "a motion photo: its film")])
def test_what_comes_along_with_a_jpeg_is_said_and_no_longer_announced(xmp, part, folder, lite_run, capfd):
    Path("photo.jpg").write_bytes(encoded(kind="JPEG", quality=90, xmp=xmp) + b"and more")
    assert restore(lite_run, photo="photo.jpg", out="out.jpg") == 0
    assert part in said(capfd)
    new = in_file("out.jpg").info["xmp"]
    assert b"sea" in new
    assert not re.search(rb"Directory|MotionPhoto|Version", new)
    assert restore(lite_run, photo="out.jpg", out="again.jpg") == 0
    assert part not in said(capfd)


def dng() -> bytes:
    return encoded(kind="TIFF", tiffinfo={50706: b"\1\4\0\0"})


UNREADABLE = {
    "IMG_1.HEIC": (
        b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(200),
        "HEIC, which is not readable here; save it as JPEG",
    ),
    "IMG_2.dng": (dng(), "a camera's raw file; save it as TIFF or JPEG"),
    "renamed.tif": (dng(), "a camera's raw file"),
    "IMG_3.CR2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(200), "a camera's raw file"),
    "a.psd": (b"8BPS\0\1" + bytes(200), "a Photoshop file; save it as PNG"),
    "a.jxl": (b"\xff\x0a" + bytes(200), "JPEG XL"),
    "film.png": (b"\0\0\0\x18ftypqt  " + bytes(200), "a film; save one picture"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_not_readable_here_is_named(name, folder, lite_run, capfd):
    content, part = UNREADABLE[name]
    Path(name).write_bytes(content)
    refused(capfd, restore(lite_run, photo=name), part, f"{name}: ")


def test_a_folder_as_phones_and_macs_leave_it(folder, lite_run, capfd):
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    composed, decomposed = "Gro\u00dfmu\u0308tterchen.png", "Gro\u00dfm\u00fctterchen.png"
    Path("photos", composed).write_bytes(encoded())
    Path("masks", decomposed).write_bytes(Path("mask.png").read_bytes())
    Path("photos/x.jfif").write_bytes(JPEG)
    Path("masks/x.png").write_bytes(Path("mask.png").read_bytes())
    Path("photos/._x.jfif").write_bytes(b"\0\5\x16\7")
    assert restore(lite_run, "photos", "masks", "out", "--align", "none") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == sorted([composed, "x.jfif"])
    assert "out: 2 of 2 photos restored" in capfd.readouterr().out
    Path("photos/IMG_1.HEIC").write_bytes(UNREADABLE["IMG_1.HEIC"][0])
    assert restore(lite_run, "photos", "masks", "out", "--align", "none") == 2
    captured = capfd.readouterr()
    assert "photos/IMG_1.HEIC: HEIC, which is not readable here" in captured.err
    assert "out: 2 of 3 photos restored" in captured.out


@pytest.mark.parametrize("eyes", ["-5,70,40,70", "180,70,230,75", "70,-20,120,-20"])
def test_an_eye_may_lie_beyond_the_edge_of_a_torn_photo(eyes, folder, lite_run, capfd):
    assert restore(lite_run, "photo.png", "mask.png", "out.png", "--eyes", eyes) == 0
    kept(Path("photo.png"), Path("out.png"), hole())
