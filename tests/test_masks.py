"""Damage: polarity, areas, places, and that a seed decides everything."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import masks, pipeline

SEED = tf.constant([7, 11])
FRAMES = pipeline.centred_frames(64)


def draw(family, frames=FRAMES, size=64, seed=SEED):
    return masks.FAMILIES.get(family, family)(frames, size, seed).numpy()


def areas(mask):
    return mask.mean(axis=(1, 2, 3))


@pytest.mark.parametrize("family", masks.FAMILIES)
@pytest.mark.parametrize("size", [48, 64])
def test_every_family_gives_binary_masks_that_the_seed_decides(family, size):
    mask = draw(family, size=size)
    assert mask.shape == (64, size, size, 1)
    assert mask.dtype == np.float32
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert np.array_equal(mask, draw(family, size=size))


@pytest.mark.parametrize(
    "family", [f for f in masks.FAMILIES if f not in ("centre", "published_eyes", "published_mouth")]
)
def test_another_seed_gives_other_holes_and_pictures_differ(family):
    mask = draw(family)
    assert not np.array_equal(mask, draw(family, seed=tf.constant([7, 12])))
    assert len({picture.tobytes() for picture in mask}) >= 4


def test_fixed_holes_lie_where_the_published_tables_say():
    centre, eyes, mouth = (draw(f)[0, :, :, 0] for f in ("centre", "published_eyes", "published_mouth"))
    assert centre[16:48, 16:48].all()
    assert centre.sum() == 32 * 32
    assert eyes[26:36, 14:49].all()
    assert eyes.sum() == 10 * 35
    assert mouth[43:61, 20:43].all()
    assert mouth.sum() == 18 * 23


@pytest.mark.parametrize(
    ("family", "low", "high"),
    [("pattern", 0.2, 0.3), ("strokes_10_20", 0.1, 0.2), ("strokes_20_40", 0.2, 0.4), ("boxes", 0.05, 0.5)],
)
def test_hole_areas_fill_their_range(family, low, high):
    area = areas(draw(family))
    assert area.min() >= low - 0.02
    assert area.max() <= high + 0.02
    assert area.max() - area.min() > 0.6 * (high - low)


def test_boxes_reach_every_place():
    seen = draw("boxes", pipeline.centred_frames(500)).mean(axis=(0, 3))
    assert min(seen[0].max(), seen[-1].max(), seen[:, 0].max(), seen[:, -1].max()) > 0
    assert seen[8:-8, 8:-8].min() > 0.05
    assert seen[32, 32] == pytest.approx(seen.max(), abs=0.1)


def test_pixels_are_lost_at_the_rate():
    assert areas(draw("pixels")).mean() == pytest.approx(0.8, abs=0.01)


def test_the_four_halves():
    mask = draw("half")[..., 0]
    assert np.allclose(areas(mask[..., None]), 0.5)
    kinds = {(m[0, 32], m[63, 32], m[32, 0], m[32, 63]) for m in mask}
    assert len(kinds) == 4


@pytest.mark.parametrize(("family", "row", "column"), [("eyes", 90, 88), ("nose", 108, 88), ("mouth", 131, 89)])
@pytest.mark.parametrize("framing", [178, 128, 104])
def test_parts_cover_the_landmarks_at_every_framing(family, row, column, framing):
    corner = (178 - framing) / 2
    mask = draw(family, pipeline.centred_frames(64, framing))
    y, x = int((row - corner) * 64 / framing), int((column - corner) * 64 / framing)
    assert mask[:, y, x].all()
    assert not mask[:, 0].any()


def test_a_close_view_shows_a_larger_hole():
    far, near = (areas(draw("nose", pipeline.centred_frames(64, f))).mean() for f in (178, 89))
    assert near == pytest.approx(4 * far, rel=0.05)


def test_single_eyes_are_left_or_right():
    columns = np.array([m[..., 0].nonzero()[1].mean() for m in draw("eye")])
    assert set(np.round(columns / 64, 1)) == {0.4, 0.6}


def test_parts_come_as_ellipses_and_rectangles():
    mask = draw("mouth")[..., 0]
    boxes = [np.ptp(m.nonzero()[0] + 1) + 1 for m in mask], [np.ptp(m.nonzero()[1]) + 1 for m in mask]
    share = mask.sum(axis=(1, 2)) / np.multiply(*boxes)
    assert (share == 1).sum() > 10
    assert (np.abs(share - np.pi / 4) < 0.08).sum() > 10


def test_distance_to_a_segment_by_hand():
    starts, ends = tf.constant([[[0.5, 0.5]]]), tf.constant([[[0.5, 3.5]]])  # along the top row, columns 0 to 3
    distance = masks._distance_to_segments(starts, ends, 8).numpy().reshape(8, 8)
    assert np.allclose(distance[:, 2], np.arange(8))
    assert np.allclose(distance[0], [0, 0, 0, 0, 1, 2, 3, 4])
    assert distance[3, 7] == pytest.approx(5.0)


@pytest.mark.parametrize(("name", "centres"), [("training", 14), ("parts", 24), ("thin", 12)])
def test_a_mix_keeps_the_shares_and_uses_every_family(name, centres):
    mix = masks.MIXES[name]
    assert sum(share for share, _ in mix) == pytest.approx(1.0)
    mask = masks.mixed(mix, pipeline.centred_frames(200), 64, SEED).numpy()
    assert mask.shape == (200, 64, 64, 1)
    assert (mask.sum(axis=(1, 2, 3)) > 0).all()
    centre = draw("centre")[0]
    assert sum(np.array_equal(m, centre) for m in mask) == centres


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_training_mix_serves_small_batches_and_covers_all_families_in_time(batch):
    seeds = tf.random.experimental.stateless_split(SEED, 40)
    drawn = np.concatenate(
        [masks.mixed(masks.TRAINING_MIX, pipeline.centred_frames(batch), 32, s).numpy() for s in seeds]
    )
    assert drawn.shape == (40 * batch, 32, 32, 1)
    assert (drawn.sum(axis=(1, 2, 3)) > 0).mean() > 0.97
    assert areas(drawn).max() > 0.45


def test_fixed_holes_depend_on_seed_and_index_alone():
    indices = tf.range(20)
    frames = pipeline.centred_frames(20)
    family = partial(masks.strokes, area=(0.1, 0.4))
    whole = masks.damage_by_index(family, indices, frames, 64, 3).numpy()
    part = masks.damage_by_index(family, indices[12:15], frames[:3], 64, 3).numpy()
    assert np.array_equal(whole[12:15], part)
    assert not np.array_equal(whole, masks.damage_by_index(family, indices, frames, 64, 4).numpy())
    assert len({m.tobytes() for m in whole}) == 20


@pytest.mark.parametrize(("name", "halves"), [("training", 28), ("parts", 16), ("thin", 8)])
def test_halves_are_drawn_as_often_as_the_mix_says(name, halves):
    mask = masks.mixed(masks.MIXES[name], pipeline.centred_frames(200), 64, SEED).numpy()[..., 0]
    left, top = np.zeros((2, 64, 64))
    left[:, :32] = top[:32] = 1
    drawn = [any(np.array_equal(m, half) for half in (left, 1 - left, top, 1 - top)) for m in mask]
    assert sum(drawn) == halves


def test_a_part_lies_where_its_frame_shows_it():
    frames = tf.constant([[60.0, 20.0, 104.0]] * 64)
    mask = draw(partial(masks.part, names=["nose"], jitter=0.0), frames)[..., 0]
    _, rows, columns = mask.nonzero()
    assert rows.mean() + 0.5 == pytest.approx((108 - 60) * 64 / 104, abs=0.5)
    assert columns.mean() + 0.5 == pytest.approx((88.5 - 20) * 64 / 104, abs=0.5)
