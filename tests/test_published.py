"""The published comparison: its pictures, its masks, and what its rows say."""

import json

import numpy as np
import pytest

from faceinpaint import config
from faceinpaint.inpainter import Inpainter
from faceinpaint.studies import published

SETTINGS = config.preset("smoke", precision="float32")


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(SETTINGS)


def holes(name):
    _, draw = published.PUBLISHED[name]
    frames = np.array([[0, 0, 178]], np.float32)
    return np.asarray(draw(frames, 64, np.array([0, 0])))[0, ..., 0]


def test_masks_are_half_open_rectangles():
    for name, (rows, columns) in {"O1": ((26, 57), (16, 35)), "O6": ((43, 61), (20, 43))}.items():
        expected = np.zeros([64, 64])
        expected[slice(*rows), slice(*columns)] = 1
        assert np.array_equal(holes(name), expected)
    assert holes("centre").sum() == 32 * 32


def test_pictures_are_squeezed_whole():
    picture = np.zeros([218, 178, 3], np.uint8)
    picture[:109] = 255  # the upper half of the whole picture, beyond the centre square as well
    for name in published.FILTERS:
        (small,) = published.squeezed(picture[None], name)
        assert small.shape == (64, 64, 3)
        assert small[:31].min() == 255
        assert small[33:].max() == 0


def test_raw_output_is_the_generators_and_pasting_keeps_known_pixels(inpainter):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 218, 178, 3), np.uint8)
    rows = published.measure(inpainter, pictures)
    assert [(row["family"], row["filter"]) for row in rows[:2]] == [("centre", "area"), ("centre", "bilinear")]
    assert len(rows) == 2 * len(published.PUBLISHED)
    for row in rows:
        assert row["pasted"][0] > row["raw"][0]  # an untrained generator does not know the known pixels either
        assert row["pasted_above"][0] == pytest.approx(row["pasted"][0] - row["published"])
        assert row["n"] == 3
    images, masks = published.squeezed(pictures, "area"), np.ones([3, 64, 64, 1], np.float32)
    together = published.raw_output(inpainter, images, masks)
    assert np.abs(together.astype(int) - published.raw_output(inpainter, images, masks, batch_size=2)).max() <= 1


def test_the_study_writes_what_it_measured(inpainter, face_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path / "home"))
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(config.to_json(SETTINGS))
    (run / "environment.json").write_text('{"commit": "abc"}')
    inpainter.averaged_generator.save(run / "generator.keras")
    arguments = [str(run)], str(face_archive), "validation", 2, tmp_path / "published.json"
    printed = published.write(*arguments)
    written = json.loads((tmp_path / "published.json").read_text())
    assert written["part"] == "validation"
    assert written["source"].startswith("https://")
    assert {row["n"] for row in written["rows"]} == {2}
    asked = f"--study published --run run --part validation --faces 2 --data {face_archive.name}"
    assert asked in written["command"]
    assert printed.splitlines()[2].startswith("| centre | 25.02 | ")
