"""Which image is for training, which for validation, which for the test, and in which order they are used."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faceinpaint.celeba import listing
from faceinpaint.celeba.listing import PARTS
from faceinpaint.config import Config, UserError

PARTITION_FILES = ("list_eval_partition.txt", "list_eval_partition.csv")
CELEBA_HOME = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
OFFICIAL_NAME = re.compile(r"(\d{6})\.(jpg|png)")
TFDS_NAME = re.compile(r"(train|validation|test)-(\d{6})")  # an image's place in its official part; see `sources`
LAST_TRAIN, LAST_VALIDATION, LAST_TEST = 162_770, 182_637, 202_599  # CelebA's official partition, by image number


@dataclass(frozen=True)
class Plan:
    """What is to be prepared of a source.

    Attributes:
        names: part → the images' names, in the order in which they are used.
        files: part → what the source calls these images, in the same order.
        is_celeba: they are CelebA's aligned images, 178x218.
        note: how the faces were chosen, a clause for the description; empty where the names decided.
    """

    names: dict[str, list[str]]
    files: dict[str, list[str]]
    is_celeba: bool
    note: str


def plan(source, listed: Path | None) -> Plan:
    """The plan for `source`: the faces of the list `listed`, where it has at least half of them, else all its images,
    by CelebA's official partition or by a hash of their names (`split`)."""
    faces = listing.read(listed) if listed else []
    if faces and (found := listing.find(faces, source)):
        return _as_listed(faces, *found)
    parts = split(sorted(source.names, key=_order), source.partition)
    return Plan(parts, parts, source.is_celeba, "")


def _as_listed(faces: list[listing.Face], found: dict[str, str], note: str) -> Plan:
    names = {part: [face.name for face in faces if face.part == part and face.name in found] for part in PARTS}
    files = {part: [found[name] for name in names[part]] for part in PARTS}
    missing = {part: sum(face.part == part for face in faces) - len(names[part]) for part in PARTS}
    if any(missing.values()):
        lacks = ", ".join(f"{count} {part}" for part, count in missing.items() if count)
        note += f" but for {lacks} images, which are not here"
    return Plan(names, files, True, note)


def celeba_number(name: str) -> int | None:
    """CelebA's number of an image file `name`, 1 to 202,599, or None for any other name."""
    match = OFFICIAL_NAME.fullmatch(PurePosixPath(name).name)
    number = int(match[1]) if match else 0
    return number if 1 <= number <= LAST_TEST else None


def hash_fraction(name: str) -> float:
    """A number in [0, 1) that depends on the file name alone (SHA-256), so that adding a file changes no other's."""
    return int.from_bytes(hashlib.sha256(PurePosixPath(name).name.encode(errors="replace")).digest()[:6], "big") / 2**48


def _order(name: str) -> tuple:
    """Sorts CelebA's images by number and others by hash: the first few of a big folder are then a fair sample."""
    if TFDS_NAME.fullmatch(name):
        return 0, name
    return celeba_number(name) or hash_fraction(name), name


def parse_partition(text: str, path: str) -> dict[str, str]:
    """CelebA's `list_eval_partition`, as .txt ("000001.jpg 0") or Kaggle's .csv → {"000001": "train", …}."""
    rows = [line.replace(",", " ").rsplit(maxsplit=1) for line in text.splitlines()]
    found = {Path(row[0]).stem: PARTS[int(row[1])] for row in rows if len(row) == 2 and row[1] in ("0", "1", "2")}
    if not found:
        raise UserError(f"{path}: not CelebA's partition list; get it again from {CELEBA_HOME} or delete it")
    return found


def part_of(name: str, partition: dict[str, str]) -> str:
    """The part an image belongs to: by the partition list, else by CelebA's number or TFDS's name, else by a hash of
    its name (92.5 % train, 2.5 % validation, 5 % test)."""
    if (stem := Path(name).stem) in partition:
        return partition[stem]
    if number := celeba_number(name):
        return PARTS[(number > LAST_TRAIN) + (number > LAST_VALIDATION)]
    if place := TFDS_NAME.fullmatch(name):
        return place[1]
    return PARTS[sum(hash_fraction(name) >= start for start in (0.925, 0.95))]


def split(names: Iterable[str], partition: dict[str, str]) -> dict[str, list[str]]:
    """Every image's part. `names` are in order of use, and stay so.

    Where a source has no test (validation) faces of its own, the last tenth (then the last eighteenth) of its
    training faces are taken, no more than the paper needs: the sample's 999 become 850, 50 and 99 (a person may then
    be in two parts, which the official parts exclude). This does not depend on how many images are asked for, so a
    face that one experiment trains on is no other's test.
    """
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in names:
        parts[part_of(name, partition)].append(name)
    train = parts["train"]
    for part, share, most in (("test", 10, Config.test_images), ("validation", 18, Config.validation_images)):
        if not parts[part]:
            first = len(train) - min(len(train) // share, most)
            parts[part], train[first:] = train[first:], []
    return parts
