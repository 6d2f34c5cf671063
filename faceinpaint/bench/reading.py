"""Benchmarks of what comes before training: preparing images, reading them, damaging and filling them."""

import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from faceinpaint import celeba, pipeline
from faceinpaint.bench.measuring import REPEATS, alone, random_faces, row, seconds_of
from faceinpaint.celeba import decoding
from faceinpaint.config import Config
from faceinpaint.system.memory import peak_gib

FEW, ALL = 1_000, 202_599  # faces in a file: 49 MB, and those of CelebA, 10 GB, at 64 pixels


def preparation(config: Config, _) -> list[dict]:
    """Decoding and resampling JPEGs on every core, against a plain loop that decodes them and no more."""
    smooth = cv2.resize(random_faces(config, 1)[0], (178, 218), interpolation=cv2.INTER_CUBIC)
    jpeg = cv2.imencode(".jpg", smooth)[1].tobytes()
    jpegs = [jpeg] * 1000

    def prepare(encoded):
        return decoding.centre_square(decoding.decode(encoded), 2 * config.size)

    return [
        row("preparation", "JPEGs/s", len(jpegs) / seconds_of(lambda: list(decoding.in_parallel(prepare, jpegs)))),
        row("plain loop of cv2.imdecode", "JPEGs/s", len(jpegs) / seconds_of(lambda: [*map(decoding.decode, jpegs)])),
    ]


def pipelines(config: Config, _) -> list[dict]:
    """The input pipeline by itself, without and with damage and fill."""
    rows = []
    draws = {"framed images alone": pipeline.framed_example, "with damage and fill": pipeline.training_example}
    for name, draw in draws.items():
        batches = iter(pipeline.training_batches(random_faces(config, 32 * config.batch_size), config, draw=draw))
        seconds = seconds_of(partial(next, batches), calls=60)
        rows.append(row(f"input pipeline: {name}", "images/s", config.batch_size / seconds))
        del batches  # its threads must not run beside the next
    return rows


def _write_faces(path: Path, faces: np.ndarray, count: int):
    """`count` rows, `faces` over and over, as a .npy file that is on the disk and not in the system's memory."""
    shape = {"descr": "|u1", "fortran_order": False, "shape": (count, *faces.shape[1:])}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, shape)
        for first in range(0, count, len(faces)):
            file.write(faces[: count - first])
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # not on macOS
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(path: Path, config: Config, count: int) -> tuple[np.ndarray, float]:
    """Images/s of `REPEATS` parts of `count` images read in training's order, not yet damaged; the most memory, GiB."""
    faces = np.load(path, mmap_mode="r")
    batches = iter(pipeline.training_batches(faces, config, draw=pipeline.framed_example))
    next(batches)
    rates, steps = [], max(count // REPEATS // config.batch_size, 1)
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(steps):
            next(batches)
        rates.append(steps * config.batch_size / (time.perf_counter() - start))
    return np.array(rates), peak_gib()


def streaming(config: Config, _) -> list[dict]:
    """As many images as CelebA has, from a file of all of them, larger than the memory of many machines, and from one
    of a few. Left out, in a line, where the disk has no room."""
    folder, faces = celeba.data_folder(), random_faces(config, FEW)
    folder.mkdir(parents=True, exist_ok=True)
    needed, rows, measured = 1.1 * ALL * faces[0].nbytes, [], []
    if shutil.disk_usage(folder).free < needed:
        tqdm.write(
            f"{folder}: reading all faces of CelebA is not measured, for want of {needed / 1e9:.1f} GB on the disk"
        )
        return []
    for count in (FEW, ALL):
        with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as temporary:
            path = Path(temporary) / "train.npy"
            _write_faces(path, faces, count)
            rates, peak = alone(_read, path, config, ALL)
        measured.append((np.median(rates), peak))
        rows.append(row(f"read from a file of {count:,} faces", "images/s", rates))
        rows.append(row(f"peak memory: reading a file of {count:,} faces", "GiB", peak))
    (few, few_peak), (all_, all_peak) = measured
    return [
        *rows,
        row("read from a file of all faces / of a few", "", all_ / few),
        row("peak memory: reading a file of all faces / of a few", "", all_peak / few_peak),
    ]
