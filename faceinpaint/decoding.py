"""Encoded images → the rows of an array on disk: decoded, cut to their centre square, resampled, on every core."""

import math
import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from faceinpaint.sources import Source

MOST_UNREADABLE = 0.01  # fraction of the images; more than this stops
MAPPED = 64 << 20  # bytes of a prepared file that are in this process's memory at a time


def centre_square(image: np.ndarray, side: int) -> np.ndarray:
    """The centre square of `image` [H, W, 3], resampled to [side, side, 3]: by area where it shrinks, else cubic."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    top, left = (height - shorter) // 2, (width - shorter) // 2
    square = image[top : top + shorter, left : left + shorter]
    if shorter == side:
        return square
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if shorter > side else cv2.INTER_CUBIC)


def decode(encoded: bytes | None) -> np.ndarray | None:
    """An encoded image as RGB uint8 [H, W, 3], turned as its EXIF orientation says; None when it cannot be read."""
    if not encoded:
        return None
    try:
        return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None


def in_parallel(function, items: Iterable, ahead: int = 128) -> Iterator:
    """`function` of each of `items`, in order, on every core, never more than `ahead` of them in memory."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running: deque = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) == ahead:
                yield running.popleft().result()
        yield from (future.result() for future in running)


def _let_go(rows: np.memmap, done: int):
    """Gives the pages of the memory-mapped `rows`, of which one more is `done`, back to the system now and then. It
    writes them to the file and holds them as long as it likes; else all of them would be memory of this process."""
    if done % max(MAPPED // rows.strides[0], 1) == 0 and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        rows.base.madvise(mmap.MADV_DONTNEED)


def _decode_into(rows: np.ndarray, first: int, source: Source, names: list[str], progress: tqdm) -> set[str]:
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
        progress.update(failed is None)
        _let_go(rows, done)
    return unreadable


def _fill(rows: np.ndarray, source: Source, names: list[str], rejects: list[str], progress: tqdm) -> list[str]:
    """Fills `rows` with the first of `names` that can be read, in their order, and returns them.

    The others are added to `rejects`: the images after them close up, and later ones take the places left free.
    """
    kept: list[str] = []
    waiting = iter(names)
    while batch := list(islice(waiting, len(rows) - len(kept))):
        unreadable = _decode_into(rows, len(kept), source, batch, progress)
        for row, name in enumerate(batch, len(kept)):
            if name in unreadable:
                rejects.append(name)
                continue
            if row != len(kept):
                rows[len(kept)] = rows[row]
            kept.append(name)
            _let_go(rows, len(kept))
        if len(rejects) > MOST_UNREADABLE * progress.total:
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


def write_part(path: Path, source: Source, names: list[str], count: int, side: int, rejects, progress) -> list[str]:
    """Writes the first `count` readable of `names` to the .npy file `path`. Returns their names."""
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(min(count, len(names)), side, side, 3))
    _reserve(path)
    kept = _fill(rows, source, names, rejects, progress)
    rows.flush()
    if len(kept) < len(rows):
        _shorten(path, (len(kept), *rows.shape[1:]))
    return kept
