"""Benchmarks of training: what the machine can do, the step, its growth, what each kind of generator costs."""

import time
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from faceinpaint import pipeline
from faceinpaint.bench.measuring import alone, peak_of, random_faces, row, seconds_of
from faceinpaint.config import PRESETS, Config, at_size
from faceinpaint.inpainter import Inpainter
from faceinpaint.variations import build

SIZES = (64, 96, 128, 256)
COUNTS = (10, 20, 40)  # batches in an epoch
COMPARED = ("paper", "coarse_to_fine", "coarse_to_fine_narrow", "sc_fegan")  # presets


def layer_flops(layer) -> int:
    """Multiplications and additions of a layer for one image, forward: two for each use of a weight."""
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return 2 * int(np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape))
    if isinstance(layer, keras.layers.Conv2D):
        return 2 * int(np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape))
    return 2 * int(np.prod(layer.kernel.shape)) if isinstance(layer, keras.layers.Dense) else 0


def step_flops(inpainter: Inpainter) -> int:
    """Of one training step, for each image; activations and optimizers are not counted.

    A backward pass costs a forward pass for the weights and another for what came in, which a network's first layer
    need not pass on. The discriminator sees two images. Its own loss goes back through it for both, the generator's for
    the restored one, without gradients of its weights.
    """
    generator, discriminator = (
        [flops for flops in map(layer_flops, network.layers) if flops]
        for network in (inpainter.generator, inpainter.discriminator)
    )
    return 3 * sum(generator) - generator[0] + 7 * sum(discriminator) - 2 * discriminator[0]


def _convolutions(network) -> list:
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose)]


def _input(layer, batch):
    return tf.cast(tf.random.stateless_normal([batch, *layer.input.shape[1:]], [0, 0]), layer.compute_dtype)


def _forward(layer, batch):
    """A function that calls `layer` on random pictures."""
    image = _input(layer, batch)
    return tf.function(lambda: layer(image))


def _both_ways(layer, batch):
    """A function that calls `layer` on random pictures, and finds the gradients of its kernel and of the pictures."""
    image = _input(layer, batch)

    def work():
        with tf.GradientTape() as tape:
            tape.watch(image)
            output = layer(image)
        return tape.gradient(output, [image, layer.kernel.value], output)

    return tf.function(work)


def _rate(work, layers_and_batches, passes) -> float:
    """GFLOP/s of all these layers together, each measured by itself, its best call counted."""
    flops = passes * sum(batch * layer_flops(layer) for layer, batch in layers_and_batches)
    return flops / sum(seconds_of(work(*each), calls=3).min() for each in layers_and_batches) / 1e9


def ceilings(config: Config, inpainter: Inpainter) -> list[dict]:
    """What the machine gives: a large matrix product; the generator's 3x3 convolutions forward; and all convolutions of
    a training step, forward and backward. The gradients of weights are what libraries are slowest at."""
    dtype = keras.DTypePolicy(config.precision).compute_dtype
    matrix = tf.cast(tf.random.stateless_normal([2048, 2048], [0, 0]), dtype)
    product = seconds_of(tf.function(lambda: matrix @ matrix))
    generator = [(layer, config.batch_size) for layer in _convolutions(inpainter.generator)]
    discriminator = [(layer, 2 * config.batch_size) for layer in _convolutions(inpainter.discriminator)]
    squares = [(layer, batch) for layer, batch in generator if layer.kernel_size == (3, 3)]
    forward, both_ways = _rate(_forward, squares, 1), _rate(_both_ways, generator + discriminator, 3)
    return [
        row(f"ceiling: {dtype} matrix product 2048x2048", "GFLOP/s", 2 * 2048**3 / product / 1e9),
        row(f"ceiling: {dtype} 3x3 convolutions, forward", "GFLOP/s", forward),
        row(f"ceiling: {dtype} all convolutions of the step, forward and backward", "GFLOP/s", both_ways),
    ]


def _training_seconds(inpainter: Inpainter, calls=5) -> np.ndarray:
    config = inpainter.config
    batches = pipeline.training_batches(random_faces(config, config.batch_size), config)
    example, step = next(iter(batches)), tf.function(inpainter.train_step)
    del batches
    return seconds_of(lambda: step(example), calls)


def step(config: Config, inpainter: Inpainter) -> list[dict]:
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


def systems(config: Config, _) -> list[dict]:
    """What the kinds of network cost that the paper compares, each as its preset has it."""
    rows = []
    for name in COMPARED:
        own = replace(config, **PRESETS[name])
        inpainter = build(own)
        inpainter.compile(1)
        seconds = config.train_images / config.batch_size * _training_seconds(inpainter)
        rows += [
            row(f"{name}: parameters", "million", inpainter.generator.count_params() / 1e6),
            row(f"{name}: epoch of {config.train_images:,} images", "s", seconds),
            row(f"{name}: peak memory of training", "GiB", alone(peak_of, train_some, own)),
        ]
    return rows
