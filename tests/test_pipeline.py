"""Framing, augmentation and batches: the right pixels, and the same ones for the same (seed, step)."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import config, masks, pipeline
from faceinpaint.config import UserError
from faceinpaint.fills import FILLS

PAPER = config.preset("paper", batch_size=4, min_epoch_images=1)


@pytest.fixture(scope="module")
def faces():
    noise = np.random.default_rng(0).integers(0, 256, (22, 16, 16, 3), np.uint8)
    return np.stack([cv2.resize(face, (128, 128), interpolation=cv2.INTER_CUBIC) for face in noise])


def take(faces, settings, first_step, count):
    return [[t.numpy() for t in batch] for batch in pipeline.training_batches(faces, settings, first_step).take(count)]


def test_conversion_to_float_and_back_is_exact_and_clips():
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    floats = pipeline.to_float(values).numpy()
    assert (floats.min(), floats.max()) == (-1, 1)
    assert np.array_equal(pipeline.to_uint8(floats), values)
    assert pipeline.to_uint8([-3.0, 3.0, 0.0]).numpy().tolist() == [0, 255, 128]


def area_resampled(image, frame, size):
    """OpenCV's answer for a frame of whole pixels of `image` [S, S, 3], uint8: float [size, size, 3] in [-1, 1]."""
    top, left, side = (round(float(number)) for number in frame)
    square = image[top : top + side, left : left + side].astype(np.float32)
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA) / 127.5 - 1


@pytest.mark.parametrize(("framing", "size"), [(178, 64), (90, 64), (64, 64), (178, 48)])
def test_framing_is_area_resampling(framing, size):
    image = np.random.default_rng(1).integers(0, 256, (1, 178, 178, 3), np.uint8)
    corner = (178 - framing) // 2
    framed = pipeline.framed(tf.constant(image), framing, size).numpy()[0]
    assert np.abs(framed - area_resampled(image[0], (corner, corner, framing), size)).max() < 1e-4


def test_framing_interpolates_where_it_enlarges():
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, None, :, None] * 8, (1, 32, 32, 3))
    framed = pipeline.framed(tf.constant(ramp), 89, 64).numpy()[0, 5, :, 0]
    # 16 source columns, 8 to 23, become 64: a step of 8 grey levels every 4 pixels.
    assert np.allclose(np.diff((framed[4:-4] + 1) * 127.5), 2.0, atol=1e-3)


def test_sampling_puts_each_pixel_where_its_frame_is():
    rows, columns = np.mgrid[:128, :128]
    ramps = np.stack([rows, columns, rows + columns], axis=-1).astype(np.uint8)[None].repeat(4, axis=0)
    frames = np.array([[0, 0, 178], [20, 30, 120], [37, 35, 104], [10.5, 0.25, 150]], np.float32)
    mirrored = [False, True, False, True]
    sampled = pipeline.sampled(tf.constant(ramps), tf.constant(frames), 64, tf.constant(mirrored)).numpy()
    for picture, (top, left, side), flipped in zip(sampled, frames * 128 / 178, mirrored, strict=True):
        centres = side / 64 * (np.arange(64) + 0.5) - 0.5  # of the pixels, from the frame's corner
        row, column = np.meshgrid(top + centres, (left + centres)[:: -1 if flipped else 1], indexing="ij")
        expected = np.stack([row, column, row + column], axis=-1)
        assert np.abs((picture + 1) * 127.5 - expected).max() < 0.2  # a grey level is a pixel


def test_sampling_is_hardly_aliased(faces):
    frames, still = pipeline.random_frames(PAPER, len(faces), tf.constant([3, 4])), tf.zeros([len(faces)], tf.bool)
    pixels = tf.round(frames * 128 / 178)  # whole pixels of the faces, which have 128
    exact = np.stack([area_resampled(*pair, 64) for pair in zip(faces, pixels.numpy(), strict=True)])
    error = pipeline.sampled(tf.constant(faces), pixels * 178 / 128, 64, still).numpy() - exact
    assert 10 * np.log10(4 / np.mean(error**2)) > 40


def test_centred_frames():
    assert pipeline.centred_frames(2, 128).numpy().tolist() == [[25, 25, 128]] * 2
    assert pipeline.centred_frames(1).numpy().tolist() == [[0, 0, 178]]


def test_random_frames_stay_inside_and_near_the_centre():
    frames = pipeline.random_frames(PAPER, 2000, tf.constant([3, 4])).numpy()
    top, left, side = frames.T
    assert side.min() >= 104
    assert side.max() <= 178
    assert side.mean() == pytest.approx(104 + 74 * 2 / 3, abs=2)  # the density rises linearly
    assert frames.min() >= 0
    assert (np.maximum(top, left) + side).max() <= 178.001
    assert np.abs(top + side / 2 - 89).max() <= PAPER.framing_shift
    assert np.abs(left + side / 2 - 89).max() > 0.9 * PAPER.framing_shift


def test_an_example_is_whole_outside_the_hole_and_filled_inside(faces):
    image, mask, filled = (t.numpy() for t in pipeline.training_example(tf.constant(faces), PAPER, tf.constant([1, 2])))
    assert image.shape == filled.shape == (22, 64, 64, 3)
    assert mask.shape == (22, 64, 64, 1)
    known = np.broadcast_to(mask == 0, image.shape)
    assert np.array_equal(image[known], filled[known])
    assert not np.array_equal(image, filled)
    assert np.abs(image).max() < 1 + 1e-6


def test_half_of_the_images_are_flipped():
    side = np.full((200, 128, 128, 3), 40, np.uint8)
    side[:, :, 64:] = 200
    image = pipeline.training_example(tf.constant(side), PAPER, tf.constant([1, 2]))[0].numpy()
    flipped = (image[:, 32, 0, 0] > image[:, 32, -1, 0]).mean()
    assert flipped == pytest.approx(0.5, abs=0.12)
    still = config.preset("paper", flip=False)
    image = pipeline.training_example(tf.constant(side), still, tf.constant([1, 2]))[0].numpy()
    assert (image[:, 32, 0, 0] < image[:, 32, -1, 0]).all()


def test_rotation_turns_about_the_centre():
    dot = np.zeros((300, 129, 129, 3), np.uint8)
    dot[:, 60:69, 60:69] = 255  # in the middle: stays
    dot[:, 30:39, 60:69] = 255  # above: goes round
    degrees = np.linspace(-45, 45, 300)
    turned = pipeline.turned(tf.constant(dot), degrees).numpy()
    assert (turned[:, 64, 64, 0] > 250).all()
    row, column = np.array([np.argwhere(t[:58, :, 0] > 128).mean(axis=0) for t in turned]).T
    assert np.degrees(np.arctan2(64 - column, 64 - row)) == pytest.approx(degrees, abs=2)
    assert np.hypot(column - 64, row - 64) == pytest.approx(30, abs=1)


def test_colour_changes_the_whole_image_alike(faces):
    changed = config.preset("paper", colour=0.2, flip=False, rotation=0.0)
    plain = config.preset("paper", colour=0.0, flip=False, rotation=0.0)
    seed = tf.constant([1, 2])
    before, after = (pipeline.training_example(tf.constant(faces), c, seed)[0].numpy() for c in (plain, changed))
    inside = np.abs(after[0]) < 1
    fit = np.polyfit(before[0][inside], after[0][inside], 1)
    assert np.allclose(np.polyval(fit, before[0][inside]), after[0][inside], atol=1e-4)
    assert abs(fit[0] - 1) > 1e-3


def test_batches_depend_on_seed_and_step_alone(faces):
    whole = take(faces, PAPER, 0, 8)
    again = take(faces, PAPER, 3, 5)
    for a, b in zip(whole[3:], again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    other = take(faces, config.preset("paper", batch_size=4, min_epoch_images=1, seed=1), 0, 1)
    assert not np.array_equal(whole[0][1], other[0][1])


def test_each_epoch_shows_every_face_once_in_another_order():
    count = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None] * 12, (20, 32, 32, 3))
    still = config.preset("smoke", batch_size=4, flip=False, rotation=0.0, colour=0.0)
    seen = [round(float((b[0][i].mean() + 1) * 127.5 / 12)) for b in take(count, still, 0, 10) for i in range(4)]
    first, second = seen[:20], seen[20:]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_an_epoch_of_few_faces_shows_each_several_times(faces):
    few = config.preset("paper", batch_size=4, min_epoch_images=50)
    assert pipeline.steps_per_epoch(faces, few) == 12
    for epoch in (0, 1):
        order = pipeline.epoch_order(len(faces), pipeline.epoch_images(faces, few), 0, epoch)
        assert len(order) == 50
        assert sorted(np.bincount(order)) == [2] * 16 + [3] * 6
    assert pipeline.steps_per_epoch(faces, PAPER) == 5


def test_holes_differ_between_epochs(faces):
    few = faces[:4]
    first, second = take(few, PAPER, 0, 2)  # one step is one epoch here
    assert not np.array_equal(first[1], second[1])


def test_too_few_images_for_a_batch(faces):
    with pytest.raises(UserError, match="2 training images: too few for one batch of 4"):
        pipeline.steps_per_epoch(faces[:2], PAPER)


def test_fixed_examples_do_not_depend_on_their_number(faces):
    whole = [t.numpy() for t in pipeline.fixed_examples(faces[:6], PAPER, "strokes_20_40")]
    part = [t.numpy() for t in pipeline.fixed_examples(faces[2:4], PAPER, "strokes_20_40", first=2)]
    for a, b in zip(whole, part, strict=True):
        assert np.allclose(a[2:4], b, atol=1e-6)


def test_without_a_family_they_take_turns(faces):
    mask = pipeline.fixed_examples(faces[:15], PAPER)[1].numpy()
    assert mask[0].sum() == mask[14].sum() == 32 * 32  # centre is the first of fourteen
    assert mask[3].sum() == 32 * 64  # half
    assert np.array_equal(pipeline.fixed_examples(faces[2:5], PAPER, first=2)[1], mask[2:5])


@pytest.mark.parametrize("fill", ["mean", "constant"])
def test_the_hole_is_filled_as_the_config_says(faces, fill):
    chosen = config.preset("paper", fill=fill)
    trained = pipeline.training_example(tf.constant(faces), chosen, tf.constant([1, 2]))
    for image, mask, filled in (trained, pipeline.fixed_examples(faces, chosen)):
        assert np.allclose(filled, FILLS[fill](image, mask), atol=1e-6)


def test_holes_are_of_the_mix_that_the_config_names(faces, monkeypatch):
    monkeypatch.setitem(masks.MIXES, "thin", [(1.0, masks.centre)])
    chosen = config.preset("paper", mix="thin")
    mask = pipeline.training_example(tf.constant(faces), chosen, tf.constant([1, 2]))[1].numpy()
    assert mask[:, 16:48, 16:48].all()
    assert mask.mean() == 0.25


def test_heads_are_turned_as_far_as_the_config_says():
    dot = np.zeros((200, 129, 129, 3), np.uint8)
    dot[:, 34:43, 60:69] = 255  # above the middle
    for most in (0.0, 45.0):
        chosen = config.preset("paper", rotation=most, flip=False)
        image = pipeline.training_example(tf.constant(dot), chosen, tf.constant([1, 2]))[0].numpy()
        row, column = np.array([np.argwhere(each[..., 0] > 0).mean(axis=0) for each in image]).T
        angle = np.degrees(np.arctan2(31.5 - column, 31.5 - row))
        assert max(angle.max(), -angle.min()) == pytest.approx(most, abs=8)  # the middle moves a little
        assert angle.mean() == pytest.approx(0, abs=8)


def test_frames_say_what_a_flipped_picture_shows():
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, None, :, None], (40, 128, 128, 3))
    image, frames = pipeline.framed_example(tf.constant(ramp), PAPER, tf.constant([1, 2]))
    first, last = (((image.numpy()[:, 32, c, 0] + 1) * 127.5 + 0.5) * 178 / 128 for c in (0, -1))
    flipped = first > last
    assert 5 < flipped.sum() < 35
    _, left, side = frames.numpy().T
    centre = np.where(flipped, 178 - first, first)  # of the first column, in the face or its mirror image
    assert np.abs(left + side / 128 - centre).max() < 0.3
