"""Exports a trained generator to LiteRT: one file, `generator.tflite`, that `lite` runs without TensorFlow."""

import itertools
import json
import logging
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from faceinpaint.config import RETIRED, Config
from faceinpaint.fills import FILLS
from faceinpaint.inpainter import Inpainter, composite
from faceinpaint.runs.folder import EXPORTED, OCTAVE, TIMES, WEIGHTS, lines, read_times, record_in, start_of
from faceinpaint.system.files import replacing, write_bytes, write_text
from faceinpaint.system.stderr import captured_stderr
from faceinpaint.variations import load
from faceinpaint.variations.octave import Octave, unets

NOISES = ("noise", "uniform", "salt_and_pepper")  # the same whatever the picture
PLACES = ("shuffle", "patch")  # drawn for each picture, which LiteRT cannot


def possible(config: Config) -> bool:
    """Whether LiteRT can run a generator of `config`: it draws no random numbers."""
    return config.fill not in PLACES


def _fill(config: Config):
    """`fill(image, mask)` → filled_image. Noise is drawn here, once for all images."""
    seed = tf.constant([config.seed, 3])  # of the first image of a batch in `Inpainter.restore`
    if config.fill not in NOISES:
        return lambda image, mask: FILLS[config.fill](image, mask, seed)
    side = [1, config.size, config.size]
    drawn = FILLS[config.fill](tf.zeros([*side, 3]), tf.ones([*side, 1]), seed)
    return lambda image, mask: composite(image, drawn, mask)


def _function(name: str, result: str, compute, height: int, width: int):
    """`compute(image, mask)` as a graph called `name`, of images [1, height, width, 3], its `result` by that name."""

    def run(image, mask):
        return {result: compute(image, mask)}

    run.__name__ = name  # by which LiteRT knows it
    specs = {"image": 3, "mask": 1}.items()
    return tf.function(run, [tf.TensorSpec([1, height, width, depth], tf.float32, part) for part, depth in specs])


def _functions(inpainter: Inpainter) -> list:
    """What `Inpainter.restore` does with one image between its two roundings: fill, generate, composite.

    With a fill of noise, each image gets the noise that `restore` gives to the first image of a batch. Of an octave the
    coarse half by itself, and the fine one for each size of part that `lite.octave` has it draw.
    """
    size, fill = inpainter.config.size, _fill(inpainter.config)
    if not isinstance(inpainter, Octave):
        return [_function("restore", "restored", lambda x, mask: inpainter([x, mask, fill(x, mask)]), size, size)]
    coarse, fine = unets(inpainter.averaged_generator)
    parts = itertools.product((size // 2, size), repeat=2)
    return [
        _function("coarse", "filled", lambda x, mask: inpainter.finer_fill(coarse, fill(x, mask), mask), size, size),
        *(_function(f"fine_{h}_{w}", "generated", lambda *x: fine(tf.concat(x, axis=-1)), h, w) for h, w in parts),
    ]


def fits_half(inpainter: Inpainter) -> bool:
    """Whether float16 holds every weight of the averaged generator exactly."""
    return all(np.array_equal(w, w.astype(np.float16)) for w in inpainter.averaged_generator.get_weights())


def halve(inpainter: Inpainter):
    """Rounds the averaged generator's weights to float16, so that its export takes half the room."""
    weights = inpainter.averaged_generator.get_weights()
    inpainter.averaged_generator.set_weights([w.astype(np.float16).astype(np.float32) for w in weights])


@contextmanager
def _without_logs():
    """TensorFlow tells in which temporary folder it puts what."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def convert(inpainter: Inpainter) -> bytes:
    """The LiteRT model: image [1, size, size, 3] in [-1, 1] and mask [1, size, size, 1], 1 = hole → restored, before
    rounding; of an octave in two steps. It computes in float32, and stores weights as float16 where that loses nothing.
    """
    functions = [function.get_concrete_function() for function in _functions(inpainter)]
    module = tf.Module()
    module.weights = [variable.value for variable in inpainter.averaged_generator.variables]  # else not in the file
    with captured_stderr(), _without_logs():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(functions, module)
        if fits_half(inpainter):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def write(inpainter: Inpainter, path: str | Path):
    """Writes the generator and its fill to `path`, whole or not at all."""
    write_bytes(Path(path), convert(inpainter))


def _save_small(inpainter: Inpainter, path: Path):
    """`averaged_generator` as a .keras file, deflated: Keras itself does not compress."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / path.name
        inpainter.averaged_generator.save(saved)
        deflated = {"mode": "w", "compression": zipfile.ZIP_DEFLATED, "compresslevel": 9}
        with replacing(path) as new, zipfile.ZipFile(saved) as large, zipfile.ZipFile(new, **deflated) as small:
            for member in large.namelist():
                small.writestr(member, large.read(member))


def _times(run: Path) -> list[dict]:
    """When each epoch of `run` ended and how long it took; before them, those of the run that it began with."""
    start = start_of(record_in(run))
    before = _times(Path(start)) if start and Path(start, TIMES).is_file() else []
    return before + [{"run": run.name} | epoch for epoch in read_times(run)]


def publish(run: str | Path, folder: str | Path | None = None):
    """Makes of the run directory `run` the weights that come with the package, or a `folder` like them.

    The averaged generator is written for Keras and for LiteRT, that of an octave for LiteRT alone, with its weights
    rounded to float16. Config, environment and history of the run are copied, and its times with those of the runs
    before it. Of `folder` itself it makes the same anew, in the form of today's code; the settings that are retired
    since stand under "retired" in the environment.
    Raises `UserError` for a run without a trained generator.
    """
    run = Path(run)
    inpainter, record = load(run), record_in(run)
    finer = isinstance(inpainter, Octave)
    folder = Path(folder or (WEIGHTS / OCTAVE if finer else WEIGHTS))
    retired = {key: value for key, value in json.loads((run / "config.json").read_text()).items() if key in RETIRED}
    record.environment |= {"retired": retired} if retired else {}
    texts = record.texts() | ({TIMES: lines(times)} if (times := _times(run)) else {})
    folder.mkdir(parents=True, exist_ok=True)
    halve(inpainter)
    if not finer:
        _save_small(inpainter, folder / "generator.keras")
    write(inpainter, folder / EXPORTED)
    for name, text in texts.items():
        write_text(folder / name, text)
