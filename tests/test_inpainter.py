"""The training step and `restore`."""

import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import config, losses, pipeline
from faceinpaint.inpainter import Inpainter, composite
from faceinpaint.variations import build

SMOKE = config.preset("smoke", precision="float32", size=32)


def batch(count=8, size=32, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8).repeat(16, 1).repeat(16, 2)
    settings = config.preset("smoke", size=size)
    return pipeline.training_example(tf.constant(images), settings, tf.constant([seed, 0]))


@pytest.fixture
def inpainter():
    inpainter = Inpainter(SMOKE)
    inpainter.compile(steps_per_epoch=100)
    return inpainter


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def changed(before, after):
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def test_composite_takes_the_hole_from_generated_and_the_rest_from_image():
    image, generated, mask = np.float32(0.25), np.float32(-1), np.array([0.0, 1.0], np.float32)
    assert np.array_equal(composite(image, generated, mask), [0.25, -1.0])


def test_one_step_changes_every_weight_of_both_networks(inpainter):
    networks = (inpainter.generator, inpainter.discriminator, inpainter.averaged_generator)
    before = [values(network.weights) for network in networks]
    inpainter.train_step(batch())
    for network, old in zip(networks, before, strict=True):
        assert all(changed(old, values(network.weights))), network.name


@pytest.mark.parametrize("idle", ["generator", "discriminator"])
def test_each_optimizer_moves_only_its_own_network(idle):
    settings = config.preset("smoke", precision="float32", size=32, **{f"{idle}_rate": 0.0})
    inpainter = Inpainter(settings)
    inpainter.compile(100)
    busy = "discriminator" if idle == "generator" else "generator"
    before = {name: values(getattr(inpainter, name).weights) for name in (idle, busy)}
    inpainter.train_step(batch())
    assert not any(changed(before[idle], values(getattr(inpainter, idle).weights)))
    assert all(changed(before[busy], values(getattr(inpainter, busy).weights)))


def test_both_stages_of_a_coarse_to_fine_network_are_taught():
    inpainter = build(config.preset("smoke", precision="float32", size=32, system="coarse_to_fine"))
    inpainter.compile(100)
    before = values(inpainter.generator.weights)
    inpainter.train_step(batch())
    assert all(changed(before, values(inpainter.generator.weights)))


def test_the_average_follows_its_formula(inpainter):
    start = values(inpainter.averaged_generator.weights)
    inpainter.train_step(batch())
    momentum = 0.5 ** (1 / SMOKE.average_share)  # after one step
    expected = [
        momentum * a + (1 - momentum) * w for a, w in zip(start, values(inpainter.generator.weights), strict=True)
    ]
    for got, want in zip(values(inpainter.averaged_generator.weights), expected, strict=True):
        assert np.allclose(got, want, atol=1e-6)


def test_the_generator_is_told_of_both_terms():
    def gradient_size(**weights):
        inpainter = Inpainter(config.preset("smoke", precision="float32", size=32, **weights))
        inpainter.compile(100)
        before = values(inpainter.generator.weights)
        inpainter.train_step(batch())
        return any(changed(before, values(inpainter.generator.weights)))

    assert gradient_size(reconstruction_weight=0.0, adversarial_weight=1.0)
    assert gradient_size(reconstruction_weight=1.0, adversarial_weight=0.0)
    assert not gradient_size(reconstruction_weight=0.0, adversarial_weight=0.0)


def test_the_adversarial_weight_rises_to_its_own_over_the_share_asked_for():
    inpainter = Inpainter(config.preset("smoke", size=32, adversarial_rise=0.5, adversarial_weight=0.8, epochs=2))
    inpainter.compile(20)
    weights = []
    for step in (0, 9, 19, 39):
        inpainter.generator_optimizer.iterations.assign(step)
        weights.append(float(inpainter.adversarial_weight()))
    assert np.allclose(weights, [0.04, 0.4, 0.8, 0.8])
    inpainter = Inpainter(config.preset("smoke", size=32, adversarial_weight=0.8))
    inpainter.compile(20)
    assert np.isclose(float(inpainter.adversarial_weight()), 0.8)  # at the first step


def test_a_few_steps_learn(inpainter):
    step, examples = tf.function(inpainter.train_step), batch()
    first = {name: float(value) for name, value in step(examples).items()}
    for _ in range(80):
        for metric in inpainter.metrics:
            metric.reset_state()
        last = step(examples)
    assert float(last["reconstruction_loss"]) < first["reconstruction_loss"] - 0.25  # a fifth of the error gone
    assert np.isfinite([float(value) for value in last.values()]).all()


def test_the_rate_falls_to_zero_at_the_end():
    inpainter = Inpainter(SMOKE)
    inpainter.compile(steps_per_epoch=2)  # two epochs: four steps
    rates = []
    for _ in range(5):
        rates.append(float(inpainter.generator_optimizer.learning_rate))
        inpainter.train_step(batch())
    assert rates[0] == pytest.approx(SMOKE.generator_rate)
    assert rates[2] == pytest.approx(SMOKE.generator_rate / 2, rel=1e-3)
    assert rates[4] == pytest.approx(0, abs=1e-9)


def test_a_mirrored_picture_is_restored_to_the_mirror_image(inpainter):
    _, mask, filled_image = batch()
    generated = inpainter.generate(filled_image, mask).numpy()
    mirrored = inpainter.generate(filled_image[:, :, ::-1], mask[:, :, ::-1]).numpy()
    assert np.abs(mirrored[:, :, ::-1] - generated).max() < 1e-5
    alone = inpainter.generate(filled_image, mask, self_ensemble=False).numpy()
    assert np.array_equal(alone, inpainter.averaged_generator(tf.concat([filled_image, mask], axis=-1)))
    assert np.abs(alone - generated).max() > 1e-3


def test_validation_measures_the_averaged_generator(inpainter):
    image, mask, filled = batch()
    result = inpainter.test_step((image, mask, filled))
    restored = inpainter([image, mask, filled])
    error = np.square(image - restored)
    assert float(result["psnr"]) == pytest.approx(np.mean(10 * np.log10(4 / error.mean(axis=(1, 2, 3)))), rel=1e-4)
    hole = (mask * error).numpy().sum(axis=(1, 2, 3)) / (3 * mask.numpy().sum(axis=(1, 2, 3)))
    assert float(result["hole_psnr"]) == pytest.approx(np.mean(10 * np.log10(4 / hole)), rel=1e-4)


def test_validation_leaves_out_images_without_a_value(inpainter):
    image, mask, filled = batch()
    holes = mask * tf.cast(tf.range(8) < 6, tf.float32)[:, None, None, None]  # two images without a hole
    result = {name: float(value) for name, value in inpainter.test_step((image, holes, filled)).items()}
    for metric in inpainter.metrics:
        metric.reset_state()
    expected = inpainter.test_step((image[:6], mask[:6], filled[:6]))
    assert result["hole_psnr"] == pytest.approx(float(expected["hole_psnr"]))
    assert result["psnr"] == pytest.approx(float(expected["psnr"]))


def test_restore_leaves_known_pixels_bit_identical(inpainter):
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    masks = np.random.default_rng(2).integers(0, 2, (5, 32, 32), np.uint8) * 255
    restored = inpainter.restore(images, masks)
    assert restored.dtype == np.uint8
    assert np.array_equal(restored[masks == 0], images[masks == 0])
    assert not np.array_equal(restored, images)
    assert np.array_equal(restored, inpainter.restore(images, masks[..., None]))
    assert np.array_equal(restored, inpainter.restore(images, masks > 0, batch_size=2))
    spoiled = np.where(masks[..., None] > 0, np.uint8(7), images)
    assert np.array_equal(restored, inpainter.restore(spoiled, masks)), "what lies in the hole must not matter"


def test_restore_takes_one_image(inpainter):
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    masks = np.zeros((2, 32, 32), bool)
    masks[:, 8:20, 8:20] = True
    one = inpainter.restore(images[0], masks[0])
    assert one.shape == (32, 32, 3)
    assert np.array_equal(one, inpainter.restore(images, masks)[0])


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (np.zeros((2, 32, 32, 3), np.float32), np.zeros((2, 32, 32)), "expected uint8 in \\[0, 255\\], got float32"),
        (np.zeros((2, 64, 64, 3), np.uint8), np.zeros((2, 64, 64)), "expected shape \\[N, 32, 32, 3\\], got \\[2, 64"),
        (np.zeros((2, 32, 32), np.uint8), np.zeros((2, 32, 32)), "expected shape"),
        (np.zeros((0, 32, 32, 3), np.uint8), np.zeros((0, 32, 32)), "empty batch"),
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((3, 32, 32)), "masks: expected shape \\[2, 32, 32, 1\\]"),
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 16, 64)), "masks: expected shape"),
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3)), "masks: expected shape"),
    ],
)
def test_restore_says_what_it_expected(inpainter, images, masks, message):
    with pytest.raises(ValueError, match=message):
        inpainter.restore(images, masks)


@pytest.mark.parametrize("system", ["paper", "coarse_to_fine"])
def test_the_discriminator_judges_the_restored_picture_of_the_last_stage(system, monkeypatch):
    inpainter = build(config.preset("smoke", precision="float32", size=32, system=system))
    inpainter.compile(100)
    image, mask, filled = batch()
    expected = composite(image, inpainter.stages(filled, mask)[-1], mask)
    seen, judged = [], Inpainter.judged
    monkeypatch.setattr(Inpainter, "judged", lambda self, *given: seen.append(given) or judged(self, *given))
    real, fake = judged(inpainter, image, expected, mask)
    for logits, picture in ((real, image), (fake, expected)):
        assert np.allclose(logits, inpainter.discriminator(tf.concat([picture, mask], -1)), atol=1e-5)
    inpainter.train_step((image, mask, filled))
    for given, wanted in zip(seen[0], (image, expected, mask), strict=True):
        assert np.allclose(given, wanted, atol=1e-6)


def test_the_average_remembers_longer_as_training_goes_on(inpainter):
    weights = values(inpainter.generator.weights)
    inpainter.averaged_generator.set_weights([0 * weight for weight in weights])
    inpainter.generator_optimizer.iterations.assign(round(1 / SMOKE.average_share))  # now a step is half a life
    inpainter.average_generator()
    for got, weight in zip(values(inpainter.averaged_generator.weights), weights, strict=True):
        assert np.allclose(got, weight / 2, atol=1e-6)


def test_without_the_reconstruction_term_the_error_weighs_nothing(inpainter):
    image, mask, filled = batch()
    error = losses.hole_error(image, filled, mask)
    assert np.allclose(inpainter.balance(image, filled, mask), losses.balance(error, mask))
    alone = Inpainter(config.preset("smoke", precision="float32", size=32, reconstruction_weight=0.0))
    assert float(alone.balance(image, filled, mask)) == 1.0


def test_the_adversarial_loss_of_each_image_is_balanced(inpainter, monkeypatch):
    told = []
    for weight in (0.0, 1e6):
        monkeypatch.setattr(Inpainter, "balance", lambda *_, weight=weight: weight)
        inpainter.reset_metrics()
        told.append(float(inpainter.train_step(batch())["generator_loss"]))
    assert told[1] > 1e4 * told[0]


def test_both_optimizers_are_as_the_config_says(inpainter):
    for optimizer, rate in (
        (inpainter.generator_optimizer, inpainter.config.generator_rate),
        (inpainter.discriminator_optimizer, inpainter.config.discriminator_rate),
    ):
        assert (optimizer.beta_1, optimizer.beta_2) == (inpainter.config.beta_1, 0.999)
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-3)


def test_each_stage_counts_in_the_reconstruction_loss(inpainter):
    image, mask, filled = batch()
    each = [float(inpainter.reconstruction_loss(image, [x], mask)) for x in (filled, -image)]
    assert float(inpainter.reconstruction_loss(image, [filled, -image], mask)) == pytest.approx(np.mean(each))
