"""Metrics against hand-worked cases and scikit-image."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from faceinpaint import metrics


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    image = random.uniform(-1, 1, (3, 16, 16, 3)).repeat(4, 1).repeat(4, 2).astype(np.float32)
    noise = random.normal(0, [[[[0.02]]], [[[0.2]]], [[[0.5]]]], image.shape)
    return image, np.clip(image + noise, -1, 1).astype(np.float32)


def square_mask(count, size=64):
    mask = np.zeros((count, size, size, 1), np.float32)
    mask[:, 20:40, 10:50] = 1
    return mask


def test_l1_and_psnr_by_hand():
    image, restored = np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4, 3), np.float32)
    restored[0] = 0.2
    restored[1, 0, 0] = 1.0  # one pixel of sixteen
    assert np.allclose(metrics.l1(image, restored), [0.1, 0.5 / 16])
    assert np.allclose(metrics.psnr(image, restored), [20.0, 10 * np.log10(4 * 16)], atol=1e-4)


def test_hole_metrics_by_hand():
    image, restored = np.zeros((1, 4, 4, 3), np.float32), np.zeros((1, 4, 4, 3), np.float32)
    restored[0, 0, 0] = 1.0
    restored[0, 3, 3] = -1.0  # outside the hole
    mask = np.zeros((1, 4, 4, 1), np.float32)
    mask[0, 0, :2] = 1
    assert np.allclose(metrics.l1(image, restored, mask), [0.25])
    assert np.allclose(metrics.psnr(image, restored, mask), [10 * np.log10(8)], atol=1e-4)


def test_whole_and_hole_psnr_differ_by_the_hole_area_alone(pair):
    image, noisy = pair
    mask = square_mask(3)
    restored = mask * noisy + (1 - mask) * image
    gap = np.subtract(metrics.psnr(image, restored), metrics.psnr(image, restored, mask))
    assert np.allclose(gap, -10 * np.log10(mask.mean()), atol=1e-3)


WINDOW = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}  # as Wang et al. have it
REFERENCE = {"data_range": 255, "channel_axis": -1} | WINDOW


def uint8(images):
    """What `images` in [-1, 1] are as files: scikit-image is given these, in [0, 255]."""
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def test_agrees_with_scikit_image(pair):
    image, restored = map(uint8, pair)
    similarity = [structural_similarity(a, b, **REFERENCE) for a, b in zip(image, restored, strict=True)]
    ratio = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(image, restored, strict=True)]
    image, restored = image / 127.5 - 1, restored / 127.5 - 1
    assert np.allclose(metrics.ssim(image, restored), similarity, atol=1e-4)
    assert np.allclose(metrics.psnr(image, restored), ratio, atol=1e-3)


@pytest.mark.parametrize("hole", [np.s_[20:40, 10:50], np.s_[:, :32], np.s_[:3, 60:]], ids=str)
def test_hole_ssim_averages_the_map_over_the_hole(pair, hole):
    image, restored = map(uint8, pair)
    mask = np.zeros((3, 64, 64, 1), np.float32)
    mask[:, *hole] = 1
    maps = [structural_similarity(a, b, full=True, **REFERENCE)[1] for a, b in zip(image, restored, strict=True)]
    expected = [similarity[hole].mean() for similarity in maps]
    assert np.allclose(metrics.ssim(image / 127.5 - 1, restored / 127.5 - 1, mask), expected, atol=1e-4)


def test_ssim_of_flat_images_by_hand():
    image, restored = np.full((1, 16, 16, 3), 0.5, np.float32), np.full((1, 16, 16, 3), 0.1, np.float32)
    x, y = 0.75, 0.55  # on the scale [0, 1]
    expected = (2 * x * y + 0.01**2) / (x**2 + y**2 + 0.01**2)  # no variance: the luminance term alone
    assert np.allclose(metrics.ssim(image, restored), [expected], atol=1e-3)  # float32, as TensorFlow has it


def test_tensors_and_graphs_give_the_same_values(pair):
    for metric in (metrics.l1, metrics.psnr, metrics.ssim):
        value = tf.function(metric)(*map(tf.constant, pair), tf.constant(square_mask(3)))
        assert value.dtype == tf.float32
        assert np.allclose(value, metric(*pair, square_mask(3)), atol=1e-5)


def test_identical_images_and_empty_holes():
    image = np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    empty = np.zeros((2, 32, 32, 1), np.float32)
    assert np.isposinf(metrics.psnr(image, image)).all()
    assert np.allclose(metrics.ssim(image, image), 1)
    assert np.allclose(metrics.l1(image, image), 0)
    for metric in (metrics.l1, metrics.psnr, metrics.ssim):
        assert np.isnan(metric(image, image, empty)).all()


def test_each_image_has_its_own_value(pair):
    image, restored = pair
    for metric in (metrics.l1, metrics.psnr, metrics.ssim):
        together = metric(image, restored)
        assert together.shape == (3,)
        assert np.allclose(together[1:2], metric(image[1:2], restored[1:2]), atol=1e-5)


def test_frechet_distance_of_two_normal_distributions_by_hand():
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(4, 4))
    first = rng.normal(size=(200_000, 4)) @ mixed + [1, 2, 3, 4]
    assert metrics.frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(first, first + np.array([0, 0, 2, 1])) == pytest.approx(5)
    # Along the axes it is the sum of (m1 - m2)^2 + (s1 - s2)^2.
    a, b = rng.normal(size=(2, 200_000, 3)) * [[[1, 2, 3]], [[2, 2, 5]]] + [[[0, 0, 1]], [[0, 3, 1]]]
    assert metrics.frechet_distance(a, b) == pytest.approx(9 + 1 + 4, rel=0.01)
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a))


def test_frechet_distance_agrees_with_the_matrix_root():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 100, 8)) @ rng.normal(size=(2, 8, 8))
    product = linalg.sqrtm(np.cov(first.T, bias=True) @ np.cov(second.T, bias=True)).real
    traces = sum(np.trace(np.cov(rows.T, bias=True)) for rows in (first, second))
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + traces - 2 * np.trace(product)
    assert metrics.frechet_distance(first, second) == pytest.approx(expected)


def test_frechet_distance_of_fewer_pictures_than_features():
    features = np.random.default_rng(2).normal(size=(5, 40))
    assert metrics.frechet_distance(features, features) == pytest.approx(0, abs=1e-5)
    assert metrics.frechet_distance(features, features[:3]) > 1
