"""Exports a trained generator to LiteRT: one file, `generator.tflite`, that `lite` runs without TensorFlow."""

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
from faceinpaint.runs.folder import EXPORTED, WEIGHTS, record_in
from faceinpaint.system.files import replacing, write_bytes, write_text
from faceinpaint.system.stderr import captured_stderr
from faceinpaint.variations import load

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


def _graph(inpainter: Inpainter) -> tf.Module:
    """What `Inpainter.restore` does with one image between its two roundings: fill, generate, composite.

    With a fill of noise, each image gets the noise that `restore` gives to the first image of a batch.
    """
    config, fill = inpainter.config, _fill(inpainter.config)
    signature = [
        tf.TensorSpec([1, config.size, config.size, channels], tf.float32, name=name)
        for name, channels in (("image", 3), ("mask", 1))
    ]

    @tf.function(input_signature=signature)
    def restore(image, mask):
        return {"restored": inpainter([image, mask, fill(image, mask)])}

    module = tf.Module()
    module.restore = restore
    module.weights = [variable.value for variable in inpainter.averaged_generator.variables]  # else not in the file
    return module


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
    rounding. It computes in float32, and stores weights as float16 where that loses nothing."""
    module = _graph(inpainter)
    with captured_stderr(), _without_logs():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([module.restore.get_concrete_function()], module)
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


def publish(run: str | Path, folder: str | Path = WEIGHTS):
    """Makes of the run directory `run` the weights that come with the package, or a `folder` like them.

    Config, environment and history of the run are copied. The averaged generator is written for Keras and for LiteRT,
    its weights rounded to float16. Of `folder` itself it makes the same anew, in the form of today's code; the settings
    that are retired since stand under "retired" in the environment.
    Raises `UserError` for a run without a trained generator.
    """
    run, folder = Path(run), Path(folder)
    inpainter, record = load(run), record_in(run)
    retired = {key: value for key, value in json.loads((run / "config.json").read_text()).items() if key in RETIRED}
    record.environment |= {"retired": retired} if retired else {}
    folder.mkdir(parents=True, exist_ok=True)
    halve(inpainter)
    _save_small(inpainter, folder / "generator.keras")
    write(inpainter, folder / EXPORTED)
    for name, text in record.texts().items():
        write_text(folder / name, text)
