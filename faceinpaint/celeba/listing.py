"""Lists of faces: which images, known by their bytes, a set of weights was trained, validated and tested on.

The list of the weights that come with the package lies beside them. A list names each image and keeps the length and
the CRC-32 of its encoded file. So the same faces are found wherever CelebA comes from: in files with other names, and
in TensorFlow Datasets, which keeps none.
"""

import csv
import gzip
import io
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from faceinpaint.config import UserError
from faceinpaint.system import files, progress

PARTS = ("train", "validation", "test")  # in the order of CelebA's partition numbers 0, 1, 2
LISTED = Path(__file__).parents[1] / "weights" / "faces.csv.gz"  # the faces of the weights that come with the package
MIN_FOUND = 0.5  # fraction of a list; a source with fewer of its faces is not what the list is of
MIN_NAMED = 0.99  # fraction of a list; where fewer files have the bytes that their names promise, all are looked at
PROBE = 300  # files looked at first where names say nothing: of CelebA's images one in ten is listed

# Two test photographs that were trained on as well, under another number, and a validation face that was: left out.
# Test photographs 197963 and 200806 are one picture too; neither was trained on, and both stay.
DUPLICATES = {"188788.jpg": "023509.jpg", "188291.jpg": "009014.jpg", "166224.jpg": "049822.jpg"}


class Face(NamedTuple):
    """One line of a list: an image's part, its name, and the length and CRC-32 of its encoded file."""

    part: str
    name: str
    length: int
    checksum: int


def read(path: Path) -> list[Face]:
    """The faces of the list `path`. Raises `UserError` when it cannot be read as one."""
    try:
        with gzip.open(path, "rt", newline="") as lines:
            faces = [Face(part, name, int(length), int(crc, 16)) for part, name, length, crc in csv.reader(lines)]
        if not faces:
            raise ValueError("empty")
        if unknown := {face.part for face in faces}.difference(PARTS):
            raise ValueError(f"a part '{min(unknown)}', which is none of {', '.join(PARTS)}")
        return faces
    except (OSError, EOFError, ValueError, zlib.error, csv.Error) as error:
        raise UserError(f"{path}: not a list of faces ({error}); install it anew, or use --split official") from error


def fingerprint(path: Path) -> str:
    """Changes when the list `path` does. Raises `UserError` when there is none."""
    if not Path(path).is_file():
        raise UserError(f"--split {path}: no such file; it takes listed, official, or a list of faces")
    return f"{Path(path).name} {zlib.crc32(Path(path).read_bytes()):08x}"


def write(path: Path, faces: Iterable[Face]) -> None:
    """Writes `faces` to `path`, the same bytes for the same faces."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((*face[:3], f"{face.checksum:08x}") for face in faces)
    files.write_bytes(path, gzip.compress(text.getvalue().encode(), mtime=0))


def find(faces: list[Face], source) -> tuple[dict[str, str], str] | None:
    """Where `faces` are in `source`: name → what `source` calls the image, and how they were found, in a few words.

    By their bytes, first where names say that they are, then anywhere. By their names alone where no file has their
    bytes: the images are CelebA's, saved anew. None where `source` has less than half of them.
    """
    stems = {Path(name).stem: name for name in source.names}
    by_name = {face.name: stems[stem] for face in faces if (stem := Path(face.name).stem) in stems}
    by_bytes = _matching(faces, source, list(by_name.values()))
    if len(by_bytes) < MIN_NAMED * len(faces) and (
        source.is_celeba or _matching(faces, source, source.sampled_names(PROBE))
    ):
        by_bytes = _matching(faces, source, source.names)
    wanted = MIN_FOUND * len(faces)
    if len(by_bytes) >= wanted:
        return by_bytes, "those listed with the weights"
    return (by_name, "those listed with the weights by name, in other files") if len(by_name) >= wanted else None


def _matching(faces: list[Face], source, names: list[str]) -> dict[str, str]:
    """Of `faces`, those whose bytes are among the images `names` of `source`: name → what `source` calls it."""
    waiting = defaultdict(list)  # a picture may be listed twice, under two names
    for face in reversed(faces):
        waiting[face.length, face.checksum].append(face.name)
    found = {}
    checksums = source.checksums(names)
    for name, *bytes_ in progress.shown(checksums, total=len(names), desc="looking for listed faces", unit="file"):
        if same := waiting.get(tuple(bytes_)):
            found[same.pop()] = name
    return found
