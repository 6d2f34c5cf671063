"""Faces of a photograph: alignment, framing, resampling, pasting; and, with real faces, how good it is."""

import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from faceinpaint import baselines, celeba, lite
from faceinpaint.config import Config
from faceinpaint.photo import detect, grain
from faceinpaint.photo.alignment import (
    LANDMARKS,
    WHOLE_FRAME,
    Alignment,
    Square,
    centred_face,
    enlarged,
    outside,
    resampled,
)
from faceinpaint.photo.repair import closest_square, restore_photo
from faceinpaint.photo.spill import spilled, widened
from faceinpaint.photo.upright import with_nose
from faceinpaint.runs import folder

UPRIGHT = Alignment(1, -0.5 - 0.5j)  # a photo that is the whole frame, pixel for pixel
# (row, column) of centres, half heights and half widths in the whole frame: masks.PARTS, which needs TensorFlow
PARTS = {
    "left_eye": (90, 69, 11, 17),
    "right_eye": (90, 108, 11, 17),
    "nose": (108, 88.5, 19, 15),
    "mouth": (131, 89, 15, 24),
}


class Fake:
    """A restorer that remembers what it saw and fills holes with one colour, or gives the picture back."""

    config = Config()

    def __init__(self, colour=None):
        self.colour, self.images, self.masks = colour, [], []

    def restore(self, image, mask):
        self.images.append(image)
        self.masks.append(mask)
        return image.copy() if self.colour is None else np.where(mask[..., None], np.uint8(self.colour), image)


def alignment(side, angle, centre):
    """A whole frame of `side` photo pixels, turned by `angle` degrees, its centre at photo pixel `centre`."""
    turn = side / 178 * np.exp(1j * np.deg2rad(angle))
    return Alignment(turn, complex(*centre) - turn * (89 + 89j))


def in_photo(alignment, points):
    points = alignment.turn * (points[..., 0] + 1j * points[..., 1]) + alignment.shift
    return np.stack([points.real, points.imag], axis=-1)


def part_hole(alignment, part, shape):
    """An elliptical hole over a facial part, drawn in the photo."""
    row, column, half_height, half_width = PARTS[part]
    angles = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    outline = np.stack([column + half_width * np.cos(angles), row + half_height * np.sin(angles)], axis=1)
    hole = np.zeros(shape, np.uint8)
    cv2.fillPoly(hole, [np.rint(in_photo(alignment, outline)).astype(np.int32)], 1)
    return hole.astype(bool)


def smooth_photo(height, width, seed=0, dtype=np.uint8):
    small = np.random.default_rng(seed).integers(40, 216, (4, 5, 3), np.uint8)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return large.astype(dtype) * dtype(257) if dtype is np.uint16 else large


@pytest.mark.parametrize("count", [2, 5])
def test_a_similarity_is_found_again(count):
    true = alignment(400, -33, (512.25, 300.75))
    found = Alignment.of(in_photo(true, LANDMARKS[:count]))
    assert abs(found.turn - true.turn) < 1e-9
    assert abs(found.shift - true.shift) < 1e-7
    assert np.allclose(found.to_frame(in_photo(true, LANDMARKS)), LANDMARKS)


def test_five_landmarks_with_an_error_in_one_move_less_than_the_error():
    true = alignment(400, 10, (500, 300))
    landmarks = in_photo(true, LANDMARKS)
    landmarks[0] += (20, 0)
    moved = in_photo(Alignment.of(landmarks), LANDMARKS[:2]) - in_photo(true, LANDMARKS[:2])
    assert 2 < np.abs(moved).max() < 15


def test_a_celeba_crop_has_its_eyes_where_celeba_has_them():
    assert np.allclose(centred_face(218, 178), [(69, 111), (108, 111)])
    assert np.allclose(centred_face(178, 178), [(69, 91), (108, 91)])
    found = Alignment.of(centred_face(64, 64))  # pixel (0, 0) has its edges at -0.5 and 0.5
    assert np.isclose(found.turn, 64 / 178)
    assert np.isclose(found.shift, -0.5 - 0.5j)


def test_resampling_upright_is_that_of_training():
    from faceinpaint.pipeline import framed

    image = np.random.default_rng(0).integers(0, 256, (178, 178, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 1.5)
    for side in (178, 128, 104):
        expected = (framed(image[None], side, 64).numpy()[0] + 1) * 127.5
        corner = ((178 - side) / 2,) * 2
        difference = np.abs(resampled(image, UPRIGHT, Square(corner, side), 64) - expected)
        assert difference.mean() < 0.7, side
        assert difference.max() < 8, side


def test_resampling_averages_and_does_not_alias():
    checkerboard = (np.indices((1200, 1200)).sum(axis=0) % 2 * 255).astype(np.uint8)
    values = resampled(checkerboard, alignment(1100, 20, (600, 600)), WHOLE_FRAME, 64)
    assert np.abs(values - 127.5).max() < 8


@pytest.mark.parametrize("side", [80, 400, 3000])
def test_a_hair_of_a_hole_is_never_lost(side):
    hole = np.zeros((side + 20, side + 20), bool)
    hole[:, side // 2] = True
    mask = resampled(hole, alignment(side, 3, (side / 2, side / 2)), WHOLE_FRAME, 64) > 1e-4
    assert mask.any(axis=1).all()
    assert mask[:, 31:34].sum() > 62
    assert mask[:, :20].sum() == mask[:, 45:].sum() == 0


def test_what_lies_outside_the_photo_is_hole():
    mask = outside((100, 100), alignment(100, 0, (-0.5, 49.5)), WHOLE_FRAME, 10)
    assert mask[:, :5].all()
    assert not mask[:, 5:].any()
    assert not outside((178, 178), UPRIGHT, WHOLE_FRAME, 64).any()
    where, restorer = alignment(100, 0, (30, 50)), Fake()
    hole = part_hole(where, "mouth", (100, 100))
    restore_photo(smooth_photo(100, 100), hole, restorer, [in_photo(where, LANDMARKS)])
    assert restorer.masks[0][:, 0].all()
    assert not restorer.masks[0][:, -1].any()


def test_back_and_forth():
    image = smooth_photo(900, 1000)
    for side, angle in ((150, 0), (500, 25), (700, -40)):
        where = alignment(side, angle, (500, 450))
        patch = resampled(image, where, WHOLE_FRAME, 64)
        back = enlarged(np.rint(patch).astype(np.uint8), where, WHOLE_FRAME, (470, 420, 530, 480))
        assert np.abs(back - image[420:480, 470:530]).max() < 3


@pytest.mark.parametrize(
    ("first", "last", "side"),
    [
        ((58, 80), (80, 100), 104),  # an eye: the closest framing there is
        ((65, 116), (113, 146), 143),  # a mouth: down to row 146, and 89 + s / 2 >= 146 + s / 10 first at 143
        ((20, 60), (158, 150), 173),
        ((0, 0), (178, 178), 178),  # everything
        ((0, 80), (9, 100), 178),  # at the border: no closer one shows it
    ],
)
def test_the_framing_follows_the_hole(first, last, side):
    square = closest_square(np.array([first, last], float), Config(framing_shift=0.0))
    assert square.side == side
    assert square.corner == ((178 - side) / 2,) * 2


def test_a_framing_is_one_of_those_trained_with():
    eye = np.array([(60.0, 80), (80, 100)])
    assert closest_square(eye, Config(framing=(178, 178))) == WHOLE_FRAME
    assert closest_square(eye, Config(framing=(130, 150))).side == 130
    shifted = closest_square(np.array([(40.0, 80), (60, 100)]), Config(framing=(104, 178), framing_shift=3.0))
    assert shifted.corner[0] < (178 - shifted.side) / 2
    assert abs(shifted.corner[0] + shifted.side / 2 - 89) <= 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_hole_alone_changes_and_fits(dtype):
    image = smooth_photo(500, 600, dtype=dtype)
    where = alignment(300, 20, (300, 250))
    hole = part_hole(where, "nose", (500, 600))
    damaged = np.where(hole[..., None], dtype(0), image)
    before = damaged.copy(), hole.copy()

    class Perfect(Fake):
        def restore(self, seen, mask):
            square = closest_square(where.to_frame(np.argwhere(hole)[:, ::-1]), self.config)
            scale = 257 if dtype is np.uint16 else 1
            return np.rint(resampled(image, where, square, 64) / scale).astype(np.uint8)

    restored, notes = restore_photo(damaged, hole, Perfect(), [in_photo(where, LANDMARKS[:2])])
    assert restored.dtype == dtype
    assert notes == []
    assert np.array_equal(restored[~hole], damaged[~hole])
    error = np.abs(restored.astype(int) - image)[hole] / (257 if dtype is np.uint16 else 1)
    assert error.max() < 6
    assert np.array_equal(damaged, before[0])
    assert np.array_equal(hole, before[1])


def test_what_the_network_draws_too_bright_is_brought_to_the_rims_brightness():
    """The mismatch at the rim is carried inwards: what is drawn keeps its shape, not its offset."""
    image = smooth_photo(400, 400)
    where = alignment(320, 0, (200, 200))  # five photo pixels for one of the network's at framing 178
    hole = np.zeros((400, 400), bool)
    hole[150:250, 130:270] = True

    class TooBright(Fake):
        def restore(self, seen, mask):
            truth = resampled(image, where, closest_square(where.to_frame(np.argwhere(hole)[:, ::-1]), self.config), 64)
            return np.where(mask[..., None], np.clip(truth + 40, 0, 255), seen).astype(np.uint8)

    restored, _ = restore_photo(image, hole, TooBright(), [in_photo(where, LANDMARKS)])
    assert np.abs(restored.astype(int) - image)[hole].mean() < 4


@pytest.mark.parametrize(("side", "seen"), [(200, 64), (250, 128)])  # a part of 104 of 178 has 117 and 146 pixels
def test_a_large_face_is_drawn_as_large_as_the_restorer_can(side, seen):
    image, where = smooth_photo(400, 400), alignment(side, 0, (200, 200))
    restorer = Fake()
    restorer.finest = 128
    hole = part_hole(where, "left_eye", (400, 400))
    restored, _ = restore_photo(image, hole, restorer, [in_photo(where, LANDMARKS)])
    assert restorer.images[-1].shape == (seen, seen, 3)
    assert np.abs(restored.astype(int) - image)[hole].max() < 6


def test_each_face_that_the_hole_touches_is_restored_and_no_other():
    image = smooth_photo(400, 1200)
    places = [alignment(250, angle, (x, 200)) for angle, x in ((10, 200), (-15, 600), (0, 1000))]
    hole = part_hole(places[0], "mouth", (400, 1200)) | part_hole(places[2], "left_eye", (400, 1200))
    restorer = Fake()
    faces = [in_photo(place, LANDMARKS) for place in places]
    restored, notes = restore_photo(image, hole, restorer, faces, other_half=False)
    assert len(restorer.images) == 2
    assert notes == []
    assert np.array_equal(restored[~hole], image[~hole])


def test_where_faces_overlap_the_nearer_one_repairs():
    image = smooth_photo(300, 400)
    places = [alignment(200, 0, (150, 150)), alignment(200, 0, (250, 150))]
    hole = part_hole(places[0], "nose", (300, 400))
    restorer = Fake((0, 255, 0))
    restore_photo(image, hole, restorer, [in_photo(place, LANDMARKS) for place in places])
    assert len(restorer.images) == 1


def test_what_is_outside_every_face_is_filled_classically_and_said():
    image = smooth_photo(400, 600)
    where = alignment(200, 0, (150, 150))
    hole = part_hole(where, "nose", (400, 600))
    hole[300:320, 450:480] = True
    damaged = np.where(hole[..., None], np.uint8(0), image)
    restored, notes = restore_photo(damaged, hole, Fake((9, 9, 9)), [in_photo(where, LANDMARKS)])
    share = 600 / hole.sum()  # all of it is wider than a pixel of the network's picture
    assert notes == [
        f"{share:.0%} of the hole is outside the face: filled from its surroundings; if that is another face, name its "
        "eyes with --eyes"
    ]
    assert np.abs(restored[300:320, 450:480].astype(int) - image[300:320, 450:480]).max() < 25
    assert np.array_equal(restored[~hole], damaged[~hole])


def test_without_a_face_everything_is_filled_classically_with_advice():
    image, restorer = smooth_photo(200, 200), Fake()
    hole = np.zeros((200, 200), bool)
    hole[90:110, 90:110] = True
    restored, notes = restore_photo(image, hole, restorer, [])
    assert restorer.images == []
    assert notes == ["no face found: filled from the surroundings alone; name the eyes: --eyes X1,Y1,X2,Y2"]
    assert np.abs(restored.astype(int) - image).max() < 40


def test_a_hole_larger_than_trained_is_said():
    image = smooth_photo(300, 300)
    hole = np.zeros((300, 300), bool)
    hole[60:280, 30:270] = True
    _, notes = restore_photo(image, hole, Fake(), [centred_face(300, 300)])
    assert [note.split(":")[0] for note in notes] == [
        "both eyes are lost",
        "61% of the face's square is hole, more than the 50% trained with",
    ]


def test_what_lies_beyond_the_photo_is_no_damage_of_its_own():
    """A photo torn between the eyes: what it lacks is unknown to the network, but nobody masked it."""
    image, restorer = smooth_photo(300, 300), Fake()
    torn, hole = image[:, :160], np.zeros((300, 160), bool)
    hole[100:200, 130:] = True
    _, notes = restore_photo(torn, hole, restorer, [with_nose(centred_face(300, 300))])
    assert restorer.masks[0].mean() > 0.5
    assert notes == []


def test_the_network_sees_what_training_showed_it():
    """A CelebA crop at its own size: the network's picture is the framed face, the damage hidden in its mask."""
    image = smooth_photo(218, 178, 3)
    image[:5], image[-5:] = 0, 255  # an ordinary photo has something dark and something bright in it
    image[60:80, 40:140] = 0
    image[140:158, 40:140] = 255
    hole = part_hole(Alignment(1, -0.5 + 19.5j), "left_eye", (218, 178))
    damaged = np.where(hole[..., None], np.uint8(255), image)
    restorer = Fake()
    restore_photo(damaged, hole, restorer, [LANDMARKS + np.array([-0.5, 19.5])])
    square = closest_square(UPRIGHT.to_frame(np.argwhere(hole)[:, ::-1] - (0, 20)), restorer.config)
    expected = resampled(image[20:198], UPRIGHT, square, 64)
    seen, mask = restorer.images[0], restorer.masks[0]
    assert np.abs(seen - expected)[~mask].max() < 1
    assert np.isclose(mask.mean(), np.pi * 11 * 17 / 104**2, atol=0.02)


class SeesDots:
    """Stands in for the package mtcnn: a face is two red eyes, a green nose and two blue corners of a mouth, and is
    seen when it is turned by less than 25 degrees; upside down, too, as if it were upright, but less surely."""

    def detect_faces(self, picture):
        dots = []
        for channel, count in ((0, 2), (1, 1), (2, 2)):
            rest = np.delete(picture, channel, axis=2).max(axis=2)
            found = cv2.connectedComponentsWithStats(((picture[..., channel] > 150) & (rest < 90)).astype(np.uint8))
            if found[0] != count + 1:
                return []
            dots += sorted(map(tuple, found[3][1:]))
        slope = (dots[1][1] - dots[0][1]) / (dots[1][0] - dots[0][0])
        seen = abs(np.rad2deg(np.arctan(slope))) < 25
        confidence = 1.0 if dots[2][1] > dots[0][1] else 0.9
        return [{"confidence": confidence, "keypoints": dict(zip(detect.NAMES, dots, strict=True))}] if seen else []


@pytest.mark.parametrize("angle", [0, 20, 38, -38, 180])
def test_a_face_is_found_when_it_is_turned_as_well(angle, monkeypatch):
    monkeypatch.setattr(detect, "_detector", SeesDots)
    monkeypatch.setattr(detect, "check_installed", lambda: None)
    where, image = alignment(300, angle, (400, 300)), np.full((600, 900, 3), 60, np.uint8)
    colours = np.repeat(255 * np.eye(3), (2, 1, 2), axis=0)
    for colour, point in zip(colours.tolist(), in_photo(where, LANDMARKS), strict=True):
        cv2.circle(image, np.rint(point).astype(int).tolist(), 7, colour, -1)
    hole = np.zeros((600, 900), bool)
    hole[100:110, 700:720] = True
    (found,) = detect.find_faces(image, hole, Fake())
    assert np.abs(found - in_photo(where, LANDMARKS)).max() < 1.5
    assert detect.find_faces(np.full_like(image, 60), hole, Fake()) == []


# Photographs as people have them.

LUMA = np.array([0.299, 0.587, 0.114])


class Draws(Fake):
    """A restorer that draws the `truth`, a photo, as `change` says, where it is asked to."""

    def __init__(self, truth, where, change=lambda picture: picture):
        super().__init__()
        self.truth, self.where, self.change = truth, where, change

    def restore(self, image, mask):
        super().restore(image, mask)
        drawn = self.change(resampled(self.truth, self.where, WHOLE_FRAME, self.config.size))
        return np.where(mask[..., None], np.clip(drawn, 0, 255), image).astype(np.uint8)


def portrait(side=178, seed=1):
    """A face-like photo of `side` pixels and how it lies in it; all of it is the whole frame."""
    image = cv2.GaussianBlur(smooth_photo(side, side, seed), (0, 0), side / 40)
    for x, y in LANDMARKS * side / 178:
        cv2.circle(image, (int(x), int(y)), side // 20, (30, 20, 20), -1)
    image = cv2.GaussianBlur(image, (0, 0), side / 100)
    return image, alignment(side, 0, (side / 2 - 0.5, side / 2 - 0.5))


WHOLE = Config(framing=(178, 178))


def repaired(image, hole, restorer, where):
    restorer.config = WHOLE
    damaged = np.where(hole[..., None], image.dtype.type(255), image)
    return restore_photo(damaged, hole, restorer, [in_photo(where, LANDMARKS)])


def rough(picture):
    return np.abs(cv2.Laplacian((picture @ LUMA).astype(np.float32), cv2.CV_32F))


@pytest.mark.parametrize("side", [400, 1200])
@pytest.mark.parametrize("offset", [-25, 0, 25])
def test_no_line_between_rim_and_core(side, offset):
    image, where = portrait(side)
    hole = part_hole(where, "mouth", (side, side))
    restored, _ = repaired(image, hole, Draws(image, where, lambda picture: picture + offset), where)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    eighth = np.ceil(8 * depth / depth.max()).astype(int)
    means = [rough(restored)[eighth == part].mean() for part in range(1, 9)]
    assert max(means) <= 2 * max(means[-1], 0.5), means


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "tone", [((1, 1, 1), (0, 0, 0)), ((0.9, 0.77, 0.58), (18, 8, 0)), ((0.5, 0.7, 0.9), (10, 20, 25))]
)
def test_a_photo_in_one_tone_stays_in_it(tone, dtype):
    image, where = portrait()
    slope, first = np.array(tone)
    highest = np.iinfo(dtype).max / 255
    toned = np.rint(((image @ LUMA)[..., None] * slope + first) * highest).astype(dtype)
    hole = part_hole(where, "mouth", toned.shape[:2]) | part_hole(where, "left_eye", toned.shape[:2])
    violet = Draws(np.rint(toned / highest).astype(np.uint8), where, lambda picture: picture + np.array([30, 0, 40]))
    restored, _ = repaired(toned, hole, violet, where)
    off = restored[hole] / highest - first
    off -= (off @ slope)[:, None] / (slope @ slope) * slope
    assert np.linalg.norm(off, axis=1).max() <= 1


def test_a_photo_in_colours_is_not_put_on_a_line():
    image, where = portrait()
    hole = part_hole(where, "mouth", image.shape[:2])
    restored, _ = repaired(image, hole, Draws(image, where, lambda picture: picture + np.array([30, 0, -30])), where)
    known, drawn = (
        np.linalg.svd(part - part.mean(axis=0))[1][1] for part in (image[~hole][::9] * 1.0, restored[hole] * 1.0)
    )
    assert known > 50
    assert drawn > 50


@pytest.mark.parametrize("softened", [0, 0.7])
@pytest.mark.parametrize("sigma", [12, 28])
def test_grain_goes_on_in_the_hole(sigma, softened):
    image, where = portrait(300)
    noise = np.random.default_rng(0).normal(0, 1, image.shape)
    noise = cv2.GaussianBlur(noise, (0, 0), softened) if softened else noise
    grainy = np.clip(image + noise * sigma / noise.std(), 0, 255).astype(np.uint8)
    hole = part_hole(where, "mouth", image.shape[:2])
    restored, _ = repaired(grainy, hole, Draws(image, where), where)
    fine = restored @ LUMA - cv2.GaussianBlur(restored @ LUMA, (0, 0), 2)
    depth, around = (cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5) for part in (hole, ~hole))
    assert 0.8 < fine[depth > 2].std() / fine[(around > 0) & (around < 20)].std() < 1.25


@pytest.mark.parametrize("softened", [1.5, 2.5, 4])
def test_the_coarse_grain_of_a_large_scan_goes_on_in_the_hole(softened):
    photo = smooth_photo(700, 700, 1)
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, photo.shape), (0, 0), softened)
    grainy = np.clip(photo + noise * 12 / noise.std(), 0, 255).astype(np.float32)
    hole = np.zeros((700, 700), bool)
    hole[250:400, 200:420] = True
    drawn = np.where(hole[..., None], photo, grainy).astype(np.float32)
    drawn[300:304, 200:420] = 20.0  # an edge that was drawn keeps no grain off
    for scale in (1, 2, 4):
        laid, true = (
            cv2.resize((picture @ LUMA)[310:400, 210:410].astype(np.float32), None, fx=1 / scale, fy=1 / scale,
                       interpolation=cv2.INTER_AREA)
            for picture in (grain.grained(drawn, hole) - drawn, grainy - photo)
        )  # fmt: skip
        fine = [picture - cv2.GaussianBlur(picture, (0, 0), 2) for picture in (laid, true)]
        assert 0.7 < fine[0].std() / fine[1].std() < 1.3


def test_a_large_photo_without_grain_stays_so():
    photo = np.float32(smooth_photo(700, 700, 1))
    hole = np.zeros((700, 700), bool)
    hole[250:400, 200:420] = True
    assert grain.grained(photo, hole) is photo
    assert grain.smoothed(photo, hole) is photo


@pytest.mark.parametrize(("sigma", "most"), [(12, 7), (28, 12)])
def test_grain_is_not_continued_into_bright_colours(sigma, most):
    from faceinpaint.photo import classical

    image = smooth_photo(300, 300, 1)
    grainy = np.clip(image + np.random.default_rng(0).normal(0, sigma, image.shape), 0, 255).astype(np.uint8)
    hole = np.zeros((300, 300), bool)
    hole[140:160, 100:200] = True
    filled = grainy.copy()
    classical.fill(filled, hole)
    assert np.array_equal(filled[~hole], grainy[~hole])
    assert np.abs(filled.astype(int) - image)[hole].mean() < most


def test_no_grain_where_there_is_none():
    image, where = portrait(300)
    hole = part_hole(where, "mouth", image.shape[:2])
    restored, _ = repaired(image, hole, Draws(image, where), where)
    drawn, true = (picture @ LUMA - cv2.GaussianBlur(picture @ LUMA, (0, 0), 2) for picture in (restored, image))
    assert drawn[hole].std() < 1.1 * true[hole].std()


def test_a_flat_margin_has_no_grain_whichever_way_it_is_rounded():
    """Of seed 23, OpenCV's mean of squares is -6e-14 there."""
    rough = np.random.default_rng(23).integers(0, 256, (100, 100, 3))
    picture = np.pad(rough, ((80, 80), (80, 80), (0, 0)), mode="edge").astype(np.float32)
    hole = np.zeros((260, 260), bool)
    hole[120:140, 120:140] = True
    assert grain.grained(picture, hole) is picture


@pytest.mark.parametrize("sigma", [6, 12])
def test_what_is_drawn_is_as_blurred_as_its_surroundings(sigma):
    image, where = portrait(400)
    blurred = cv2.GaussianBlur(image, (0, 0), sigma)
    hole = part_hole(where, "mouth", image.shape[:2])
    restored, _ = repaired(blurred, hole, Draws(image, where), where)
    assert 0.3 < rough(restored)[hole].mean() / max(rough(blurred)[hole].mean(), 0.3) < 2


@pytest.mark.parametrize(("gain", "offset"), [(0.35, 165), (0.12, 0), (0.2, 100)])
def test_a_faded_or_dark_photo_is_shown_to_the_network_in_full_contrast(gain, offset):
    image, where = portrait()
    exposed = np.rint(image * gain + offset).astype(np.uint8)
    hole = part_hole(where, "mouth", image.shape[:2])
    restorer = Draws(image, where)
    restorer.change = lambda _: restorer.images[-1] * 1.0  # draws what it sees
    restored, _ = repaired(exposed, hole, restorer, where)
    seen = restorer.images[0][~restorer.masks[0]] @ LUMA
    assert np.percentile(seen, 98) - np.percentile(seen, 2) > 80
    assert np.abs(restored.astype(int) - exposed)[hole].mean() < 8


def test_an_ordinary_photo_is_shown_as_it_is():
    image, where = portrait()
    image[0], image[1:4] = 0, 255
    image[150:] = 20
    restorer = Draws(image, where)
    repaired(image, part_hole(where, "left_eye", image.shape[:2]), restorer, where)
    mask = restorer.masks[0]
    assert np.abs(restorer.images[0] - resampled(image, where, WHOLE_FRAME, 64))[~mask].max() <= 1


def test_dust_is_filled_first_and_no_hole_for_the_network():
    image, where = portrait(1000)
    hole = part_hole(where, "mouth", image.shape[:2])
    dust, rng = np.zeros(hole.shape, np.uint8), np.random.default_rng(0)
    for x, y, radius in rng.integers((0, 0, 1), (1000, 1000, 4), (700, 3)):
        cv2.circle(dust, (int(x), int(y)), int(radius), 1, -1)
    clean, dusty = Draws(image, where), Draws(image, where)
    repaired(image, hole, clean, where)
    restored, notes = repaired(image, hole | (dust > 0), dusty, where)
    assert notes == []
    assert (clean.masks[0] != dusty.masks[0]).mean() < 0.01
    assert np.abs(dusty.images[0].astype(int) - clean.images[0])[~dusty.masks[0]].max() <= 2
    specks = (dust > 0) & ~hole
    assert np.abs(restored.astype(int) - image)[specks].mean() < 1


@pytest.mark.parametrize("colour", [(170, 30, 40), (60, 90, 160), (225, 215, 200)])
def test_a_plain_ground_is_continued(colour):
    image, where = portrait()
    head = np.zeros((178, 178), np.uint8)
    cv2.ellipse(head, (89, 105), (58, 90), 0, 0, 360, 1, -1)
    brown = np.where(head[..., None] > 0, image, np.uint8((110, 85, 70)))
    image[head == 0] = colour
    corner = np.array([(178, -20), (60, -20), (110, 100), (178, 198)], np.int32)
    hole = cv2.fillPoly(np.zeros((178, 178), np.uint8), [corner], 1).astype(bool)
    restored, _ = repaired(image, hole, Draws(brown, where), where)
    ground = hole & (cv2.distanceTransform(1 - head, cv2.DIST_L2, 5) > 5)
    assert np.abs(restored.astype(int) - colour)[ground].mean() < 6


@pytest.mark.parametrize("size", [64, 128])
def test_an_upside_down_face_is_restored_as_upright(size):
    image, where = portrait()
    hole = part_hole(where, "mouth", image.shape[:2])

    class Judge(Draws):
        """Draws upright faces better."""

        def restore(self, seen, mask):
            true = resampled(self.truth, self.where, WHOLE_FRAME, size)
            upright = np.abs(seen.astype(float) - true)[~mask].mean() < 20
            super().restore(seen, mask)
            return np.where(mask[..., None], seen if upright else 255 - seen, seen)

    eyes = in_photo(where, LANDMARKS[:2])
    turned = 177 - eyes
    for given in (turned, turned[::-1]):
        restorer = Judge(image, where)
        restorer.config = replace(WHOLE, size=size)
        _, notes = restore_photo(image[::-1, ::-1].copy(), hole[::-1, ::-1], restorer, [given])
        assert np.abs(restorer.images[-1].astype(int) - resampled(image, where, WHOLE_FRAME, size)).mean() < 8
        assert notes == ["taken for a face turned by 180°, the likelier way; to say otherwise, add its nose: "
                         "--eyes X1,Y1,X2,Y2,X3,Y3"]  # fmt: skip
    for given in (eyes, eyes[::-1]):
        restorer = Judge(image, where)
        restorer.config = replace(WHOLE, size=size)
        assert restore_photo(image, hole, restorer, [given])[1] == []
    nose = in_photo(where, LANDMARKS[2:3])
    restorer = Judge(image, where)
    restorer.config = replace(WHOLE, size=size)
    restore_photo(image, hole, restorer, [np.concatenate([eyes[::-1], nose])])
    assert len(restorer.images) == 1


@pytest.mark.parametrize(("off", "doubt"), [(0, False), (10, True), (40, False)])
def test_a_face_that_may_be_upside_down_is_said(off, doubt):
    """The network draws it, as it stands, `off` levels more wrongly than turned, where it is 30 levels wrong."""
    image, where = portrait()
    hole = part_hole(where, "mouth", image.shape[:2])

    class Judge(Draws):
        def restore(self, seen, mask):
            true = resampled(self.truth, self.where, WHOLE_FRAME, 64)
            wrong = 30 + off * (np.abs(seen.astype(float) - true)[~mask].mean() < 20)
            super().restore(seen, mask)
            return np.where(mask[..., None], np.where(seen < 128, seen + wrong, seen - wrong), seen).astype(np.uint8)

    _, notes = restore_photo(image, hole, Judge(image, where), [in_photo(where, LANDMARKS[:2])])
    assert [note for note in notes if note.startswith("taken for upright")] == notes[:doubt]
    assert bool(notes[:1] and notes[0].endswith("add its nose: --eyes X1,Y1,X2,Y2,X3,Y3")) == (off > 0)


def scratched(side, blur, colour=255, width=1 / 100):
    """A portrait with a straight scratch of one colour, whose edges are blurred: uint8; how much of it there is in each
    pixel; and the portrait."""
    image, _ = portrait(side)
    hard = np.zeros((side, side), np.uint8)
    cv2.line(hard, (side // 8, side // 3), (side * 7 // 8, side * 3 // 5), 1, max(3, round(side * width)))
    soft = cv2.GaussianBlur(hard.astype(np.float32), (0, 0), blur)[..., None] if blur else np.float32(hard[..., None])
    return np.rint(image * (1 - soft) + np.float32(colour) * soft).astype(np.uint8), soft[..., 0], image


def as_jpeg(image, quality):
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].copy()


@pytest.mark.parametrize("quality", [75, 90, 95])
@pytest.mark.parametrize("colour", [(255, 255, 255), (30, 60, 220)])
def test_what_jpeg_smears_of_the_damage_is_damage(colour, quality):
    damaged, soft, image = scratched(800, 0, colour)
    hole, where = soft > 0, portrait(800)[1]
    in_file = as_jpeg(damaged, quality)
    assert spilled(damaged, hole) == 0
    reach = spilled(in_file, hole)
    assert 1 <= reach <= 4
    repairs = [restore_photo(in_file, h, Draws(image, where), [in_photo(where, LANDMARKS)])[0]
               for h in (hole, widened(hole, reach))]  # fmt: skip
    assert psnr(image, repairs[1], hole) > psnr(image, repairs[0], hole) + 3


def test_what_is_sound_in_a_jpeg_is_no_damage():
    _, soft, image = scratched(800, 0)
    assert spilled(as_jpeg(image, 75), soft > 0) == 0


@pytest.mark.parametrize("side", [400, 1600, 3000])
def test_a_soft_edge_is_found_at_every_size(side):
    damaged, soft, _ = scratched(side, max(2, side / 400))
    reach = spilled(damaged, soft > 0.5)
    assert (soft[~widened(soft > 0.5, reach)] < 0.1).all()
    assert (soft[widened(soft > 0.5, reach)] > 0).mean() > 0.5


def test_the_other_colour_along_a_tear_is_damage():
    damaged, soft, _ = scratched(1000, 2, (150, 120, 60), 1 / 25)
    core = scratched(1000, 0, width=1 / 50)[1] > 0
    damaged[core] = 245
    assert (soft[~widened(core, spilled(damaged, core))] < 0.25).all()


def test_damage_that_is_all_there_is_around_its_mask_is_found():
    damaged, soft, _ = scratched(1000, 0, (20, 40, 90), 1 / 20)
    core = scratched(1000, 0, width=1 / 40)[1] > 0
    assert not (soft > 0)[~widened(core, spilled(damaged, core))].any()


def test_damage_without_an_end_is_said():
    damaged, soft, _ = scratched(400, 14, width=1 / 4)
    hole = soft > 0.8
    assert spilled(damaged, hole) == np.inf
    assert widened(hole, np.inf) is hole


def test_the_dots_of_a_print_are_no_damage():
    image, where = portrait(600, seed=0)
    rows, columns = np.indices((600, 600)) * 2 * np.pi / 6
    raster = (np.cos((rows + columns) / 2**0.5) + np.cos((rows - columns) / 2**0.5)) / 4 + 0.5
    dots = 20 + 225 / (1 + np.exp(14 * (raster - image @ LUMA / 255)))
    print_ = np.rint(cv2.GaussianBlur(dots, (0, 0), 0.8)).astype(np.uint8)[..., None].repeat(3, axis=2)
    hole = part_hole(where, "nose", (600, 600))
    assert spilled(np.where(hole[..., None], np.uint8(255), print_), hole) == 0


def test_tiles_of_a_large_hole_are_one(monkeypatch):
    """A hole too large to be filled at once is filled as at once."""
    from faceinpaint.photo import classical

    image = smooth_photo(700, 900)
    hole = np.zeros((700, 900), bool)
    hole[100:600, 200:700] = True
    hole[20:24, 30:800] = True
    at_once, tiled = (np.where(hole[..., None], np.uint8(255), image) for _ in range(2))
    classical.fill(at_once, hole)
    monkeypatch.setattr(classical, "AT_ONCE", 200_000)
    monkeypatch.setattr(classical, "TILE", 256)
    classical.fill(tiled, hole)
    assert np.array_equal(tiled[~hole], image[~hole])
    assert np.abs(tiled.astype(int) - at_once)[hole].mean() < 3
    assert np.abs(tiled.astype(int) - image)[20:24, 30:800].max() <= 1


# With real faces and trained weights.


@pytest.fixture(scope="module")
def real_faces(tmp_path_factory):
    """Centre squares [200, 178, 178, 3] of CelebA's validation faces, on which choices are made."""
    if "FACEINPAINT_CELEBA" not in os.environ:
        pytest.skip("FACEINPAINT_CELEBA names no img_align_celeba.zip")
    few = replace(Config(), train_images=64, validation_images=200, test_images=1)
    return celeba.prepare(os.environ["FACEINPAINT_CELEBA"], few, tmp_path_factory.mktemp("data")).validation


@pytest.fixture(scope="module")
def trained():
    if not (folder.WEIGHTS / folder.EXPORTED).is_file():
        pytest.skip("no trained weights in faceinpaint/weights")
    return lite.load()


def placed(face, side, rng):
    """A large photo with `face` in it at `side` pixels, turned by up to 40 degrees, and where it lies."""
    height, width = (int(1.45 * side + 20 + rng.integers(0, 300)) for _ in range(2))
    reach = 0.71 * side
    where = alignment(side, rng.uniform(-40, 40), [rng.uniform(reach, length - reach) for length in (width, height)])
    if side < len(face):
        face = cv2.resize(face, (int(np.ceil(side)),) * 2, interpolation=cv2.INTER_AREA)
    drawn = enlarged(face, where, WHOLE_FRAME, (0, 0, width, height))
    inside = cv2.warpAffine(np.ones(face.shape[:2], np.float32), where.matrix(WHOLE_FRAME, len(face)), (width, height))
    scene = np.where(inside[..., None] > 0.99, drawn, smooth_photo(height, width, int(rng.integers(1 << 30))))
    return np.rint(np.clip(scene, 0, 255)).astype(np.uint8), where


def psnr(image, restored, mask):
    """In dB, over the pixels of the bool `mask`."""
    return 10 * np.log10(255**2 / np.square(image[mask].astype(float) - restored[mask]).mean())


def telea_around(image, hole):
    """Telea's method, computed in the surroundings of the hole alone."""
    rows, columns = np.nonzero(hole)
    near = np.s_[max(rows.min() - 20, 0) : rows.max() + 21, max(columns.min() - 20, 0) : columns.max() + 21]
    restored = image.copy()
    restored[near] = baselines.telea(image[near][None], hole[near][None])[0]
    return restored


def measured(face, part, side, restorer, rng):
    """PSNR in the hole, in dB: restored in the photo and in the aligned face, both in the network's pixels; restored
    and by Telea, both in the photo's pixels."""
    scene, where = placed(face, side, rng)
    hole = part_hole(where, part, scene.shape[:2])
    damaged = np.where(hole[..., None], rng.integers(0, 256, 3, np.uint8), scene)
    restored, notes = restore_photo(damaged, hole, restorer, [in_photo(where, LANDMARKS[:2])], other_half=False)
    assert [note for note in notes if not note.startswith("taken for upright, which is hard to tell here")] == []
    assert np.array_equal(restored[~hole], damaged[~hole])

    size = restorer.config.size
    square = closest_square(where.to_frame(np.argwhere(hole)[:, ::-1]), restorer.config)
    share = resampled(hole, where, square, size)
    upright = Alignment(len(face) / 178, -0.5 - 0.5j)
    truth = np.rint(resampled(face, upright, square, size)).astype(np.uint8)
    aligned = psnr(truth, restorer.restore(truth, share > 1e-4), share > 0.999)
    seen = [resampled(image, where, square, size) for image in (scene, restored)]
    telea = psnr(scene, telea_around(damaged, hole), hole)
    return [psnr(*seen, share > 0.999), aligned, psnr(scene, restored, hole), telea]


def test_two_hundred_placements(real_faces, trained):
    rng = np.random.default_rng(2019)
    rows = []
    for index in range(200):
        side = np.exp(rng.uniform(np.log(80), np.log(1200)))
        rows.append(measured(real_faces[index % len(real_faces)], list(PARTS)[index % 4], side, trained, rng))
    turned, aligned, restored, telea = np.array(rows).T
    loss, gain = turned - aligned, restored - telea
    summary = (
        f"in the photo {turned.mean():.2f} dB, aligned {aligned.mean():.2f} dB, worst difference {loss.min():.2f}; "
        f"better than Telea in {(gain > 0).sum()} of {len(gain)}, by {gain.mean():.2f} dB, at worst {gain.min():.2f}"
    )
    print(summary)
    assert loss.mean() > -0.3, summary
    assert loss.min() > -1.5, summary
    assert gain.mean() > 2.5, summary
    assert (gain > 0).mean() > 0.95, summary


def test_faces_are_found_by_themselves(real_faces, trained):
    """The eyes found in a damaged photo, against where the same detector sees them in the aligned, undamaged face: each
    face's own eyes lie some 4 % of the eye distance from CelebA's average."""
    pytest.importorskip("mtcnn")
    rng = np.random.default_rng(7)
    errors = []
    for index in range(24):
        clean = cv2.copyMakeBorder(cv2.resize(real_faces[index], (356, 356)), *[40] * 4, cv2.BORDER_REPLICATE)
        own = detect.find_faces(clean, np.zeros(clean.shape[:2], bool), trained)[0][:2] - 40  # of 356
        scene, where = placed(real_faces[index], np.exp(rng.uniform(np.log(80), np.log(500))), rng)
        hole = part_hole(where, list(PARTS)[index % 4], scene.shape[:2])
        damaged = np.where(hole[..., None], np.uint8(255), scene)
        eyes = in_photo(where, (own + 0.5) / 2)
        distances = [
            np.linalg.norm(face[:2] - eyes, axis=1).mean() for face in detect.find_faces(damaged, hole, trained)
        ]
        errors.append(min(distances, default=np.inf) / np.linalg.norm(eyes[1] - eyes[0]))
    summary = f"median error {np.median(errors):.1%} of the eye distance, of {np.round(sorted(errors), 3)}"
    print(summary)
    assert np.median(errors) < 0.05, summary


@pytest.mark.parametrize("shape", [(100, 400), (400, 100)])
def test_all_of_a_long_photo_is_inside(shape):
    for far in (50, 350):
        centre = (far, 50) if shape[1] > shape[0] else (50, far)
        assert not outside(shape, alignment(90, 0, centre), WHOLE_FRAME, 10).any()
