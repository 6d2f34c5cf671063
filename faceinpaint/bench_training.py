"""Benchmarks of training: what the machine can do, the step, its growth, what each kind of generator costs."""

import time
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from faceinpaint import pipeline
from faceinpaint.config import Config, at_size
from faceinpaint.generator import GENERATORS
from faceinpaint.inpainter import Inpainter
from faceinpaint.measuring import alone, peak_of, random_faces, row, seconds_of

SIZES = (64, 96, 128, 256)
COUNTS = (10, 20, 40)  # batches in an epoch


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
    return float(seconds_of(convolution, calls=3).min())


def ceilings(config: Config, inpainter: Inpainter) -> list[dict]:
    """What the machine gives: a large matrix product, and the generator's own 3x3 convolutions, each by itself."""
    dtype = keras.DTypePolicy(config.precision).compute_dtype
    matrix = tf.cast(tf.random.stateless_normal([2048, 2048], [0, 0]), dtype)
    product = seconds_of(tf.function(lambda: matrix @ matrix))
    layers = [layer for layer in inpainter.generator.layers if getattr(layer, "kernel_size", None) == (3, 3)]
    shapes = [(layer.output.shape[1], *layer.kernel.shape[2:]) for layer in layers]
    seconds = {shape: _convolution_seconds(config.batch_size, dtype, *shape) for shape in set(shapes)}
    convolutions = config.batch_size * sum(map(layer_flops, layers)) / sum(map(seconds.get, shapes))
    return [
        row(f"ceiling: {dtype} matrix product 2048x2048", "GFLOP/s", 2 * 2048**3 / product / 1e9),
        row(f"ceiling: {dtype} 3x3 convolutions of the generator", "GFLOP/s", convolutions / 1e9),
    ]


def _training_seconds(inpainter: Inpainter, calls=5) -> np.ndarray:
    config = inpainter.config
    batches = pipeline.training_batches(random_faces(config, config.batch_size), config)
    example, step = next(iter(batches)), tf.function(inpainter.train_step)
    del batches
    return seconds_of(lambda: step(example), calls)


def training(config: Config, inpainter: Inpainter) -> list[dict]:
    """The training step: images, arithmetic."""
    rates, flops = config.batch_size / _training_seconds(inpainter), step_flops(inpainter) / 1e9
    return [
        row("training step", "images/s", rates),
        row("training step: arithmetic of one image", "GFLOP", flops),
        row("training step", "GFLOP/s", rates * flops),
    ]


def growth(config: Config, inpainter: Inpainter) -> list[dict]:
    """Seconds of an epoch against its number of images, and of a training step against the picture's size."""
    rows = []
    for count in COUNTS:
        faces = random_faces(config, count * config.batch_size)
        batches = iter(pipeline.training_batches(faces, config))
        step = tf.function(inpainter.train_step)
        step(next(batches))
        start = time.perf_counter()
        for _ in range(count):
            step(next(batches))
        seconds = (time.perf_counter() - start) / len(faces)
        rows.append(row(f"epoch of {len(faces):,} images, pipeline included", "ms per image", 1000 * seconds))
        del batches
    for size in SIZES:
        larger = at_size(replace(config, batch_size=8), size)
        network = Inpainter(larger)
        network.compile(1)
        rows.append(row(f"training step at {size} pixels, batches of 8", "ms per image",
                         1000 / 8 * _training_seconds(network, calls=2)))  # fmt: skip
    return rows


def train_some(config: Config, inpainter: Inpainter):
    step, batches = tf.function(inpainter.train_step), pipeline.training_batches(random_faces(config, 1000), config)
    for example in batches.take(20):
        step(example)


def generators(config: Config, _) -> list[dict]:
    """What each kind of generator costs to train, as the paper compares them."""
    rows = []
    for name in GENERATORS:
        own = replace(config, generator=name)
        inpainter = Inpainter(own)
        inpainter.compile(1)
        seconds = config.train_images / config.batch_size * _training_seconds(inpainter)
        rows += [
            row(f"{name}: parameters", "million", inpainter.generator.count_params() / 1e6),
            row(f"{name}: epoch of {config.train_images:,} images", "s", seconds),
            row(f"{name}: peak memory of training", "GiB", alone(peak_of, train_some, own)),
        ]
    return rows
