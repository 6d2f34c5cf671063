"""The systems that the paper reviews: their losses on numbers worked by hand, and that each of them learns."""

import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import config, pipeline, variations
from faceinpaint.config import UserError
from faceinpaint.variations import build, context_encoder, damaged_only, deep_image_prior, nested, sc_fegan, unmosaic
from faceinpaint.variations.wasserstein import Wasserstein, gradient_penalty

SYSTEMS = ("context_encoder", "damaged_only", "wasserstein", "blind", "nested", "sc_fegan")


pytestmark = pytest.mark.usefixtures("drawn_alexnet")


def settings(name, **changes):
    of_preset = config.PRESETS.get(name, {"system": name})
    widths = {"generator_widths": (8, 16, 16)}
    return config.preset("smoke", **{"precision": "float32", "size": 32} | of_preset | widths | changes)


def faces(count=8):
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_learns_what_its_paper_asks_for(name):
    """A few steps change every weight of all networks, and bring the reconstruction loss down."""
    inpainter = build(settings(name, generator_rate=6e-3))
    inpainter.compile(100)
    batch = inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0]))
    networks = (inpainter.generator, inpainter.discriminator)
    before = [[weight.numpy().copy() for weight in network.trainable_weights] for network in networks]
    losses = []
    for _ in range(8):
        inpainter.trackers["reconstruction_loss"].reset_state()
        losses.append(float(inpainter.train_step(batch)["reconstruction_loss"]))
    assert np.mean(losses[-2:]) < 0.98 * np.mean(losses[:2])
    for network, old in zip(networks, before, strict=True):
        idle = [w.path for w, o in zip(network.trainable_weights, old, strict=True) if np.array_equal(w, o)]
        assert not [path for path in idle if "logit" not in path]  # a bias there moves real and fake alike
    validation = inpainter.test_step(inpainter.fixed_examples(faces(), inpainter.config))
    assert 0 < float(validation["hole_psnr"]) < 60


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_listens_to_its_discriminator(name):
    inpainter = build(settings(name, adversarial_weight=1e6))
    inpainter.compile(100)
    told = inpainter.train_step(inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0])))
    assert abs(told["generator_loss"] - inpainter.config.reconstruction_weight * told["reconstruction_loss"]) > 1e3


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_restores_and_is_told_nothing_of_the_hole(name):
    inpainter = build(settings(name))
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    holes = np.zeros((2, 32, 32), np.uint8)
    holes[:, 8:20, 8:20] = 1
    restored = inpainter.restore(images, holes)
    assert np.array_equal(restored[holes == 0], images[holes == 0])
    assert not np.array_equal(restored, images)
    assert np.array_equal(restored, inpainter.restore(np.where(holes[..., None], 255 - images, images), holes))


def test_a_context_encoder_passes_nothing_beside_its_bottom():
    generator = context_encoder.build_encoder_decoder(config.preset("smoke", generator_widths=(8, 16, 16)))
    generator.get_layer("across_channels").kernel.assign(tf.zeros([1, 1, 16, 16]))
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 4)).astype(np.float32)
    one, other = generator(pictures).numpy()
    assert np.array_equal(one, other)


def test_squared_error_by_hand():
    image, restored, mask = (
        np.zeros((2, 2, 2, 3), np.float32),
        np.full((2, 2, 2, 3), 9.0, np.float32),
        np.zeros((2, 2, 2, 1)),
    )
    mask[0, 0] = 1
    restored[0, 0, 0], restored[0, 0, 1] = 0.5, -0.1
    error = context_encoder.squared_error(image, restored, mask.astype(np.float32))
    assert np.allclose(error, [(0.25 + 0.01) / 2, 0.0])


def test_wasserstein_losses_by_hand():
    inpainter = Wasserstein(settings("wasserstein"))
    real, fake = tf.constant([[2.0], [0.0]]), tf.constant([[-1.0], [0.5]])
    assert float(inpainter.discriminator_loss(real, fake)) == pytest.approx(-0.25 - 1.0)
    assert np.allclose(inpainter.adversarial_loss(fake), [1.0, -0.5])


def test_gradient_penalty_by_hand():
    """A linear critic has the norm of its weights everywhere; that of a square depends on where it is asked."""
    real, fake, share = tf.ones([2, 2, 2, 1]), tf.zeros([2, 2, 2, 1]), tf.constant([0.25, 0.5])[:, None, None, None]

    def linear(x):
        return 1.5 * tf.reduce_sum(x, axis=(1, 2, 3))[:, None]

    def square(x):
        return tf.reduce_sum(x**2, axis=(1, 2, 3))[:, None] / 2

    assert float(gradient_penalty(linear, real, fake, share)) == pytest.approx((1.5 * 2 - 1) ** 2)
    assert float(gradient_penalty(square, real, fake, share)) == pytest.approx(((0.5 - 1) ** 2 + (1 - 1) ** 2) / 2)


def test_the_penalty_reaches_the_critic_alone():
    inpainter = build(settings("wasserstein"))
    inpainter.compile(100)
    image, mask, filled_image = inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0]))
    with tf.GradientTape(persistent=True) as tape:
        loss = inpainter.penalty(image, inpainter.stages(filled_image, mask)[0], mask)
    kernels = [w for w in inpainter.discriminator.trainable_weights if w.name == "kernel"]
    assert all(np.abs(g).max() > 0 for g in tape.gradient(loss, [w.value for w in kernels]))
    assert not any(g is not None for g in tape.gradient(loss, [w.value for w in inpainter.generator.trainable_weights]))


def test_the_patch_of_a_hole_by_hand():
    pictures = np.zeros((2, 16, 16, 2), np.float32)
    pictures[..., 0] = np.arange(16)[:, None]
    pictures[0, 4:8, 2:10, 1] = 1  # 4 rows, 8 columns; the second picture has no hole
    patches = nested.hole_patch(pictures, 4).numpy()
    assert patches.shape == (2, 4, 4, 2)
    assert np.allclose(patches[0, ..., 0], [[4] * 4, [5] * 4, [6] * 4, [7] * 4])
    assert np.allclose(patches[0, ..., 1], 1)
    assert np.allclose(patches[1, :, 0, 0], [1.5, 5.5, 9.5, 13.5])


def test_the_inner_discriminator_sees_the_hole_and_what_is_in_it():
    inpainter = build(settings("nested"))
    pictures = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 4)).astype(np.float32)
    pictures[..., 3] = 0
    pictures[:, 8:24, 8:24, 3] = 1
    outside, inside = pictures.copy(), pictures.copy()
    outside[:, :4, :, :3], inside[:, 12:16, 12:16, :3] = 1, 1
    (plain,), (out,), (within,) = (inpainter.discriminator(x).numpy() for x in (pictures, outside, inside))
    assert (plain != within).all()
    assert (plain != out).tolist() == [True, False]
    assert np.allclose(inpainter.adversarial_loss(tf.constant([[0.0, np.log(3.0)]])), (np.log(2) - np.log(0.75)) / 2)


def test_hinge_by_hand():
    inpainter = build(settings("sc_fegan"))
    real, fake = tf.constant([[2.0, 0.5]]), tf.constant([[-3.0, 0.0]])
    assert float(inpainter.discriminator_loss(real, fake)) == pytest.approx((0 + 0.5) / 2 + (0 + 1) / 2)
    assert np.allclose(inpainter.adversarial_loss(fake), [1.5])


def test_perceptual_and_style_loss_by_hand():
    here = [tf.constant([[[[1.0, 2.0]]]]), tf.zeros([1, 2, 2, 1])]
    there = [tf.constant([[[[0.0, 2.0]]]]), tf.ones([1, 2, 2, 1])]
    assert float(sc_fegan.perceptual_loss(here, there)) == pytest.approx(0.5 + 1.0)
    # [[1, 2], [2, 4]] / 2 and [[0, 0], [0, 4]] / 2; then 0 and 4 / 4
    assert float(sc_fegan.style_loss(here, there)) == pytest.approx((0.5 + 1 + 1 + 0) / 4 + 1.0)


def test_a_patch_discriminator_is_normalised():
    """However large its weights are made, what it says changes by no more than the picture does."""
    discriminator = sc_fegan.build_patch_discriminator(config.preset("smoke", discriminator_widths=(8, 16)))
    for layer in discriminator.layers:
        if hasattr(layer, "layer"):
            layer.layer.kernel.assign(100 * layer.layer.kernel)
    picture = tf.constant(np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 4)), tf.float32)
    for _ in range(20):
        logits = discriminator(picture, training=True)
    assert logits.shape == (1, 16 * 16)
    assert np.abs(logits).max() < 100


def test_normalisation_rounds_no_weight():
    """Where the convolutions are computed in bfloat16, their weights keep the digits that a small step changes."""
    discriminator = sc_fegan.build_patch_discriminator(config.preset("smoke"), "mixed_bfloat16")
    discriminator(tf.random.stateless_uniform([1, 64, 64, 4], [0, 0]), training=True)
    for kernel in (layer.layer.kernel.value for layer in discriminator.layers if hasattr(layer, "layer")):
        rounded = tf.cast(tf.cast(kernel, tf.bfloat16), tf.float32)
        assert (rounded != kernel).numpy().mean() > 0.9


def test_a_damaged_face_never_shows_what_is_under_its_hole():
    """The same batch, its faces' own holes filled with something else: bit for bit the same examples."""
    chosen, seed, pictures = settings("damaged_only"), tf.constant([3, 4]), tf.constant(faces())
    damaged = damaged_only.damaged_for_good(pictures, chosen.seed).numpy()
    assert 0.05 < (damaged[..., 3] > 0).mean() < 0.7
    assert (damaged[..., :3][damaged[..., 3] > 0] == 0).all()
    again = damaged_only.damaged_for_good(pictures[::-1], chosen.seed).numpy()[::-1]
    assert np.array_equal(damaged, again), "a picture's hole is its own"
    image, mask, inputs = damaged_only.training_example(pictures, chosen, seed)
    own, hole = inputs[..., 3:] - mask, inputs[..., 3:]
    assert set(np.unique(own)) == {0.0, 1.0}
    assert (mask.numpy().sum(axis=(1, 2, 3)) > 0).sum() > 4  # one may lie under the other
    known = np.broadcast_to(hole == 0, image.shape)
    assert np.array_equal(inputs[..., :3].numpy()[known], image.numpy()[known])
    clean, _ = pipeline.framed_example(pictures, chosen, seed)
    told = np.broadcast_to(own == 0, image.shape)
    assert np.allclose(image.numpy()[told], clean.numpy()[told], atol=2e-4)
    assert not np.allclose(image.numpy()[~told], clean.numpy()[~told], atol=0.1)


def test_what_a_damaged_face_does_not_know_is_no_target():
    inpainter = build(settings("damaged_only"))
    inpainter.compile(100)
    image, mask, inputs = inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0]))
    other = image + 0.5 * (1.0 - mask)
    errors = [float(inpainter.reconstruction_loss(x, [x + mask * 0.25], mask)) for x in (image, other)]
    assert errors[0] == pytest.approx(errors[1])
    drawn = inpainter.stages(inputs, mask)[0].numpy()
    plain = inpainter.generator(inputs).numpy()
    assert np.allclose(drawn, plain), "the generator is told of both holes"


def test_blind_networks_are_not_told_where():
    inpainter = build(settings("unmosaic_blind"))
    _, mask, filled_image = inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0]))
    drawn = [inpainter.generate(filled_image, x).numpy() for x in (mask, 1 - mask)]
    assert np.array_equal(*drawn)


def test_known_error_by_hand():
    image, generated, mask = (np.zeros((1, 2, 2, channels), np.float32) for channels in (3, 3, 1))
    generated[0, 0], generated[0, 1], mask[0, 1] = 0.5, 9.0, 1
    assert float(deep_image_prior.known_error(image, generated, mask)) == pytest.approx(0.25)


def test_deep_image_prior_learns_one_picture_from_its_known_pixels():
    chosen = config.preset("smoke", precision="float32", size=32, generator_widths=(8, 16))
    image = np.full((32, 32, 3), (200, 120, 60), np.uint8)
    hole = np.zeros((32, 32), np.uint8)
    hole[10:18, 12:20] = 1
    errors = []
    for steps in (1, 150):
        prior = deep_image_prior.DeepImagePrior(chosen, steps)
        restored = prior.restore(image, hole)
        assert np.array_equal(restored[hole == 0], image[hole == 0])
        errors.append(np.abs(restored.astype(int) - image)[hole > 0].mean())
    assert errors[1] < 20 < errors[0]
    assert np.array_equal(restored, prior.restore(np.where(hole[..., None], np.uint8(9), image), hole))


def test_a_mosaic_and_its_bicubic_enlargement():
    ramp = np.repeat(np.linspace(0, 252, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    hole = np.zeros((64, 64), np.uint8)
    hole[16:48, 16:48] = 1
    coarse, smooth = unmosaic.block_means(ramp, hole), unmosaic.bicubic(ramp, hole)
    assert coarse[20, 16:24, 0].tolist() == [round(ramp[0, 16:24, 0].mean())] * 8
    assert np.abs(smooth.astype(int) - ramp).max() <= 2
    for restored in (coarse, smooth):
        assert np.array_equal(restored[hole == 0], ramp[hole == 0])


def test_blind_networks_are_not_told_where_in_training_either():
    told = []
    for where in (lambda mask: mask, lambda mask: 1 - mask):
        inpainter = build(settings("unmosaic_blind"))  # the same weights each time
        inpainter.compile(100)
        image, mask, filled = inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0]))
        told.append([float(value) for value in inpainter.train_step((image, where(mask), filled)).values()])
    assert told[0] == pytest.approx(told[1])


def test_the_critics_loss_counts_the_penalty_ten_times(monkeypatch):
    monkeypatch.setattr("faceinpaint.variations.wasserstein.gradient_penalty", lambda *_: 7.0)
    inpainter = build(settings("wasserstein"))
    inpainter.compile(100)
    told = inpainter.train_step(inpainter.training_example(tf.constant(faces()), inpainter.config, tf.constant([0, 0])))
    assert float(told["discriminator_loss"]) == pytest.approx(70, abs=5)


def test_reconstruction_terms_of_other_systems_by_hand():
    image, mask = tf.zeros([1, 32, 32, 3]), tf.ones([1, 32, 32, 1])
    wasserstein, fegan = build(settings("wasserstein")), build(settings("sc_fegan"))
    fegan.activations = lambda pictures: [pictures]
    for inpainter in (wasserstein, fegan):
        assert inpainter.balance(image, image + 0.25, mask) == 1.0
    assert float(wasserstein.reconstruction_loss(image, [image + 0.25], mask)) == pytest.approx(0.25)
    style = 0.25**2 / 3  # each entry of the gram matrix
    expected = 0.25 + 0.05 * 0.25 + 120 * style
    assert float(fegan.reconstruction_loss(image, [image + 0.25] * 2, mask)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["system", "fill", "mix"])
def test_what_no_system_knows_is_said_in_a_line(name):
    for ask in (build, lambda settings: variations.check_start(settings, None)):
        with pytest.raises(UserError, match=f"{name} 'nope': choose one of "):
            ask(config.Config(**{name: "nope"}))
