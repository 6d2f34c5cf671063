"""How fast it is on the machine at hand, all in one run: rates as medians with their spread, and ratios."""

import time

import numpy as np
import tensorflow as tf

from faceinpaint import pipeline
from faceinpaint.baselines import telea
from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter

REPEATS = 5


def _rates(work, images, calls) -> np.ndarray:
    """Images per second of `calls` calls of `work`, each on `images` images, measured `REPEATS` times after one
    call to warm up."""
    work()
    rates = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        rates.append(calls * images / (time.perf_counter() - start))
    return np.array(rates)


def _pipeline_rates(faces, config: Config) -> np.ndarray:
    batches = iter(pipeline.training_batches(faces, config))  # dies here: its threads must not run beside the step's
    return _rates(lambda: next(batches), config.batch_size, calls=40)


def bench(config: Config) -> dict[str, np.ndarray]:
    """Images per second, `REPEATS` values each, of the input pipeline (frame, flip, damage, fill), of the training
    step, and of restoring, on random images."""
    batch, random = config.batch_size, np.random.default_rng(config.seed)
    faces = random.integers(0, 256, (16 * batch, 2 * config.size, 2 * config.size, 3), np.uint8)
    inpainter = Inpainter(config)
    inpainter.compile(steps_per_epoch=16)
    step, example = tf.function(inpainter.train_step), next(iter(pipeline.training_batches(faces, config)))
    images, masks = pipeline.to_uint8(example[0]).numpy(), example[1].numpy()
    return {
        "input pipeline": _pipeline_rates(faces, config),
        "training step": _rates(lambda: step(example), batch, calls=5),
        "restore, one face at a time": _rates(lambda: inpainter.restore(images[0], masks[0]), 1, calls=10),
        "restore, a batch": _rates(lambda: inpainter.restore(images, masks), batch, calls=3),
        "Telea, a batch": _rates(lambda: telea(images, masks), batch, calls=3),
    }


def report(rates: dict[str, np.ndarray], config: Config) -> str:
    """The rates as a Markdown table, with what follows from them."""
    lines = ["| | images/s | lowest to highest |", "|---|---:|---:|"]
    for name, values in rates.items():
        lines.append(f"| {name} | {np.median(values):,.0f} | {values.min():,.0f} to {values.max():,.0f} |")
    step = np.median(rates["training step"])
    ratio = np.median(rates["input pipeline"]) / step
    lines.append(f"\nThe input pipeline is {ratio:.1f} times as fast as the training step.")
    lines.append(f"An epoch of {config.train_images:,} images: {config.train_images / step:.0f} s of training steps.")
    return "\n".join(lines)
