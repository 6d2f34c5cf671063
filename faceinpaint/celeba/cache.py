"""Prepared faces as arrays on disk: written whole or not at all, kept with checksums, read row by row."""

import errno
import json
import math
import mmap
import os
import shutil
import tempfile
import time
import zlib
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint.celeba.decoding import centre_square, decode, in_parallel
from faceinpaint.celeba.partition import PARTS, Plan
from faceinpaint.celeba.sources import Source
from faceinpaint.config import WHOLE_SIDE, Config, UserError
from faceinpaint.system import progress

MAX_UNREADABLE = 0.01  # fraction of the images; more than this, and more than one, stops
MAPPED = 64 << 20  # bytes of a prepared file that are in this process's memory at a time


def asked(config: Config) -> dict[str, int]:
    return {part: getattr(config, f"{part}_images") for part in PARTS}


def _sides(is_celeba: bool, config: Config) -> dict[str, int]:
    side = 2 * config.size
    if not is_celeba:
        return dict.fromkeys(PARTS, side)
    return {"train": min(side, WHOLE_SIDE), "validation": WHOLE_SIDE, "test": WHOLE_SIDE}


def check_batch(train_count: int, source: Source, config: Config) -> None:
    if train_count < config.batch_size:
        raise UserError(
            f"{source.title}: {train_count} training images: too few for one batch of {config.batch_size}; add images"
        )


def _refused_list(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-rejects.txt")


def _too_many(rejects: list[str], planned: int) -> bool:
    return len(rejects) > max(1, MAX_UNREADABLE * planned)


def _check_rejects(rejects: list[str], planned: int, source: Source, folder: Path) -> None:
    if _too_many(rejects, planned):
        listed = _refused_list(folder)
        listed.write_text("".join(f"{name}\n" for name in rejects), errors="replace")
        raise UserError(
            f"{source.title}: {len(rejects)} of {planned} images cannot be read, over {MAX_UNREADABLE:.0%}; "
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


def build(folder: Path, source: Source, plan: Plan, config: Config, manifest: dict) -> None:
    """Decodes what `plan` names into a temporary folder beside `folder`, then puts it in place."""
    sides = _sides(plan.is_celeba, config)
    counts = {part: min(len(plan.files[part]), asked) for part, asked in asked(config).items()}
    check_batch(counts["train"], source, config)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    _check_room(sum(counts[part] * sides[part] ** 2 * 3 for part in PARTS), folder.parent)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        built = Path(temporary, "faces")
        built.mkdir()
        files, rejects = _write_parts(built, source, plan, counts, sides)
        _check_rejects(rejects, sum(counts.values()), source, folder)
        _describe(built, plan, files, rejects, manifest)
        _publish(built, folder)
    _refused_list(folder).unlink(missing_ok=True)


def _write_parts(built: Path, source: Source, plan: Plan, counts: dict, sides: dict) -> tuple[dict, list[str]]:
    """Writes each part's array. Returns the files that are in it, by part, and those that cannot be read."""
    files, rejects = {}, []
    with progress.shown(total=sum(counts.values()), desc=f"preparing {source.label}", unit="face") as faces:
        for part in PARTS:
            path = built / f"{part}.npy"
            files[part] = write_part(path, source, plan.files[part], counts[part], sides[part], rejects, faces)
    return files, rejects


def _describe(built: Path, plan: Plan, files: dict, rejects: list[str], manifest: dict) -> None:
    """Writes what is said of the arrays in `built`: names, rejects, checksums, and the `manifest` with them."""
    name_of = {part: dict(zip(plan.files[part], plan.names[part], strict=True)) for part in PARTS}
    names = {part: [name_of[part][file] for file in files[part]] for part in PARTS}
    (built / "names.json").write_text(json.dumps({"names": names, "files": files, "note": plan.note}))
    (built / "rejects.txt").write_text("".join(f"{name}\n" for name in rejects), errors="replace")
    checksums = {path.name: _checksum(path) for path in sorted(built.iterdir())}
    (built / "manifest.json").write_text(json.dumps(manifest | {"checksums": checksums}, indent=2))


def _checksum(path: Path) -> int:
    """CRC-32 of a whole file: finds any damage that is not made to deceive, at 2 GB/s."""
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _serves(manifest: dict, wanted: dict) -> bool:
    """What is prepared is what is wanted: the first faces of a larger preparation are a smaller one."""
    same = all(manifest.get(key) == wanted[key] for key in ("code_version", "source", "split", "size"))
    return same and "checksums" in manifest and all(manifest["asked"][part] >= wanted["asked"][part] for part in PARTS)


def opened(folder: Path, wanted: dict) -> tuple[dict, dict, int] | None:
    """Arrays, what is said of them (`_describe`) and the number of rejects in `folder`, or None when that is not what
    is `wanted`, or damaged."""
    file = manifest_file = folder / "manifest.json"
    try:
        manifest = json.loads(file.read_text())
        if not _serves(manifest, wanted):
            return None
        for name, checksum in manifest["checksums"].items():
            file = folder / name
            if _checksum(file) != checksum:
                raise ValueError("wrong checksum")
        described = json.loads((folder / "names.json").read_text())
        arrays = {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in PARTS}
        rejects = len((folder / "rejects.txt").read_text().splitlines())
        replaced_meanwhile = json.loads(manifest_file.read_text()) != manifest
        return None if replaced_meanwhile else (arrays, described, rejects)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        print(f"{file}: damaged; preparing again")
        return None


def _let_go(rows: np.memmap, done: int):
    """Gives the pages of the memory-mapped `rows`, of which one more is `done`, back to the system now and then. It
    writes them to the file and holds them as long as it likes; else all of them would be memory of this process."""
    if done % max(MAPPED // rows.strides[0], 1) == 0 and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        rows.base.madvise(mmap.MADV_DONTNEED)


def _decode_into(rows: np.ndarray, first: int, source: Source, names: list[str], bar: tqdm) -> set[str]:
    """Decodes `names` into `rows` from `first` on. Returns the names of those that cannot be read."""
    row_of = {name: row for row, name in enumerate(names, first)}

    def decode_one(item):
        name, encoded = item
        if (image := decode(encoded)) is None:
            return name
        rows[row_of[name]] = centre_square(image, rows.shape[1])
        return None

    unreadable = set()
    for done, failed in enumerate(in_parallel(decode_one, source.read(names)), start=1):
        unreadable |= {failed} - {None}
        bar.update(failed is None)
        _let_go(rows, done)
    return unreadable


def _fill(rows: np.ndarray, source: Source, names: list[str], rejects: list[str], bar: tqdm) -> list[str]:
    """Fills `rows` with the first of `names` that can be read, in their order, and returns them.

    The others are added to `rejects`: the images after them close up, and later ones take the places left free.
    """
    kept: list[str] = []
    waiting = iter(names)
    while batch := list(islice(waiting, len(rows) - len(kept))):
        unreadable = _decode_into(rows, len(kept), source, batch, bar)
        for row, name in enumerate(batch, len(kept)):
            if name in unreadable:
                rejects.append(name)
                continue
            if row != len(kept):
                rows[len(kept)] = rows[row]
            kept.append(name)
            _let_go(rows, len(kept))
        if _too_many(rejects, bar.total):
            break
    return kept


def _reserve(path: Path):
    """Takes the room on the disk that the file `path` has by its length alone: a full disk is an error now, and not
    the end of the process when the memory-mapped file is written to."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _shorten(path: Path, shape: tuple[int, ...]):
    """Makes the .npy file `path` of uint8 end earlier, with `shape`; its header leaves room for any number of rows."""
    with path.open("rb+") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + math.prod(shape))


def write_part(path: Path, source: Source, names: list[str], count: int, side: int, rejects, bar) -> list[str]:
    """Writes the first `count` readable of `names` to the .npy file `path`. Returns their names."""
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(min(count, len(names)), side, side, 3))
    _reserve(path)
    kept = _fill(rows, source, names, rejects, bar)
    rows.flush()
    if len(kept) < len(rows):
        _shorten(path, (len(kept), *rows.shape[1:]))
    return kept


def row_reader(array: np.ndarray):
    """Two functions of row numbers [B] of `array` [N, ...]: one returns these rows as a new array, the other says that
    they will be asked for soon.

    Rows of a memory-mapped array are read from the file itself: of a map, every page that was ever touched counts as
    memory of the process, in time all of the file. The system fetches what it is told of while others are read: many
    rows at a time, as disks need it to be fast.
    """
    if not isinstance(array, np.memmap) or not hasattr(os, "preadv"):  # Windows
        return array.__getitem__, lambda numbers: None
    whole = array
    while isinstance(whole.base, np.memmap):  # `array` may be a part of what was mapped
        whole = whole.base
    start, size = whole.offset + array.ctypes.data - whole.ctypes.data, array.strides[0]
    file = Path(whole.filename).open("rb", buffering=0)  # noqa: SIM115 - closed when nobody can read any more

    def read(numbers):
        rows = np.empty((len(numbers), *array.shape[1:]), array.dtype)
        for row, number in zip(rows, numbers, strict=True):
            if os.preadv(file.fileno(), [row], start + int(number) * size) < row.nbytes:
                raise OSError(f"{whole.filename}: shorter than it was")
        return rows

    def announce(numbers):
        for number in numbers if hasattr(os, "posix_fadvise") else ():  # not on macOS
            os.posix_fadvise(file.fileno(), start + int(number) * size, size, os.POSIX_FADV_WILLNEED)

    return read, announce
