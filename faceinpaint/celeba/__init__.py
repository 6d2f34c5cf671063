"""CelebA, or any other images: split into training, validation and test faces, decoded once, kept as arrays on disk.

What lives here: where images come from (`sources`, `archives`), which part each is in (`partition`), how they are
decoded (`decoding`) and kept (`cache`). Preparing cuts the centre square of every image (178x178 of CelebA's 178x218)
and resamples it by area, once. The result, `data/cache/<source>-<size>`, is memory-mapped from then on. No TensorFlow
at import.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceinpaint.celeba import cache, sources
from faceinpaint.celeba.cache import row_reader
from faceinpaint.celeba.partition import CELEBA_HOME, PARTS
from faceinpaint.celeba.sources import Source
from faceinpaint.config import Config, UserError

__all__ = ["Faces", "data_folder", "prepare", "row_reader"]

CODE_VERSION = 1  # raise it whenever the prepared pixels, the split or the files change
PAPER = Config()


@dataclass(frozen=True)
class Faces:
    """Prepared faces, RGB uint8 [N, side, side, 3], memory-mapped read-only: nothing is loaded until it is used.

    Attributes:
        folder: where the arrays lie.
        train: side min(2 * size, 178) for CelebA, so that a random framing can be cut; 2 * size for other images.
        validation, test: side 178 for CelebA, its original pixels; 2 * size for other images.
        names: part → file names, in the arrays' order.
        description: one line: what was found, and how many.
    """

    folder: Path
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    names: dict[str, list[str]]
    description: str


def _description(source: Source, config: Config, found: dict[str, int], rejects: int) -> str:
    asked = cache.asked(config)
    line = (
        f"{source.title}: {found['train']} training, {found['validation']} validation and {found['test']} test images"
    )
    if any(found[part] < asked[part] for part in PARTS):
        line += f" ({asked['train']}, {asked['validation']} and {asked['test']} asked for)"
    if rejects:
        line += f", {rejects} unreadable left out"
    if source.label == "sample":
        line += f"; for all 202,599 faces put img_align_celeba.zip from {CELEBA_HOME} into data/celeba"
    return line


def data_folder() -> Path:
    """Where downloads and prepared faces lie: `data` at the top of the repository, whatever the current folder is,
    or in the current folder when the package is installed elsewhere."""
    repository = Path(__file__).resolve().parents[2]
    return (repository if (repository / "pyproject.toml").is_file() else Path()) / "data"


def prepare(data: str = "auto", config: Config = PAPER, root: Path | None = None) -> Faces:
    """Finds, splits and decodes the images that `data` names, or maps what an earlier call prepared.

    data: "auto", "sample", "tfds", or the path of an archive or folder of images. See `sources.find`.
    config: its size, image counts and batch size matter here.
    root: holds downloads and the cache; `data_folder()` unless given.

    Prints the description, and a progress bar while it decodes. Images that cannot be read are left out, listed in
    the cache's rejects.txt, and replaced by the next of their part as long as there are any.

    Raises `UserError` for a source that is missing, broken or not what its name says, for more than 1 % of
    unreadable images, and for fewer training images than one batch.
    """
    asked, root = cache.asked(config), Path(root or data_folder())
    try:
        source = sources.find(data, root)
        folder = root / "cache" / f"{source.label}-{config.size}"
        wanted = {"code_version": CODE_VERSION, "source": source.fingerprint(), "size": config.size, "asked": asked}
        while (opened := cache.opened(folder, wanted)) is None:
            cache.build(folder, source, config, wanted)
    except OSError as error:
        name, reason = error.filename or root / "cache", error.strerror or error
        raise UserError(f"{name}: {reason}; check the disk, and that it may be read and written") from error
    arrays, names, rejects = opened
    arrays = {part: arrays[part][:count] for part, count in asked.items()}
    names = {part: names[part][:count] for part, count in asked.items()}
    cache.check_batch(len(arrays["train"]), source, config)
    description = _description(source, config, {part: len(arrays[part]) for part in PARTS}, rejects)
    print(description)
    return Faces(folder, **arrays, names=names, description=description)
