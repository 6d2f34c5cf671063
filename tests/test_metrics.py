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
REFERENCE = {"data_range": 2, "channel_axis": -1} | WINDOW


def test_agrees_with_scikit_image(pair):
    image, restored = pair
    similarity = [structural_similarity(a, b, **REFERENCE) for a, b in zip(image, restored, strict=True)]
    assert np.allclose(metrics.ssim(image, restored), similarity, atol=1e-4)
    ratio = [peak_signal_noise_ratio(a, b, data_range=2) for a, b in zip(image, restored, strict=True)]
    assert np.allclose(metrics.psnr(image, restored), ratio, atol=1e-3)


@pytest.mark.parametrize("hole", [np.s_[20:40, 10:50], np.s_[:, :32], np.s_[:3, 60:]], ids=str)
def test_hole_ssim_averages_the_map_over_the_hole(pair, hole):
    image, restored = pair
    mask = np.zeros((3, 64, 64, 1), np.float32)
    mask[:, *hole] = 1
    maps = [structural_similarity(a, b, full=True, **REFERENCE)[1] for a, b in zip(image, restored, strict=True)]
    expected = [similarity[hole].mean() for similarity in maps]
    assert np.allclose(metrics.ssim(image, restored, mask), expected, atol=1e-4)


def test_ssim_of_flat_images_by_hand():
    image, restored = np.full((1, 16, 16, 3), 0.5, np.float32), np.full((1, 16, 16, 3), 0.1, np.float32)
    expected = (2 * 0.5 * 0.1 + 0.02**2) / (0.5**2 + 0.1**2 + 0.02**2)  # no variance: the luminance term alone
    assert np.allclose(metrics.ssim(image, restored), [expected], atol=1e-6)


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
