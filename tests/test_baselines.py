"""Classical methods behind the interface of `Inpainter.restore`."""

import cv2
import numpy as np
import pytest

from faceinpaint.baselines import BASELINES


def faces(count=3, size=32):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def left_eye(count=3, size=32):
    masks = np.zeros((count, size, size), np.uint8)
    masks[:, 8:14, 5:12] = 255
    return masks


@pytest.mark.parametrize("name", BASELINES)
def test_known_pixels_stay_and_the_hole_does_not_matter(name):
    images, masks = faces(), left_eye()
    kept = images.copy()
    restored = BASELINES[name](images, masks)
    assert restored.dtype == np.uint8
    assert np.array_equal(images, kept)
    assert np.array_equal(restored[masks == 0], images[masks == 0])
    assert not np.array_equal(restored, images)
    spoiled = np.where(masks[..., None] > 0, np.uint8(255), images)
    assert np.array_equal(restored, BASELINES[name](spoiled, masks[..., None] / 255))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("hole", [np.s_[:, :16], np.s_[:16, :], np.s_[16:, :], np.s_[:20, 10:20]], ids=str)
def test_a_hole_at_the_border_does_not_matter_either(name, hole):
    images, masks = faces(), np.zeros((3, 32, 32), np.uint8)
    masks[:, *hole] = 1
    spoiled = np.where(masks[..., None] > 0, 255 - images, images)
    assert np.array_equal(*[BASELINES[name](i, masks)[masks > 0] for i in (images, spoiled)])


@pytest.mark.parametrize(("name", "method"), [("telea", cv2.INPAINT_TELEA), ("navier_stokes", cv2.INPAINT_NS)])
def test_opencv_gives_the_same_inside(name, method):
    images, masks = faces(), left_eye()
    expected = [cv2.inpaint(image, mask, 3, method) for image, mask in zip(images, masks, strict=True)]
    assert np.array_equal(BASELINES[name](images, masks), expected)


@pytest.mark.parametrize("name", BASELINES)
def test_no_hole_and_nothing_but_hole(name):
    images = faces(2)
    masks = np.stack([np.zeros((32, 32)), np.ones((32, 32))])
    restored = BASELINES[name](images, masks)
    assert np.array_equal(restored[0], images[0])
    assert (restored[1] == 128).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_flat_picture_is_continued(name):
    images = np.full((1, 32, 32, 3), [200, 100, 50], np.uint8)
    masks = np.zeros((1, 32, 32), np.uint8)
    masks[0, 10:20, 4:30] = 1
    assert np.abs(BASELINES[name](images, masks).astype(int) - images).max() <= 3  # Telea rounds on its way


def test_mean_by_hand():
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[0, 0] = [100, 50, 0]
    masks = np.zeros((1, 4, 4), np.uint8)
    masks[0, 2:] = 1  # known: one row of colour, one of black
    assert BASELINES["mean"](images, masks)[0, 3, 3].tolist() == [50, 25, 0]


def test_symmetric_crop_mirrors_the_sound_side():
    images, masks = faces(), left_eye()
    restored = BASELINES["symmetric_crop"](images, masks)
    assert np.array_equal(restored[:, 8:14, 5:12], images[:, 8:14, ::-1][:, :, 5:12])


def test_symmetric_crop_restores_a_symmetric_face_exactly():
    half = faces()[:, :, :16]
    images = np.concatenate([half, half[:, :, ::-1]], axis=2)
    assert np.array_equal(BASELINES["symmetric_crop"](images, left_eye()), images)


def test_symmetric_crop_fills_classically_where_both_sides_are_lost():
    images, masks = faces(), left_eye()
    masks[:, 8:14, 20:23] = 255  # the mirror of columns 9 to 11
    restored = BASELINES["symmetric_crop"](images, masks)
    assert np.array_equal(restored[:, 8:14, 5:9], images[:, 8:14, ::-1][:, :, 5:9])
    both = restored[:, 8:14, 9:12].astype(int)
    assert not np.array_equal(both, images[:, 8:14, ::-1][:, :, 9:12])
    assert both.std() > 0


@pytest.mark.parametrize("name", BASELINES)
def test_one_image_comes_back_as_one(name):
    images, masks = faces(), left_eye()
    restored = BASELINES[name](images[0], masks[0])
    assert np.array_equal(restored, BASELINES[name](images[:1], masks[:1])[0])


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (faces().astype(np.float32), left_eye(), "images: expected uint8 in [0, 255], got float32"),
        (faces()[..., :1], left_eye(), "images: expected shape [N, H, W, 3], got [3, 32, 32, 1]"),
        (faces(0), left_eye(0), "images: expected at least one, got an empty batch"),
        (faces(), left_eye(2), "masks: expected shape [3, 32, 32, 1], got [2, 32, 32]"),
        (faces(), np.zeros((3, 32, 32, 3)), "masks: expected shape [3, 32, 32, 1], got [3, 32, 32, 3]"),
    ],
)
def test_another_type_or_shape_is_refused(images, masks, message):
    for restore in BASELINES.values():
        with pytest.raises(ValueError, match="expected") as refusal:
            restore(images, masks)
        assert str(refusal.value) == message
