"""CelebA, or any other images: split into training, validation and test faces, decoded once, kept as arrays on disk.

Preparing cuts the centre square of every image (178x178 of CelebA's 178x218) and resamples it by area, once. The
result, `data/cache/<source>-<size>`, is memory-mapped from then on. No TensorFlow at import.
"""

import errno
import json
import os
import shutil
import tempfile
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint import sources
from faceinpaint.config import Config, UserError
from faceinpaint.decoding import MOST_UNREADABLE, write_part
from faceinpaint.partition import CELEBA_HOME, PARTS, split
from faceinpaint.sources import Source

CODE_VERSION = 1  # raise it whenever the prepared pixels, the split or the files change
CELEBA_SIDE = 178  # the whole width of CelebA's aligned images

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


def _asked(config: Config) -> dict[str, int]:
    return {part: getattr(config, f"{part}_images") for part in PARTS}


def _sides(source: Source, config: Config) -> dict[str, int]:
    side = 2 * config.size
    if not source.is_celeba:
        return dict.fromkeys(PARTS, side)
    return {"train": min(side, CELEBA_SIDE), "validation": CELEBA_SIDE, "test": CELEBA_SIDE}


def _check_batch(train_count: int, source: Source, config: Config) -> None:
    if train_count < config.batch_size:
        raise UserError(
            f"{source.title}: {train_count} training images: too few for one batch of {config.batch_size}; "
            "add images or lower batch_size"
        )


def _refused_list(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-rejects.txt")


def _check_rejects(rejects: list[str], planned: int, source: Source, folder: Path) -> None:
    if len(rejects) > MOST_UNREADABLE * planned:
        listed = _refused_list(folder)
        listed.write_text("".join(f"{name}\n" for name in rejects), errors="replace")
        raise UserError(
            f"{source.title}: {len(rejects)} of {planned} images cannot be read, over {MOST_UNREADABLE:.0%}; "
            f"{listed} lists them: remove them or get the source again"
        )


def _check_room(needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{folder}: needs {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free; make room")


def _publish(built: Path, folder: Path) -> None:
    """Puts the finished folder `built` in the place of `folder`, whatever other processes put there meanwhile."""
    while True:
        try:
            return os.replace(built, folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with suppress(FileNotFoundError):  # another process has just moved it away
            os.replace(folder, tempfile.mkdtemp(dir=built.parent))


def _remove_leftovers(folder: Path) -> None:
    """Removes what processes that were killed while they built `folder` left behind more than a day ago."""
    for left in folder.parent.glob(f".{folder.name}-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 24 * 3600:
                shutil.rmtree(left)


def _build(folder: Path, source: Source, config: Config, manifest: dict) -> None:
    """Decodes everything into a temporary folder beside `folder`, then puts it in place."""
    parts, sides = split(source.names, source.partition), _sides(source, config)
    counts = {part: min(len(parts[part]), asked) for part, asked in _asked(config).items()}
    _check_batch(counts["train"], source, config)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    _check_room(sum(counts[part] * sides[part] ** 2 * 3 for part in PARTS), folder.parent)
    names, rejects, planned = {}, [], sum(counts.values())
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        built = Path(temporary, "faces")
        built.mkdir()
        with tqdm(total=planned, desc=f"preparing {source.label}", unit="face", disable=None) as progress:
            for part in PARTS:
                path = built / f"{part}.npy"
                names[part] = write_part(path, source, parts[part], counts[part], sides[part], rejects, progress)
                _check_rejects(rejects, planned, source, folder)
        (built / "names.json").write_text(json.dumps(names))
        (built / "rejects.txt").write_text("".join(f"{name}\n" for name in rejects), errors="replace")
        checksums = {path.name: _checksum(path) for path in sorted(built.iterdir())}
        (built / "manifest.json").write_text(json.dumps(manifest | {"checksums": checksums}, indent=2))
        _publish(built, folder)
    _refused_list(folder).unlink(missing_ok=True)


def _checksum(path: Path) -> int:
    """CRC-32 of a whole file: finds any damage that is not made to deceive, at 2 GB/s."""
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _serves(manifest: dict, wanted: dict) -> bool:
    """What is prepared is what is wanted: the first faces of a larger preparation are a smaller one."""
    same = all(manifest.get(key) == wanted[key] for key in ("code_version", "source", "size"))
    return same and "checksums" in manifest and all(manifest["asked"][part] >= wanted["asked"][part] for part in PARTS)


def _open(folder: Path, wanted: dict) -> tuple[dict, dict, int] | None:
    """Arrays, names and the number of rejects in `folder`, or None when that is not what is `wanted`, or damaged."""
    file = manifest_file = folder / "manifest.json"
    try:
        manifest = json.loads(file.read_text())
        if not _serves(manifest, wanted):
            return None
        for name, checksum in manifest["checksums"].items():
            file = folder / name
            if _checksum(file) != checksum:
                raise ValueError("wrong checksum")
        names = json.loads((folder / "names.json").read_text())
        arrays = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in PARTS}
        rejects = len((folder / "rejects.txt").read_text().splitlines())
        replaced_meanwhile = json.loads(manifest_file.read_text()) != manifest
        return None if replaced_meanwhile else (arrays, names, rejects)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        print(f"{file}: damaged; preparing again")
        return None


def _description(source: Source, config: Config, found: dict[str, int], rejects: int) -> str:
    asked = _asked(config)
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
    repository = Path(__file__).resolve().parents[1]
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
    asked, root = _asked(config), Path(root or data_folder())
    try:
        source = sources.find(data, root)
        folder = root / "cache" / f"{source.label}-{config.size}"
        wanted = {"code_version": CODE_VERSION, "source": source.fingerprint(), "size": config.size, "asked": asked}
        while (opened := _open(folder, wanted)) is None:
            _build(folder, source, config, wanted)
    except OSError as error:
        name, reason = error.filename or root / "cache", error.strerror or error
        raise UserError(f"{name}: {reason}; check the disk, and that it may be read and written") from error
    arrays, names, rejects = opened
    arrays = {part: arrays[part][:count] for part, count in asked.items()}
    names = {part: names[part][:count] for part, count in asked.items()}
    _check_batch(len(arrays["train"]), source, config)
    description = _description(source, config, {part: len(arrays[part]) for part in PARTS}, rejects)
    print(description)
    return Faces(folder, **arrays, names=names, description=description)
