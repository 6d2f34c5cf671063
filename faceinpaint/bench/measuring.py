"""What all benchmarks share: rows, seconds, peak memory, random faces."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from faceinpaint.config import Config
from faceinpaint.system.memory import peak_gib
from faceinpaint.variations import build

REPEATS = 5


def row(name, unit, values) -> dict:
    """A line of the table: name, unit, and median, lowest and highest of `values`, one or several."""
    values = np.atleast_1d(np.asarray(values, float))
    return {"name": name, "unit": unit, "median": float(np.median(values)),
            "lowest": float(values.min()), "highest": float(values.max())}  # fmt: skip


def seconds_of(work, calls=1) -> np.ndarray:
    """Seconds for one call of `work`, as means of `calls` in a row, `REPEATS` times after one call to warm up."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        seconds.append((time.perf_counter() - start) / calls)
    return np.array(seconds)


def random_faces(config: Config, count: int):
    """`count` images of noise as they are prepared for training: uint8 [count, side, side, 3]."""
    side = 2 * config.size
    return np.random.default_rng(config.seed).integers(0, 256, (count, side, side, 3), np.uint8)


def alone(work, *arguments):
    """What `work` returns, from a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def peak_of(work, config: Config) -> float:
    """The most memory that `work` takes, TensorFlow included, in GiB, where nothing else was done before."""
    inpainter = build(config)
    inpainter.compile(1)
    work(config, inpainter)
    return peak_gib()
