"""The networks' shapes and the losses' values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import config, losses
from faceinpaint.networks import build_discriminator, build_unet
from faceinpaint.variations import SYSTEMS
from faceinpaint.variations.coarse_to_fine import build_coarse_to_fine


@pytest.mark.parametrize("name", sorted(set(SYSTEMS) - {"octave"}))  # whose model holds two networks
@pytest.mark.parametrize("size", [16, 48, 64, 96])
def test_generators_serve_any_multiple_of_16(name, size):
    generator = SYSTEMS[name].build_generator(config.preset("smoke", size=size))
    output = generator(np.zeros((2, size, size, 4), np.float32))
    assert output.shape == (2, size, size, 3)
    assert output.dtype == tf.float32


def test_output_stays_in_range_and_is_float32_in_mixed_precision():
    generator = build_unet(config.preset("smoke"), "mixed_bfloat16")
    output = generator(np.full((1, 64, 64, 4), 1e3, np.float32))
    assert output.dtype == tf.float32
    assert np.abs(output).max() <= 1
    assert {w.dtype for w in generator.weights} == {"float32"}


def test_the_generator_sees_the_mask_and_the_far_corner():
    generator = build_unet(config.preset("smoke", generator_widths=(8, 8, 8, 8, 8)))
    inputs = np.random.default_rng(0).uniform(-1, 1, (3, 64, 64, 4)).astype(np.float32)
    inputs[1:, ..., :3] = inputs[0, ..., :3]
    inputs[1:, ..., 3] = inputs[0, ..., 3]
    inputs[1, ..., 3] = 1 - inputs[0, ..., 3]
    inputs[2, :16, :16] = 0
    plain, other_mask, other_corner = np.asarray(generator(inputs))
    assert not np.allclose(plain, other_mask)
    assert not np.allclose(plain[40:48, 40:48], other_corner[40:48, 40:48])


def test_skips_carry_detail_that_the_bottom_cannot():
    keras.utils.set_random_seed(0)
    generator = build_unet(config.preset("smoke"))
    inputs = np.zeros((2, 64, 64, 4), np.float32)
    inputs[1, 33, 33] = 1
    difference = np.abs(np.diff(np.asarray(generator(inputs)), axis=0))[0].sum(axis=-1)
    assert difference[30:38, 30:38].max() == difference.max()
    for scale in range(2):  # nothing comes up from below any more
        up = generator.get_layer(f"up{scale}")
        up.kernel.assign(0 * up.kernel)
    difference = np.abs(np.diff(np.asarray(generator(inputs)), axis=0))[0].sum(axis=-1)
    assert difference[30:38, 30:38].max() > 0
    assert difference[:20].max() == 0


def test_the_fine_stage_sees_the_coarse_one_in_the_hole_alone():
    generator = build_coarse_to_fine(config.preset("smoke"))
    inputs = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 4)).astype(np.float32)
    inputs[..., 3] = 0
    coarse_out = generator.get_layer("coarse_out")

    def fine_changes():
        before = np.asarray(generator(inputs))
        coarse_out.bias.assign_add([3.0, 3.0, 3.0])
        return not np.allclose(before, np.asarray(generator(inputs)))

    assert not fine_changes()
    inputs[:, 20:40, 20:40, 3] = 1
    assert fine_changes()


def test_discriminator_ends_in_one_logit_after_dense_layers():
    discriminator = build_discriminator(config.preset("smoke"))
    logits = discriminator(np.random.default_rng(0).normal(size=(5, 64, 64, 4)).astype(np.float32))
    assert logits.shape == (5, 1)
    kinds = [type(layer).__name__ for layer in discriminator.layers]
    assert kinds.count("Conv2D") == 2
    assert kinds[-1] == "Dense"
    assert kinds.index("Dense") > max(i for i, kind in enumerate(kinds) if kind == "Conv2D")
    assert discriminator.layers[-1].activation.__name__ == "linear"


def test_widths_come_from_the_config():
    assert build_unet(config.preset("smoke", generator_widths=(4, 6, 10))).count_params() < 4000
    assert build_discriminator(config.preset("smoke", discriminator_dense=3)).layers[-1].kernel.shape == (3, 1)


def test_bce_by_hand():
    zero = tf.zeros([4, 1])
    assert float(losses.discriminator_loss(zero, zero)) == pytest.approx(np.log(2))
    assert np.allclose(losses.adversarial_loss(zero), [np.log(2)] * 4)
    logits = tf.constant([[np.log(3.0)]], tf.float32)  # sigmoid 3/4
    assert np.allclose(losses.adversarial_loss(logits), [-np.log(0.75)])
    assert float(losses.discriminator_loss(logits, logits)) == pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2)


def test_bce_of_extreme_logits_is_finite():
    large = tf.constant([[1e4]])
    assert np.allclose(losses.adversarial_loss(-large), [1e4])
    assert float(losses.discriminator_loss(large, -large)) == 0.0


def test_hole_error_counts_the_hole_alone():
    image = np.zeros((3, 4, 4, 3), np.float32)
    restored = np.full_like(image, 0.5)
    restored[1] = 0.25
    mask = np.zeros((3, 4, 4, 1), np.float32)
    mask[0, :2] = mask[1, 0, 0] = 1  # none in the third
    restored[0, 2:] = 9.0  # not in the hole
    assert np.allclose(losses.hole_error(image, restored, mask), [0.5, 0.25, 0.0])


def test_reconstruction_loss_by_hand():
    assert float(losses.reconstruction_loss(tf.constant([0.5, 0.09]))) == pytest.approx((np.log(51) + np.log(10)) / 2)
    assert float(losses.reconstruction_loss(tf.zeros([2]))) == 0.0


def test_balance_is_what_the_logarithm_leaves_of_the_gradient():
    error = tf.constant([0.0, 0.04, 0.5])
    with tf.GradientTape() as tape:
        tape.watch(error)
        loss = losses.reconstruction_loss(error)
    no_hole = np.zeros([3, 2, 2, 1], np.float32)
    assert np.allclose(tape.gradient(loss, error) * 3 * losses.ERROR_FLOOR, losses.balance(error, no_hole))
    half = np.tile(np.float32([[1], [0]]), [3, 1, 2])[..., None]
    assert np.allclose(losses.balance(error, half), [0.25, 0.05, 0.25 / 51])
    with tf.GradientTape() as tape:
        tape.watch(error)
        weighted = losses.balance(error, half)
    assert tape.gradient(weighted, error) is None
