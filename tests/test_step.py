"""The training step as TensorFlow runs it: what its graph holds, compiled or not."""

from collections import Counter
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled

from faceinpaint import config, pipeline, train
from faceinpaint.inpainter import Inpainter
from faceinpaint.variations import build

ON_THE_HOST = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


def settings(**changes):
    return config.preset("smoke", **{"precision": "float32", "size": 32} | changes)


def examples(chosen, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (chosen.batch_size, 8, 8, 3), np.uint8)
    return pipeline.training_example(tf.constant(images.repeat(8, 1).repeat(8, 2)), chosen, tf.constant([seed, 0]))


def compiled(chosen):
    inpainter = build(chosen)
    inpainter.compile(steps_per_epoch=100)
    return inpainter


def operations(function, *arguments):
    """What is left to do when `function` is called: the operations in its graph that its results or variables need."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    waiting, needed = [*graph.control_outputs, *(tensor.op for tensor in graph.outputs)], {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in needed:
            needed[operation.name] = operation
            waiting += [*operation.control_inputs, *(tensor.op for tensor in operation.inputs)]
    return needed.values()


@pytest.mark.parametrize(
    ("system", "precision", "dtype"),
    [("paper", "float32", tf.float32), ("coarse_to_fine", "mixed_bfloat16", tf.bfloat16)],
)
def test_no_gradient_is_computed_that_no_optimizer_uses(system, precision, dtype):
    """One for each weight: those of the discriminator are not computed once more for the generator's sake. All
    convolutions are of the config's precision, and nothing is left to the host."""
    inpainter = compiled(settings(system=system, precision=precision))
    found = operations(inpainter.train_step, examples(inpainter.config))
    layers = [layer for network in (inpainter.generator, inpainter.discriminator) for layer in network.layers]
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose)]
    count = Counter(each.type for each in found)
    assert count["Conv2DBackpropFilter"] == len(convolutions)
    assert {each.outputs[0].dtype for each in found if each.type.startswith("Conv2D")} == {dtype}
    assert {variable.dtype for variable in inpainter.state_variables} <= {"float32", "int64"}
    assert not ON_THE_HOST & set(count)


@pytest.fixture
def any_order():
    """TensorFlow's operations as they are before the first training of a process, which makes them deterministic."""
    before = is_op_determinism_enabled()
    disable_op_determinism()
    yield
    if before:
        tf.config.experimental.enable_op_determinism()


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_training_is_compiled_where_the_config_says_so_and_else_deterministic(
    monkeypatch, tmp_path, face_archive, jit_compile
):
    seen = []

    def stop(inpainter, *_, **__):
        seen.append((inpainter.jit_compile, is_op_determinism_enabled()))
        raise KeyboardInterrupt

    monkeypatch.setattr(Inpainter, "fit", stop)
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        train(settings(jit_compile=jit_compile), face_archive, tmp_path / "run")
    assert seen == [(jit_compile, not jit_compile)]


@pytest.mark.usefixtures("any_order")
def test_compiled_by_xla_the_losses_are_the_same():
    losses = []
    for jit_compile in (False, True):
        inpainter = compiled(settings(jit_compile=jit_compile))
        assert inpainter.jit_compile == jit_compile
        batches = tf.data.Dataset.from_tensors(examples(inpainter.config)).repeat(3)
        history = inpainter.fit(batches, verbose=0, shuffle=False).history
        losses.append([history["generator_loss"][0], history["discriminator_loss"][0]])
    assert np.allclose(*losses, rtol=1e-4)


def test_damage_and_fill_need_nothing_on_the_host():
    chosen = settings(rotation=45.0, colour=0.1)
    images = tf.zeros([chosen.batch_size, 64, 64, 3], tf.uint8)
    draw = partial(pipeline.training_example, images, chosen)
    found = operations(draw, tf.constant([0, 1]))
    assert not ON_THE_HOST & {each.type for each in found}
