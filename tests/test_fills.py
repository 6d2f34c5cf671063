"""Fills against cases worked by hand."""

import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import fills, masks, pipeline

SEED = tf.constant([1, 2])


def picture(batch=4, size=64, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(set(fills.FILLS) - {"mosaic"}))
@pytest.mark.parametrize("size", [48, 64, 96])
def test_known_pixels_are_exact_and_the_hole_is_ignored(name, size):
    image = picture(size=size)
    mask = masks.mixed(masks.TRAINING_MIX, pipeline.centred_frames(4), size, SEED).numpy()
    filled = np.asarray(fills.FILLS[name](image, mask, SEED))
    assert np.array_equal(
        filled[np.broadcast_to(mask == 0, filled.shape)], image[np.broadcast_to(mask == 0, image.shape)]
    )
    spoiled = np.where(mask > 0, 0.77, image).astype(np.float32)
    assert np.allclose(np.asarray(fills.FILLS[name](spoiled, mask, SEED)), filled, atol=1e-6)
    assert np.abs(filled).max() <= 1


@pytest.mark.parametrize("name", ["surround", "mean"])
def test_a_flat_colour_is_continued_whatever_the_hole(name):
    image = np.full((6, 64, 64, 3), [0.5, -0.25, 0.125], np.float32)
    mask = masks.mixed(masks.TRAINING_MIX, pipeline.centred_frames(6), 64, SEED).numpy()
    assert np.allclose(np.asarray(fills.FILLS[name](image, mask)), image, atol=1e-5)


def test_surround_by_hand_2x2():
    image = np.zeros((1, 2, 2, 1), np.float32)
    image[0, :, :, 0] = [[1.0, 0.25], [-0.5, 9.0]]
    mask = np.zeros_like(image)
    mask[0, 1, 1] = 1
    # One pyramid level: the mean of the three known pixels.
    assert fills.surround(image, mask).numpy()[0, 1, 1, 0] == pytest.approx(0.25)


def test_mean_by_hand():
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[0, :4] = [1.0, 0.5, 0.0]
    mask = np.zeros((1, 16, 16, 1), np.float32)
    mask[0, 8:] = 1  # known: 4 rows of colour, 4 rows of black
    assert np.allclose(fills.mean(image, mask).numpy()[0, 12, 3], [0.5, 0.25, 0.0])


def test_surround_takes_each_side_from_its_own_surroundings():
    image = np.full((1, 64, 64, 3), -1.0, np.float32)
    image[:, :, 32:] = 1.0
    mask = np.zeros((1, 64, 64, 1), np.float32)
    mask[:, 24:40, 8:56] = 1
    row = fills.surround(image, mask).numpy()[0, 32, :, 0]
    assert (row[8:24] < -0.75).all()
    assert (row[40:56] > 0.75).all()
    assert (np.diff(row) > -1e-3).all()  # and passes smoothly from one to the other


def test_surround_is_smooth_across_the_rim():
    ramp = np.linspace(-0.8, 0.8, 64, dtype=np.float32)
    image = np.broadcast_to(ramp[None, :, None, None], (1, 64, 64, 3)).copy()
    mask = np.zeros((1, 64, 64, 1), np.float32)
    mask[:, 20:44, 20:44] = 1
    filled = fills.surround(image, mask).numpy()
    assert np.abs(filled - image).max() < 0.25
    assert np.abs(np.diff(filled[0, 18:46, 32, 0])).max() < 0.2


@pytest.mark.parametrize("border", [np.s_[:, :10], np.s_[:, -10:], np.s_[:, :, :10], np.s_[:, :, -10:]])
def test_surround_at_the_border(border):
    image = picture(1) * 0.1 + 0.5
    mask = np.zeros((1, 64, 64, 1), np.float32)
    mask[border] = 1
    filled = fills.surround(image, mask).numpy()
    assert np.abs(filled[border] - 0.5).max() < 0.11


def test_nothing_known_becomes_grey():
    image, mask = picture(2), np.ones((2, 64, 64, 1), np.float32)
    for name in ("surround", "mean", "constant", "shuffle", "patch"):
        assert np.array_equal(np.asarray(fills.FILLS[name](image, mask, SEED)), np.zeros_like(image)), name


def test_noise_follows_the_seed_and_has_its_spread():
    image, mask = picture(8), np.ones((8, 64, 64, 1), np.float32)
    noise = fills.noise(image, mask, SEED).numpy()
    assert np.array_equal(noise, fills.noise(image, mask, SEED).numpy())
    assert not np.array_equal(noise, fills.noise(image, mask, SEED + 1).numpy())
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert 0.44 < noise.std() < 0.5  # 0.5, clipped at two standard deviations


def test_pictures_of_a_batch_do_not_mix():
    image = picture(3)
    mask = masks.mixed(masks.TRAINING_MIX, pipeline.centred_frames(3), 64, SEED).numpy()
    together = fills.surround(image, mask).numpy()
    alone = np.concatenate([fills.surround(image[i : i + 1], mask[i : i + 1]).numpy() for i in range(3)])
    assert np.allclose(together, alone, atol=1e-6)


def test_uniform_and_salt_and_pepper_have_their_spread():
    image, mask = picture(8), np.ones((8, 64, 64, 1), np.float32)
    uniform, pepper = (fills.FILLS[name](image, mask, SEED).numpy() for name in ("uniform", "salt_and_pepper"))
    assert np.percentile(uniform, [0, 25, 50, 75, 100]) == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=0.02)
    assert set(np.unique(pepper)) == {-1.0, 1.0}
    assert pepper.mean() == pytest.approx(0, abs=0.02)
    assert np.array_equal(pepper[..., 0], pepper[..., 2])  # black and white, not coloured


def test_a_shuffle_has_known_colours_alone_each_as_often():
    image, mask = np.zeros((1, 64, 64, 3), np.float32), np.zeros((1, 64, 64, 1), np.float32)
    image[:, :16], image[:, 16:32], image[:, 32:] = 0.25, -0.5, 0.9  # the last is the hole's own
    mask[:, 32:] = 1
    filled = fills.shuffle(image, mask, SEED).numpy()[0, 32:]
    assert set(np.unique(filled)) == {np.float32(0.25), np.float32(-0.5)}
    assert (filled == 0.25).mean() == pytest.approx(0.5, abs=0.05)
    assert np.abs(np.diff(filled[..., 0], axis=1)).mean() > 0.3  # neighbours are independent


def test_a_patch_is_a_piece_of_the_picture():
    image, mask = picture(2), np.zeros((2, 64, 64, 1), np.float32)
    mask[:, 20:28, 30:40] = 1
    filled = fills.patch(image, mask, SEED).numpy()[:, 20:28, 30:40]
    for piece, whole in zip(filled, np.pad(image, ((0, 0), (0, 63), (0, 63), (0, 0)), "wrap"), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(whole, (8, 10, 3))[:, :, 0]
        assert (windows == piece).all(axis=(2, 3, 4)).any()


def test_mosaic_by_hand_changes_no_mosaic():
    image, mask = picture(1, size=16), np.zeros((1, 16, 16, 1), np.float32)
    image[0, 2:4, 2:4, 0] = [[1.0, 0.5], [0.0, -0.5]]
    mask[0, 2:4, 2:4] = 1
    mask[0, 3, 3] = 0  # known: it does not count
    filled = fills.mosaic(image, mask).numpy()
    assert filled[0, 2:4, 2:4, 0].tolist() == [[0.5, 0.5], [0.5, -0.5]]
    assert np.allclose(fills.mosaic(filled, mask), filled, atol=1e-6)
