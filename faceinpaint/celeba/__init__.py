"""CelebA, or any other images: split into training, validation and test faces, decoded once, kept as arrays on disk.

What lives here: where images come from (`sources`, `archives`), which of them are used, for what and in which order
(`partition`, and `listing` for the faces of the weights that come with the package), how they are decoded (`decoding`)
and kept (`cache`). Preparing cuts the centre square of every image (178x178 of CelebA's 178x218) and, where it has
another side, resamples it, once: by area where it shrinks. The result, `data/cache/<source>-<size>`, is memory-mapped
from then on. No TensorFlow at import.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceinpaint.celeba import cache, listing, partition, sources
from faceinpaint.celeba.cache import row_reader
from faceinpaint.celeba.decoding import centre_square, decode
from faceinpaint.celeba.partition import CELEBA_HOME, PARTS
from faceinpaint.celeba.sources import Source
from faceinpaint.config import WHOLE_SIDE, Config, UserError
from faceinpaint.system.downloads import data_folder

__all__ = ["PARTS", "Faces", "centre_square", "originals", "prepare", "row_reader", "shown_faces", "write_list"]

CODE_VERSION = 2  # raise it whenever the prepared pixels, the split or the files change
PAPER = Config()
LISTED, OFFICIAL = "listed", "official"  # values of `split`


@dataclass(frozen=True)
class Faces:
    """Prepared faces, RGB uint8 [N, side, side, 3], memory-mapped read-only: nothing is loaded until it is used.

    Attributes:
        folder: where the arrays lie.
        train: side min(2 * size, 178) for CelebA, so that a random framing can be cut; 2 * size for other images.
        validation, test: side 178 for CelebA, its original pixels; 2 * size for other images.
        names: part → file names, in the arrays' order; CelebA's own where the faces are listed ones.
        files: part → what the source calls them, in the same order.
        description: one line: what was found, and how many.
    """

    folder: Path
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    names: dict[str, list[str]]
    files: dict[str, list[str]]
    description: str


def prepare(data: str = "auto", config: Config = PAPER, root: Path | None = None, split: str | Path = LISTED) -> Faces:
    """Finds, splits and decodes the images that `data` names, or maps what an earlier call prepared.

    Prints the description, and its progress while it decodes. Images that cannot be read are left out, listed in the
    cache's rejects.txt, and replaced by the next of their part as long as there are any.

    Args:
        data: "auto", "sample", "tfds", or the path of an archive or folder of images. See `sources.find`.
        config: its size, image counts and batch size matter here.
        root: holds downloads and the cache; `data_folder()` unless given.
        split: "listed", of CelebA the faces that the weights of this package were made with; "official", the first
            of its official parts by number; or the path of another list, as `write_list` writes it. Where there is no
            CelebA, or less than half of a list, the names of the files decide.

    Raises:
        UserError: the source is missing, broken or not what its name says, more than 1 % of the images (and more than
            one) cannot be read, or there are fewer training images than one batch.
    """
    asked, root = cache.asked(config), Path(root or data_folder())
    try:
        source = sources.find(data, root)
        listed = {LISTED: listing.LISTED, OFFICIAL: None}.get(split, split)
        folder = root / "cache" / _cache_name(source, config, split)
        wanted = {"code_version": CODE_VERSION, "source": source.fingerprint(), "size": config.size, "asked": asked}
        wanted["split"] = listing.fingerprint(listed) if listed else OFFICIAL
        while (opened := cache.opened(folder, wanted)) is None:
            cache.build(folder, source, partition.plan(source, listed), config, wanted)
    except OSError as error:
        name, reason = error.filename or root / "cache", error.strerror or error
        raise UserError(f"{name}: {reason}; check the disk, and that it may be read and written") from error
    faces = _faces(folder, *opened, source, asked)
    cache.check_batch(len(faces.train), source, config)
    print(faces.description)
    return faces


def _cache_name(source: Source, config: Config, split: str | Path) -> str:
    name = f"{source.label}-{config.size}"
    return name if split == LISTED else f"{name}-{Path(split).name.partition('.')[0]}"


def _faces(folder: Path, arrays: dict, described: dict, rejects: int, source: Source, asked: dict[str, int]) -> Faces:
    """The first faces of what is prepared in `folder`, as many of each part as are `asked` for."""
    arrays = {part: arrays[part][:count] for part, count in asked.items()}
    names, files = ({part: described[key][part][:count] for part, count in asked.items()} for key in ("names", "files"))
    counts = {part: len(arrays[part]) for part in PARTS}
    description = _description(source, asked, counts, rejects, described["note"])
    return Faces(folder, **arrays, names=names, files=files, description=description)


def _description(source: Source, asked: dict[str, int], found: dict[str, int], rejects: int, note: str) -> str:
    line = (
        f"{source.title}: {found['train']} training, {found['validation']} validation and {found['test']} test images"
    )
    if note:
        line += f", {note}"
    elif any(found[part] < asked[part] for part in PARTS):
        line += f" ({asked['train']}, {asked['validation']} and {asked['test']} asked for)"
    if rejects:
        line += f", {rejects} unreadable left out"
    if source.label == "sample":
        line += f"; for all 202,599 faces put img_align_celeba.zip from {CELEBA_HOME} into data/celeba"
    return line


def originals(faces: Faces, part: str, data: str = "auto", root: Path | None = None) -> np.ndarray:
    """The whole pictures of the `part` of `faces`, uncut, in the same order: uint8 RGB [N, H, W, 3], 218x178 of CelebA.

    data, root: as `prepare` was given them. Raises `UserError` where they are not all of one size.
    """
    source, files = sources.find(data, Path(root or data_folder())), faces.files[part]
    pictures = {file: decode(encoded) for file, encoded in source.read(files)}
    if len({picture.shape for picture in pictures.values()}) != 1:
        raise UserError(f"{source.title}: its {part} images are not all of one size; give CelebA's own")
    return np.stack([pictures[file] for file in files])


def shown_faces(count: int = 8, size: int = WHOLE_SIDE, root: Path | None = None, unseen_by: Faces | None = None):
    """Faces for pictures that everybody may see: `count` of the sample's last 99, the same ones each time.

    They are the sample's test faces, and in no list. Persons among them may be in other photographs of CelebA.

    Args:
        size: the side of what is returned, the whole square of each.
        root: the data folder, as in `prepare`.
        unseen_by: faces of which none may be among them.

    Returns:
        uint8 RGB [count, size, size, 3]; None where the sample cannot be had, `unseen_by` has one of them, or it is
        not known whether it has, as its names are not CelebA's.
    """
    seen = _numbers(unseen_by) if unseen_by else set()
    if None in seen:
        return None
    try:
        source = sources.sample(Path(root or data_folder()))
    except UserError:
        return None
    test = partition.plan(source, None).files["test"]
    chosen = [test[place] for place in np.linspace(0, len(test) - 1, count).astype(int)]
    if not seen.isdisjoint(map(partition.celeba_number, chosen)):
        return None
    squares = {name: centre_square(decode(encoded), size) for name, encoded in source.read(chosen)}
    return np.stack([squares[name] for name in chosen])


def _numbers(faces: Faces) -> set[int | None]:
    """CelebA's numbers of all `faces`; None among them where a file has another name."""
    return {partition.celeba_number(name) for names in faces.names.values() for name in names}


def write_list(path: Path, data: str, config: Config = PAPER, root: Path | None = None) -> None:
    """Writes a list of the faces that `prepare(data, config, root, split="official")` gives, less `DUPLICATES`.

    The list of the weights that come with the package is of the official images that they were trained, validated and
    tested on, a random subset of each official part:
    `python -c "from faceinpaint import celeba; celeba.write_list('faceinpaint/weights/faces.csv.gz', 'FOLDER')"`.
    """
    faces = prepare(data, config, root, OFFICIAL)
    source = sources.find(data, Path(root or data_folder()))
    files = {part: [name for name in faces.files[part] if name not in listing.DUPLICATES] for part in PARTS}
    known = {name: rest for name, *rest in source.checksums(name for part in PARTS for name in files[part])}
    listing.write(Path(path), [listing.Face(part, name, *known[name]) for part in PARTS for name in files[part]])
