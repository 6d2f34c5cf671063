"""The studies of photographs: the holes, what is measured in them, several restorers on the same faces."""

import json

import cv2
import numpy as np
import pytest

from faceinpaint import config, studies
from faceinpaint.__main__ import main
from faceinpaint.config import UserError
from faceinpaint.inpainter import Inpainter
from faceinpaint.lite import export
from faceinpaint.studies import damage, measures, other_half, photo, photo_cases, results


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No data folder of the user's is read, and LPIPS is not fetched."""
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    for study in (photo, photo_cases, other_half):
        monkeypatch.setattr(study, "perceptual", lambda: ({}, None))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two run directories, of untrained generators of 32 and of 48 pixels."""
    folders = [tmp_path_factory.mktemp(name, numbered=False) for name in ("small", "larger")]
    for folder, size in zip(folders, (32, 48), strict=True):
        settings = config.preset("smoke", precision="float32", size=size)
        (folder / "config.json").write_text(config.to_json(settings))
        (folder / "environment.json").write_text('{"commit": "abc"}')
        (folder / "history.jsonl").write_text('{"epoch": 1}\n')
        export.write(Inpainter(settings), folder / "generator.tflite")
    return [str(folder) for folder in folders]


def portrait(sigma=2.0):
    return cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (178, 178, 3), np.uint8), (0, 0), sigma)


def test_the_holes_are_those_that_the_table_says():
    extents = {
        "one eye": (52, 79, 35, 25), "both eyes": (52, 79, 74, 25), "nose": (73, 94, 31, 41),
        "mouth": (65, 119, 49, 27), "half a mouth": (63, 119, 26, 27), "cheek and eye": (30, 60, 56, 90),
        "left half": (0, 0, 89, 178), "centre": (44, 44, 89, 89),
    }  # fmt: skip
    for name, box in extents.items():
        assert cv2.boundingRect(damage.HOLES[name].view(np.uint8)) == box, name
    for name in ("scratches", "strokes", "dust"):
        first, again, other = damage.HOLES[name](3), damage.holes(name, 4)[3], damage.HOLES[name](4)
        assert first.any()
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
    assert 2 < damage.lines(0, 6).sum() / damage.lines(0, 2).sum() < 4


def test_lines_are_the_same_in_a_larger_face():
    small, large = damage.lines(1, 3), damage.lines(1, 12, 712)
    assert (cv2.resize(large.view(np.uint8), (178, 178), interpolation=cv2.INTER_AREA) != small).mean() < 0.02


def test_high_frequencies_are_those_of_the_original_and_less_where_it_is_blurred():
    image, hole = portrait(), damage.HOLES["mouth"]
    assert measures.high_frequencies(image, image, hole) == pytest.approx(1)
    blurred = cv2.GaussianBlur(image, (0, 0), 3)
    assert measures.high_frequencies(image, blurred, hole) < 0.2
    grainy = np.clip(image + np.random.default_rng(1).normal(0, 20, image.shape), 0, 255)
    assert measures.high_frequencies(image, grainy, hole) > 2
    seam = np.where(hole[..., None], image, 255 - image)  # where both meet is no detail
    assert measures.high_frequencies(image, seam, hole) == pytest.approx(1)


def test_the_colour_of_an_eye_is_held_against_its_truth_and_its_partner():
    images = np.full((2, 178, 178, 3), 100, np.uint8)
    images[:, :, 89:] += 30
    restored = images.copy()
    restored[0, damage.LEFT_EYE] = 110
    errors = photo.colour_errors(images, restored)
    assert errors["colour"].tolist() == [10, 0]
    assert errors["partner"].tolist() == [20, 30]


def test_the_truth_through_few_pixels_is_worse_than_through_many():
    image, hole = portrait(), damage.HOLES["nose"]
    few, many = (
        measures.psnr(image, photo.BESIDE[f"truth through {size} px"](image, hole), hole) for size in (64, 128)
    )
    assert few < many
    assert np.array_equal(photo.passed_through(image, hole, 64)[~hole], image[~hole])


def test_grain_that_is_laid_over_counts_as_no_detail(runs):
    from faceinpaint import lite

    image = np.clip(portrait(9) + np.random.default_rng(0).normal(0, 20, (178, 178, 3)), 0, 255).astype(np.uint8)
    restorers = {"ours": lite.load(runs[0])}
    compared, smooth = photo.networks(restorers), photo.networks(restorers, with_grain=False)
    with_grain, without = (photo.rows_of(compared, some, image[None], "mouth", {})[0] for some in ({}, smooth))
    assert without["high"][0] < 0.5 * with_grain["high"][0]
    assert without["psnr"] == with_grain["psnr"]


def evaluated(study, tmp_path, archive, *options):
    out = tmp_path / f"{study}.json"
    asked = ["evaluate", "--study", study, "--data", str(archive), "--faces", "2", "--out", str(out), *options]
    assert main(asked) == 0
    assert out.with_suffix(".png").is_file()
    return json.loads(out.read_text())


def test_restorers_of_any_size_are_compared_face_by_face(runs, face_archive, tmp_path, offline, capsys):
    written = evaluated("photo", tmp_path, face_archive, "--run", *runs)
    names = ["small", "larger"]
    assert list(written["trained"]) == names
    assert {row["method"] for row in written["rows"]} == {*names, *photo.BESIDE}
    assert {row["hole"] for row in written["rows"]} == set(damage.HOLES)
    assert all("colour" in row for row in written["rows"] if row["hole"] == "one eye")
    pairs = {(row["hole"], row["method"]): row for row in written["differences"]}
    assert len(pairs) == len(damage.HOLES) * (1 + len(photo.BESIDE))
    means = {(row["hole"], row["method"]): row["psnr"][0] for row in written["rows"]}
    difference = pairs["mouth", f"{names[1]} - {names[0]}"]["psnr"]
    assert difference[0] == pytest.approx(means["mouth", names[1]] - means["mouth", names[0]], abs=1e-4)
    assert difference[1] <= difference[0] <= difference[2]
    assert f"{names[1]} - {names[0]}" in capsys.readouterr().out


def test_one_restorer_is_called_by_the_packages_name_and_no_path_of_the_machine_is_written(
    runs, face_archive, tmp_path, offline
):
    written = evaluated("photo", tmp_path, face_archive, "--run", runs[0])
    assert "differences" not in written
    assert list(written["trained"]) == ["faceinpaint"]
    assert str(tmp_path.parent) not in written["command"] + written["faces"]
    assert f"--data {face_archive.name} --out photo.json" in written["command"]
    assert written["faces"].startswith(face_archive.name)


def test_the_cases_are_measured_and_shown(runs, face_archive, tmp_path, offline, monkeypatch):
    quick = {name: case for name, case in photo_cases.CASES.items() if name not in photo_cases.SLOW}
    monkeypatch.setattr(photo_cases, "CASES", quick)
    monkeypatch.setattr(photo_cases, "SIDES", (178, 400))
    monkeypatch.setattr(photo_cases, "WIDTHS", (3,))
    written = evaluated("cases", tmp_path, face_archive, "--run", runs[0])
    assert {row["case"] for row in written["rows"]} == {*quick, "upright", "upside-down"}
    for case, figure in photo_cases.BOUNDS:
        assert case in photo_cases.SLOW or any(row["case"] == case and figure in row for row in written["rows"])
    assert {(row["side"], row["width"]) for row in written["scratches"]} == {(178, 3), (400, 3)}


@pytest.mark.parametrize("always", [1, -1])
def test_how_often_it_is_told_which_way_round_a_face_is(always, monkeypatch):
    def of_one_mind(pixels, hole, eyes, restorer):
        assert (pixels[hole] == 255).all()
        assert eyes[0, 0] < eyes[1, 0]
        x, y = eyes[pixels[0, 0, 0]].astype(int)
        assert hole[y, x]  # one eye is lost, the right one of the upright face
        return np.stack([*eyes, eyes.mean(axis=0) + np.array([0, 20 * always])])

    monkeypatch.setattr(photo_cases, "upright", of_one_mind)
    photos = np.zeros((3, 218, 178, 3), np.uint8)
    photos[:, 0, 0] = 1  # where it is up
    told = {row["case"]: row["told"][0] for row in photo_cases.orientation_rows(photos, None)}
    assert told == {"upright": always > 0, "upside-down": always < 0}


def test_several_runs_of_a_study_of_one_and_two_of_one_name_are_refused(runs, face_archive, tmp_path):
    for study in ("cases", "other_half", "published"):
        with pytest.raises(UserError, match="of one run"):
            studies.run(study, [runs[0]] * 2, str(face_archive), "validation", 2, tmp_path / "out.json")
    with pytest.raises(UserError, match="two methods of one name"):
        photo.write([runs[0]] * 2, str(face_archive), "validation", 2, tmp_path / "out.json")


def test_a_path_is_written_by_its_last_name():
    asked = results.command("photo", None, "/some/where/faces.zip", "validation", 5, "notebooks/photo.json")
    assert asked.endswith("--study photo --part validation --faces 5 --data faces.zip --out notebooks/photo.json")


@pytest.mark.parametrize("study", ["photo", "cases", "other_half"])
def test_pictures_that_are_not_celebas_are_refused(study, runs, offline, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for number in range(200):
        cv2.imwrite(f"pictures/{number}.png", np.full((24, 24, 3), number, np.uint8))
    assert main(["evaluate", "--study", study, "--run", runs[0], "--data", "pictures"]) == 2
    said = "faceinpaint: --data pictures: pictures of 128 pixels; this study wants CelebA's of 178x218\n"
    assert capsys.readouterr().err.endswith(said)
    assert not list(tmp_path.glob("*.json"))
