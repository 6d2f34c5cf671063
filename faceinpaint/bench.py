"""How fast it is on the machine at hand, all in one run: medians with their spread, and ratios, which travel further
than times."""

import json
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from faceinpaint import celeba, decoding, export, lite, pipeline, preview
from faceinpaint.baselines import telea
from faceinpaint.cold_start import cold_start
from faceinpaint.config import Config, at_size
from faceinpaint.desk import Desk
from faceinpaint.files import write_text
from faceinpaint.generator import GENERATORS
from faceinpaint.inpainter import Inpainter, resolved
from faceinpaint.lite import LiteInpainter
from faceinpaint.paint import LARGEST
from faceinpaint.painting import Painting
from faceinpaint.restoring import EXPORTED

REPEATS = 5
SIZES = (64, 96, 128, 256)
COUNTS = (10, 20, 40)  # batches in an epoch
FEW, ALL = 1_000, 202_599  # faces in a file: 49 MB, and those of CelebA, 10 GB, at 64 pixels


def _row(name, unit, values) -> dict:
    values = np.atleast_1d(np.asarray(values, float))
    return {"name": name, "unit": unit, "median": float(np.median(values)),
            "lowest": float(values.min()), "highest": float(values.max())}  # fmt: skip


def _seconds(work, calls=1) -> np.ndarray:
    """Seconds for one call of `work`, as means of `calls` in a row, `REPEATS` times after one call to warm up."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        seconds.append((time.perf_counter() - start) / calls)
    return np.array(seconds)


def layer_flops(layer) -> int:
    """Multiplications and additions of a layer for one image, forward: two for each use of a weight."""
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return 2 * int(np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape))
    if isinstance(layer, keras.layers.Conv2D):
        return 2 * int(np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape))
    return 2 * int(np.prod(layer.kernel.shape)) if isinstance(layer, keras.layers.Dense) else 0


def step_flops(inpainter: Inpainter) -> int:
    """Of one training step, for each image; activations and optimizers are not counted.

    A backward pass costs a forward pass for the weights and another for what came in, which the first layer needs not
    pass on. The discriminator sees two images, and is once more gone through backward for the generator's sake.
    """
    first_and_all = []
    for network in (inpainter.generator, inpainter.discriminator):
        flops = [flops for flops in map(layer_flops, network.layers) if flops]
        first_and_all.append((flops[0], sum(flops)))
    (generator_first, generator), (discriminator_first, discriminator) = first_and_all
    return 3 * generator - generator_first + 7 * discriminator - 2 * discriminator_first


def _convolution_seconds(batch, dtype, side, channels_in, channels_out) -> float:
    image = tf.cast(tf.random.stateless_normal([batch, side, side, channels_in], [0, 0]), dtype)
    kernel = tf.cast(tf.random.stateless_normal([3, 3, channels_in, channels_out], [0, 1]), dtype)
    convolution = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME"))
    return float(_seconds(convolution, calls=3).min())


def ceilings(config: Config, inpainter: Inpainter) -> list[dict]:
    """What the machine gives: a large matrix product, and the generator's own 3x3 convolutions, each by itself."""
    dtype = keras.DTypePolicy(config.precision).compute_dtype
    matrix = tf.cast(tf.random.stateless_normal([2048, 2048], [0, 0]), dtype)
    product = _seconds(tf.function(lambda: matrix @ matrix))
    layers = [layer for layer in inpainter.generator.layers if getattr(layer, "kernel_size", None) == (3, 3)]
    shapes = [(layer.output.shape[1], *layer.kernel.shape[2:]) for layer in layers]
    seconds = {shape: _convolution_seconds(config.batch_size, dtype, *shape) for shape in set(shapes)}
    convolutions = config.batch_size * sum(map(layer_flops, layers)) / sum(map(seconds.get, shapes))
    return [
        _row(f"ceiling: {dtype} matrix product 2048x2048", "GFLOP/s", 2 * 2048**3 / product / 1e9),
        _row(f"ceiling: {dtype} 3x3 convolutions of the generator", "GFLOP/s", convolutions / 1e9),
    ]


def _faces(config: Config, count: int):
    side = 2 * config.size
    return np.random.default_rng(config.seed).integers(0, 256, (count, side, side, 3), np.uint8)


def pipelines(config: Config, _) -> list[dict]:
    """The input pipeline by itself, without and with damage and fill."""
    rows = []
    draws = {"framed images alone": pipeline.framed_example, "with damage and fill": pipeline.training_example}
    for name, draw in draws.items():
        batches = iter(pipeline.training_batches(_faces(config, 32 * config.batch_size), config, draw=draw))
        seconds = _seconds(partial(next, batches), calls=60)
        rows.append(_row(f"input pipeline: {name}", "images/s", config.batch_size / seconds))
        del batches  # its threads must not run beside the next
    return rows


def _training_seconds(inpainter: Inpainter, calls=5) -> np.ndarray:
    config = inpainter.config
    batches = pipeline.training_batches(_faces(config, config.batch_size), config)
    example, step = next(iter(batches)), tf.function(inpainter.train_step)
    del batches
    return _seconds(lambda: step(example), calls)


def training(config: Config, inpainter: Inpainter) -> list[dict]:
    """The training step: images, arithmetic."""
    rates, flops = config.batch_size / _training_seconds(inpainter), step_flops(inpainter) / 1e9
    return [
        _row("training step", "images/s", rates),
        _row("training step: arithmetic of one image", "GFLOP", flops),
        _row("training step", "GFLOP/s", rates * flops),
    ]


def growth(config: Config, inpainter: Inpainter) -> list[dict]:
    """Seconds of an epoch against its number of images, and of a training step against the picture's size."""
    rows = []
    for count in COUNTS:
        faces = _faces(config, count * config.batch_size)
        batches = iter(pipeline.training_batches(faces, config))
        step = tf.function(inpainter.train_step)
        step(next(batches))
        start = time.perf_counter()
        for _ in range(count):
            step(next(batches))
        seconds = (time.perf_counter() - start) / len(faces)
        rows.append(_row(f"epoch of {len(faces):,} images, pipeline included", "ms per image", 1000 * seconds))
        del batches
    for size in SIZES:
        larger = at_size(replace(config, batch_size=8), size)
        network = Inpainter(larger)
        network.compile(1)
        rows.append(_row(f"training step at {size} pixels, batches of 8", "ms per image",
                         1000 / 8 * _training_seconds(network, calls=2)))  # fmt: skip
    return rows


def preparation(config: Config, _) -> list[dict]:
    """Decoding and resampling JPEGs on every core, against a plain loop that decodes them and no more."""
    smooth = cv2.resize(_faces(config, 1)[0], (178, 218), interpolation=cv2.INTER_CUBIC)
    jpeg = cv2.imencode(".jpg", smooth)[1].tobytes()
    jpegs = [jpeg] * 1000

    def prepare(encoded):
        return decoding.centre_square(decoding.decode(encoded), 2 * config.size)

    return [
        _row("preparation", "JPEGs/s", len(jpegs) / _seconds(lambda: list(decoding.in_parallel(prepare, jpegs)))),
        _row("plain loop of cv2.imdecode", "JPEGs/s", len(jpegs) / _seconds(lambda: [*map(decoding.decode, jpegs)])),
    ]


def restoring(config: Config, inpainter: Inpainter) -> list[dict]:
    """One face, and a batch, through Keras and LiteRT, beside Telea."""
    image, mask, _ = next(iter(pipeline.training_batches(_faces(config, config.batch_size), config)))
    images, masks = pipeline.to_uint8(image).numpy(), mask.numpy()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / EXPORTED
        export.write(inpainter, exported)
        ways = {"Keras": inpainter.restore, "LiteRT": LiteInpainter(exported, config).restore, "Telea": telea}
        rows = []
        for name, restore in ways.items():
            one, all_ = _seconds(partial(restore, images[:1], masks[:1]), 10), _seconds(partial(restore, images, masks))
            rows.append(_row(f"restore one face: {name}", "ms", 1000 * one))
            rows.append(_row(f"restore a batch: {name}", "images/s", len(images) / all_))
    return rows


def _peak_gib() -> float:
    """The most memory this process has had. Linux passes `ru_maxrss` on from the parent: its own is in /proc."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20)


def _alone(work, *arguments):
    """What `work` returns, from a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def _peak(work, config: Config) -> float:
    """The most memory that `work` takes, TensorFlow included, in GiB, where nothing else was done before."""
    inpainter = Inpainter(config)
    inpainter.compile(1)
    work(config, inpainter)
    return _peak_gib()


def _train_some(config: Config, inpainter: Inpainter):
    step, batches = tf.function(inpainter.train_step), pipeline.training_batches(_faces(config, 1000), config)
    for example in batches.take(20):
        step(example)


def _restore_one(config: Config, inpainter: Inpainter):
    inpainter.restore(np.zeros([config.size, config.size, 3], np.uint8), np.ones([config.size, config.size], np.uint8))


def memory(config: Config, _) -> list[dict]:
    """The most memory that training and restoring take."""
    works = {"training": _train_some, "restoring with Keras": _restore_one}
    return [_row(f"peak memory: {name}", "GiB", _alone(_peak, work, config)) for name, work in works.items()]


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
    return np.array(rates), _peak_gib()


def streaming(config: Config, _) -> list[dict]:
    """As many images as CelebA has, from a file of all of them, larger than the memory of many machines, and from one
    of a few. Left out, in a line, where the disk has no room."""
    folder, faces = celeba.data_folder(), _faces(config, FEW)
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
            rates, peak = _alone(_read, path, config, ALL)
        measured.append((np.median(rates), peak))
        rows.append(_row(f"read from a file of {count:,} faces", "images/s", rates))
        rows.append(_row(f"peak memory: reading a file of {count:,} faces", "GiB", peak))
    (few, few_peak), (all_, all_peak) = measured
    return [
        *rows,
        _row("read from a file of all faces / of a few", "", all_ / few),
        _row("peak memory: reading a file of all faces / of a few", "", all_peak / few_peak),
    ]


def generators(config: Config, _) -> list[dict]:
    """What each kind of generator costs to train, as the paper compares them."""
    rows = []
    for name in GENERATORS:
        own = replace(config, generator=name)
        inpainter = Inpainter(own)
        inpainter.compile(1)
        seconds = config.train_images / config.batch_size * _training_seconds(inpainter)
        rows += [
            _row(f"{name}: parameters", "million", inpainter.generator.count_params() / 1e6),
            _row(f"{name}: epoch of {config.train_images:,} images", "s", seconds),
            _row(f"{name}: peak memory of training", "GiB", _alone(_peak, _train_some, own)),
        ]
    return rows


def starting(_config: Config, _) -> list[dict]:
    """`restore` of a photograph of one megapixel from the command's start to its end, and the same through Keras."""
    seconds = cold_start(repeats=REPEATS)
    return [_row(f"cold start of restore: {name}", "s", values) for name, values in seconds.items()]


def _stroke_seconds(desk: Desk, x, y) -> float:
    """From the end of a stroke, which begins at the photo's (x, y), to the picture with the face as then restored."""
    panel, corner = desk.view.to_panel(x, y), preview.panel_corners(desk.view.panel)[0]
    x, y = (round(at + begin) for at, begin in zip(panel, corner, strict=True))
    desk.mouse(cv2.EVENT_LBUTTONDOWN, x, y, cv2.EVENT_FLAG_LBUTTON)
    desk.mouse(cv2.EVENT_MOUSEMOVE, x + 10, y + 5, cv2.EVENT_FLAG_LBUTTON)
    start = time.perf_counter()
    desk.mouse(cv2.EVENT_LBUTTONUP, x + 10, y + 5, 0)
    desk.picture()
    return time.perf_counter() - start


def painting(config: Config, _) -> list[dict]:
    """The preview of `paint`, in its largest window, on a photo of 12 megapixels, stroke after stroke."""
    photo = cv2.resize(_faces(config, 1)[0], (4000, 3000), interpolation=cv2.INTER_CUBIC)
    desk = Desk(photo, lite.load(), Painting((3000, 4000), eyes=[(1800, 1400), (2200, 1420)]), LARGEST)
    seconds = [_stroke_seconds(desk, 1700 + 80 * number, 1500) for number in range(1 + REPEATS)]
    return [_row("paint: from the end of a stroke to its preview, 12 megapixels", "ms", 1000 * np.array(seconds[1:]))]


PARTS = (
    ceilings,
    pipelines,
    training,
    growth,
    preparation,
    restoring,
    starting,
    painting,
    memory,
    streaming,
    generators,
)


def ratios(rows: list[dict], config: Config) -> list[dict]:
    """What follows from `rows`: figures that depend less on the machine."""
    value = {(row["name"], row["unit"]): row["median"] for row in rows}
    step = value["training step", "images/s"]
    ceiling = next(row["median"] for row in rows if "3x3 convolutions" in row["name"])
    pipeline_rate = value["input pipeline: with damage and fill", "images/s"]
    prepared = value["preparation", "JPEGs/s"] / value["plain loop of cv2.imdecode", "JPEGs/s"]
    faster = value["restore one face: Keras", "ms"] / value["restore one face: LiteRT", "ms"]
    start = value["cold start of restore: Keras", "s"] / value["cold start of restore: LiteRT", "s"]
    return [
        _row("training step / ceiling of its convolutions", "", value["training step", "GFLOP/s"] / ceiling),
        _row("input pipeline / training step", "", pipeline_rate / step),
        _row("preparation / plain loop", "", prepared),
        _row("restore one face: Keras / LiteRT", "", faster),
        _row("cold start of restore: Keras / LiteRT", "", start),
        _row(f"epoch of {config.train_images:,} images", "s", config.train_images / step),
        _row(f"all {config.epochs} epochs", "min", config.epochs * config.train_images / step / 60),
    ]


def bench(config: Config) -> list[dict]:
    """Rows with the keys name, unit, median, lowest, highest, of everything that `PARTS` measure, on random images."""
    config = resolved(config)
    inpainter, rows = Inpainter(config), []
    inpainter.compile(1)
    for part in tqdm(PARTS, unit="part", disable=None):
        rows += part(config, inpainter)
    return rows + ratios(rows, config)


def write_bench(config: Config, out: Path) -> list[dict]:
    """Measures, writes the rows to `out` as JSON, and returns them."""
    rows = bench(config)
    write_text(out, "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    return rows


def report(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    lines = ["| | median | lowest to highest | |", "|---|---:|---:|---|"]
    for row in rows:
        median, lowest, highest = (f"{row[key]:,.4g}" if row[key] < 1000 else f"{row[key]:,.0f}"
                                   for key in ("median", "lowest", "highest"))  # fmt: skip
        spread = "" if lowest == highest else f"{lowest} to {highest}"
        lines.append(f"| {row['name']} | {median} | {spread} | {row['unit']} |")
    return "\n".join(lines)
