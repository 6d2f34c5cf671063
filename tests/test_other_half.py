"""Detail from the face's other half and from other photos: found again, gated, carried over, said, refused."""

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.__main__ import main
from faceinpaint.config import Config
from faceinpaint.photo import other_half, registration
from faceinpaint.photo.alignment import WHOLE_FRAME, Alignment, centred_face, resampled
from faceinpaint.photo.other_half import Source
from faceinpaint.photo.reference import Reference, sources_of
from faceinpaint.photo.repair import closest_square, restore_photo
from faceinpaint.photo.upright import with_nose

SIDE = 356  # pixels of the drawn photos, two for one of the whole frame
EYES = centred_face(SIDE, SIDE)
ROWS, COLUMNS = np.indices((SIDE, SIDE))


def symmetric_face(seed=0):
    """A face whose halves mirror each other, with pores, lashes and lips, in colours and under dark hair: uint8
    [SIDE, SIDE, 3]."""
    rng = np.random.default_rng(seed)
    shades = cv2.resize(rng.normal(0, 20, (7, 4, 3)), (SIDE // 2, SIDE), interpolation=cv2.INTER_CUBIC)
    pores = rng.normal(0, 12, (SIDE, SIDE // 2, 1))
    half = cv2.GaussianBlur(np.float32(pores + shades + np.array([200, 160, 140])), (0, 0), 1)
    half[:104] *= 0.25
    x, y = EYES[0]
    cv2.ellipse(half, (int(x), int(y)), (18, 9), 0, 0, 360, (235, 235, 235), -1)
    cv2.circle(half, (int(x), int(y)), 8, (60, 40, 30), -1)
    for lash in range(-18, 19, 4):
        cv2.line(half, (int(x) + lash, int(y) - 8), (int(x) + lash - 2, int(y) - 18), (30, 20, 20), 1)
    cv2.ellipse(half, (SIDE // 2, 262), (34, 12), 0, 0, 360, (150, 60, 60), -1)
    return np.rint(np.clip(np.concatenate([half, half[:, ::-1]], axis=1), 0, 255)).astype(np.uint8)


def ellipse(x, y, across, down):
    return ((COLUMNS - x) / across) ** 2 + ((ROWS - y) / down) ** 2 < 1


LEFT_EYE, RIGHT_EYE = (ellipse(*eye, 34, 24) for eye in EYES)
MOUTH, NOSE, HALF_MOUTH = ellipse(177.5, 262, 48, 26), ellipse(177.5, 216, 30, 38), ellipse(154, 262, 28, 26)
HALF_MOUTH &= COLUMNS < 178
OPENING, CORNER = ellipse(*EYES[0], 19, 9), ellipse(146, 262, 14, 9)
TEAR = (abs(ROWS - EYES[0, 1]) < 7) & ellipse(*EYES[0], 44, 44)
NO_EYES = "both eyes are lost: detail for them can come from another photo of the person: --reference OTHER.jpg"
REFUSAL = "; --no-other-half leaves it out"


class Blurred:
    """Stands in for the network: it restores the face `image` [SIDE, SIDE, 3] as 64 pixels show it."""

    config = Config()

    def __init__(self, image):
        self.image = image

    def restore(self, seen, mask):
        points = np.argwhere(self.hole)[:, ::-1]
        alignment = Alignment.of(EYES)
        square = closest_square(alignment.to_frame(points), self.config)
        truth = np.rint(resampled(self.image, alignment, square, 64)).astype(np.uint8)
        return np.where(mask[..., None], truth, seen)


def restored(image, hole, truth=None, **options):
    restorer = Blurred(image if truth is None else truth)
    restorer.hole = hole
    return restore_photo(np.where(hole[..., None], np.uint8(0), image), hole, restorer, [with_nose(EYES)], **options)


def error(image, picture, hole):
    return np.square(image[hole].astype(float) - picture[hole]).mean()


@pytest.mark.parametrize(
    ("hole", "note"),
    [
        (LEFT_EYE, "detail for the left eye was taken from the right one" + REFUSAL),
        (RIGHT_EYE, "detail for the right eye was taken from the left one" + REFUSAL),
        (HALF_MOUTH, "detail for the left half of the mouth was taken from the right half" + REFUSAL),
    ],
)
def test_what_the_other_half_shows_comes_back_and_is_said(hole, note):
    image = symmetric_face()
    without, _ = restored(image, hole, other_half=False)
    picture, notes = restored(image, hole)
    assert note in notes
    assert np.array_equal(picture[~hole], image[~hole])
    inner = cv2.erode(hole.astype(np.uint8), None, iterations=6).astype(bool)
    assert error(image, picture, inner) < 0.5 * error(image, without, inner)


@pytest.mark.parametrize("hole", [OPENING, TEAR, CORNER], ids=["opening", "tear", "corner"])
def test_an_eye_or_a_corner_of_the_mouth_comes_back_however_narrow_the_hole(hole):
    image = symmetric_face()
    (without, _), (picture, notes) = (restored(image, hole, other_half=half) for half in (False, True))
    assert len(notes) == 1
    assert notes[0].startswith("detail for the left ")
    assert error(image, picture, hole) < 0.9 * error(image, without, hole)


def test_a_tear_beside_them_is_continued_from_its_surroundings():
    image, hole = symmetric_face(), (abs(ROWS - 130) < 7) & (COLUMNS < 178)  # through a brow and hair
    picture, notes = restored(image, hole)
    assert notes == []
    assert np.array_equal(picture, restored(image, hole, other_half=False)[0])


def test_a_lost_half_is_as_sharp_as_the_other():
    image, hole = symmetric_face(), COLUMNS < 170
    eye = ellipse(*EYES[0], 24, 22)
    sharp, blurred, picture = (
        cv2.Laplacian(face, cv2.CV_32F)[eye].std()
        for face in (image, restored(image, hole, other_half=False)[0], restored(image, hole)[0])
    )
    assert blurred < 0.3 * sharp
    assert 0.6 * sharp < picture < 1.1 * sharp
    assert restored(image, hole)[1][0] == "detail for the left side of the face was taken from the right side" + REFUSAL


@pytest.mark.parametrize(
    ("hole", "notes"),
    [(LEFT_EYE | RIGHT_EYE, [NO_EYES]), (MOUTH, []), (NOSE, []), (MOUTH | NOSE, [])],
    ids=["eyes", "mouth", "nose", "both"],
)
def test_what_has_no_other_half_stays_as_it_was_to_the_bit(hole, notes):
    image = symmetric_face()
    picture, said = restored(image, hole)
    assert said == notes
    assert np.array_equal(picture, restored(image, hole, other_half=False)[0])


def test_a_partner_outside_the_photo_gives_nothing():
    image, hole = symmetric_face()[:, :170], LEFT_EYE[:, :170]  # torn off before the right eye

    class Grey:
        config = Config()

        def restore(self, seen, mask):
            return np.where(mask[..., None], np.uint8(128), seen)

    with_it, without = (
        restore_photo(image, hole, Grey(), [with_nose(EYES)], other_half=half)[0] for half in (True, False)
    )
    assert np.array_equal(with_it, without)


def test_nothing_is_taken_where_both_halves_do_not_agree():
    image = symmetric_face()
    other = image.copy()
    other[RIGHT_EYE] = np.random.default_rng(3).integers(0, 256, (RIGHT_EYE.sum(), 3))  # hair, say
    without, _ = restored(other, LEFT_EYE, truth=image, other_half=False)
    picture, notes = restored(other, LEFT_EYE, truth=image)
    assert notes == []
    assert error(without, picture, LEFT_EYE) < 0.1 * error(other, other[:, ::-1], LEFT_EYE)


def test_a_strand_of_hair_stays_on_its_side():
    image = symmetric_face()
    other = image.copy()
    for shift in range(-4, 5, 4):
        cv2.line(other, (250 + shift, 100), (250 + shift, 250), (250, 230, 150), 2)  # beside the right eye
    clean, (picture, _) = restored(image, LEFT_EYE)[0], restored(other, LEFT_EYE, truth=image)
    place = LEFT_EYE & (COLUMNS > 96) & (COLUMNS < 115)
    assert error(clean, picture, place) < 0.1 * error(image, other[:, ::-1], place)


def test_the_light_stays_on_its_side():
    """A face lit from the right: where the left is repaired it stays dark."""
    light = np.linspace(0.4, 1, SIDE)[:, None]
    image = np.rint(symmetric_face() * light).astype(np.uint8)
    picture, notes = restored(image, LEFT_EYE)
    assert notes == ["detail for the left eye was taken from the right one" + REFUSAL]
    assert abs(picture[LEFT_EYE].mean() - image[LEFT_EYE].mean()) < 2
    assert picture[LEFT_EYE].mean() < 0.9 * image[RIGHT_EYE].mean()


def test_a_part_is_found_again_where_it_was_moved_and_widened():
    rng = np.random.default_rng(5)
    target = cv2.GaussianBlur(rng.normal(0, 200, (178, 178)).astype(np.float32), (0, 0), 2)
    part = np.zeros((178, 178), bool)
    part[70:95, 55:85] = True
    middle, width = 69.5, registration.WIDTHS[4]
    y, x = np.indices((178, 178), np.float32)
    moved = registration.at(target, np.float32((x - middle) / width + middle - 3), y + 2)
    found_x, found_y = registration.registered(target, moved, np.ones((178, 178), bool), part)
    assert np.abs(registration.at(moved, found_x, found_y) - target)[part].max() < 0.2 * np.abs(target).max()
    assert np.allclose(found_y - y, -2)


def test_a_large_part_is_bent_to_fit():
    rng = np.random.default_rng(6)
    target = cv2.GaussianBlur(rng.normal(0, 90, (178, 178)).astype(np.float32), (0, 0), 3)
    y, x = np.indices((178, 178), np.float32)
    bend = (4 * np.sin(y / 25)).astype(np.float32)
    part = np.zeros((178, 178), bool)
    part[30:150, 20:80] = True
    moved = registration.at(target, x + bend, y)
    found_x, found_y = registration.registered(target, moved, np.ones((178, 178), bool), part)
    difference = np.abs(registration.at(moved, found_x, found_y) - target)
    assert difference[part].mean() < 0.4 * np.abs(moved - target)[part].mean()


def test_all_bands_together_are_the_difference_and_none_without_trust():
    difference = np.random.default_rng(0).normal(0, 20, (178, 178, 3)).astype(np.float32)
    for gain in (0, 1):
        factor, rest = other_half.shares(difference, np.full((178, 178), gain, np.float32))
        added = factor[..., None] * difference + rest
        smooth = [cv2.GaussianBlur(difference, (0, 0), sigma) for sigma in other_half.BANDS]
        bands = [fine - coarse for fine, coarse in zip([difference, *smooth], smooth, strict=False)]
        expected = sum(carried * band for carried, band in zip(other_half.CARRIED, bands, strict=True))
        assert np.allclose(added, gain * expected, atol=1e-3)


def reference(image, scale=1.0, name="other.jpg"):
    pixels = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return Reference(pixels, (EYES + 0.5) * scale - 0.5, name)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_another_photo_gives_what_has_no_other_half(scale, mirrored):
    image, hole = symmetric_face(), LEFT_EYE | RIGHT_EYE
    image[200:, :] = cv2.GaussianBlur(image[200:, :], (0, 0), 3)  # so that it is not the same upside down
    other = cv2.convertScaleAbs(image[:, ::-1] if mirrored else image, alpha=0.6, beta=10)  # darker and flatter
    without, _ = restored(image, hole)
    picture, notes = restored(image, hole, references=[reference(np.ascontiguousarray(other), scale)])
    assert notes == [
        "detail for the left eye was taken from other.jpg",
        "detail for the right eye was taken from other.jpg",
    ]
    assert error(image, picture, hole) < 0.6 * error(image, without, hole)
    assert abs(picture[hole].mean() - without[hole].mean()) < 3


def test_another_photos_colour_stays_behind():
    image = np.repeat(symmetric_face()[..., 1:2], 3, axis=2)
    other = np.rint(image * (1, 0.7, 0.4)).astype(np.uint8)
    picture, notes = restored(image, MOUTH, references=[reference(other)])
    assert notes == ["detail for the mouth was taken from other.jpg"]
    assert np.ptp(picture.astype(int), axis=-1).max() <= 1


def test_another_photo_that_does_not_fit_is_refused_in_a_line():
    image = symmetric_face()
    other = np.random.default_rng(1).integers(0, 256, image.shape, np.uint8)
    picture, notes = restored(image, MOUTH, references=[reference(other, name="wall.jpg")])
    assert notes == ["wall.jpg: nothing was taken from it; it does not fit, or something else does better"]
    assert np.array_equal(picture, restored(image, MOUTH)[0])


def test_a_photo_without_a_face_is_refused_in_a_line():
    image, cup = symmetric_face(), Reference(skimage.data.coffee(), np.array([(200.0, 80), (260, 80)]), "coffee.png")
    picture, notes = restored(image, MOUTH, references=[cup])
    assert notes == ["coffee.png: nothing was taken from it; it does not fit, or something else does better"]
    assert np.array_equal(picture, restored(image, MOUTH)[0])


@pytest.mark.parametrize("hole", [LEFT_EYE | RIGHT_EYE, abs(ROWS - EYES[0, 1]) < 10], ids=["eyes", "tear"])
def test_who_lost_both_eyes_reads_what_would_help(hole):
    image = symmetric_face()
    hole = hole & ellipse(178, 178, 110, 170)
    wall = np.random.default_rng(1).integers(0, 256, image.shape, np.uint8)
    assert NO_EYES in restored(image, hole)[1]
    assert NO_EYES in restored(image, hole, references=[reference(wall)])[1]
    assert NO_EYES not in restored(image, hole, references=[reference(image)])[1]
    assert NO_EYES not in restored(image, LEFT_EYE | MOUTH)[1]


def test_the_best_fitting_photo_is_taken():
    image = symmetric_face()
    others = [reference(symmetric_face(9)[::-1].copy(), name="upside.jpg"), reference(image, name="good.jpg")]
    assert "detail for the mouth was taken from good.jpg" in restored(image, MOUTH, references=others)[1]


def test_a_finer_photo_is_reduced():
    image = symmetric_face()
    here = Source(image, np.zeros(image.shape[:2], bool), Alignment.of(EYES), mirrored=False)
    straight, mirrored = sources_of(reference(image, 3.0), here)
    assert straight.photo.shape == image.shape
    assert (straight.mirrored, mirrored.mirrored) == (False, True)
    assert np.abs(straight.framed[0] - here.framed[0]).mean() < 2
    assert np.allclose(straight.framed[0], mirrored.framed[0][:, ::-1])
    assert np.allclose(here.framed[0], resampled(image, here.alignment, WHOLE_FRAME, 178))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = symmetric_face()
    for name, pixels in {"photo": image, "other": image, "mask": LEFT_EYE.astype(np.uint8) * 255}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def command(run, *options):
    eyes = ",".join(f"{value:.1f}" for value in EYES.ravel())
    return main(["restore", "photo.png", "mask.png", "-o", "out.png", "--run", str(run), "--eyes", eyes, *options])


def test_the_other_half_can_be_refused(folder, lite_run, capsys):
    assert command(lite_run) == 0
    with_it = (folder / "out.png").read_bytes()
    assert command(lite_run, "--no-other-half") == 0
    assert (folder / "out.png").read_bytes() != with_it
    assert "detail for" not in capsys.readouterr().err.splitlines()[-1:]


def test_references_from_the_command_line(folder, lite_run, capsys):
    eyes = ",".join(f"{value:.1f}" for value in EYES.ravel())
    assert command(lite_run, "--no-other-half", "--reference", "other.png", "--reference-eyes", eyes) == 0
    assert "other.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reference-eyes", "1,2,30,4"), "--reference-eyes: names eyes in a --reference, but there is none"),
        (("--reference", "other.png", "photo.png", "--reference-eyes", "1,2,30,4"), "1 for 2 photos"),
        (("--reference", "other.png", "--reference-eyes", "1,2"), "--reference-eyes 1,2: not four numbers"),
        (("--reference", "other.png", "--reference-eyes", "1,2,900,4"), "--reference-eyes 1,2,900,4: far outside"),
        (("--reference", "none.png", "--reference-eyes", "1,2,30,4"), "none.png: no such file"),
    ],
)
def test_a_bad_reference_is_refused_in_a_line(folder, lite_run, capsys, options, message):
    assert command(lite_run, *options) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out.png").exists()


def test_the_network_and_the_crop_together_keep_what_is_known():
    from faceinpaint.studies.crop import network_and_crop

    images = np.stack([cv2.resize(symmetric_face(seed), (64, 64), interpolation=cv2.INTER_AREA) for seed in (0, 1)])
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 26:38, 18:31], masks[1, 20:44, 20:44] = True, True  # an eye, and the middle, which has no other half
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 2) for image in images])
    restored = np.where(masks[..., None], blurred, images)
    both = network_and_crop(lambda images, masks: restored)(images, masks)
    assert np.array_equal(both[~masks], images[~masks])
    assert np.array_equal(both[1], restored[1])
    assert error(images[0], both[0], masks[0]) < error(images[0], restored[0], masks[0])
    alone = network_and_crop(lambda images, masks: restored[0])(images[0], masks[0])
    assert np.array_equal(alone, both[0])


def test_another_photos_colour_stays_out_of_a_coloured_one():
    image = symmetric_face()
    other = np.rint(image * (1, 0.7, 0.4)).astype(np.uint8)
    without, _ = restored(image, MOUTH)
    picture, notes = restored(image, MOUTH, references=[reference(other)])
    assert notes == ["detail for the mouth was taken from other.jpg"]
    change = (picture.astype(int) - without)[MOUTH & (picture < 255).all(axis=-1) & (without < 255).all(axis=-1)]
    assert np.abs(change).max() > 5
    assert np.ptp(change, axis=-1).max() <= 1
