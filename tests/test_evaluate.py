"""The tables: what is in them, and that they tell good from bad."""

import importlib
import json

import cv2
import numpy as np
import pytest

from faceinpaint import config
from faceinpaint.config import UserError
from faceinpaint.inpainter import Inpainter

evaluation = importlib.import_module("faceinpaint.evaluation")  # `faceinpaint.evaluate` is the function

SETTINGS = config.preset("smoke", precision="float32", size=32)
METRICS = {f"{hole}{name}" for hole in ("", "hole_") for name in ("l1", "psnr", "ssim")}


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(SETTINGS)


@pytest.fixture(scope="module")
def faces():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (12, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)


def test_holes_are_the_same_each_time_and_for_fewer_faces(faces):
    images, masks = evaluation.damaged_examples(faces, SETTINGS, "strokes_20_40")
    again, fewer = evaluation.damaged_examples(faces[:5], SETTINGS, "strokes_20_40")
    assert images.dtype == masks.dtype == np.uint8
    assert np.array_equal(images[:5], again)
    assert np.array_equal(masks[:5], fewer)
    assert set(np.unique(masks)) == {0, 1}


def test_a_perfect_method_beats_a_bad_one(faces):
    images, masks = evaluation.damaged_examples(faces, SETTINGS, "centre")
    hole = masks > 0
    restorers = {
        "near": lambda *_: np.where(hole, np.clip(images.astype(int) + 2, 0, 255), images).astype(np.uint8),
        "far": lambda *_: np.where(hole, 255 - images, images),
    }
    near, far = evaluation.measure(restorers, images, masks, family="centre", framing=178)
    assert set(near) == {"family", "framing", "method", "n", "hole_area"} | METRICS
    assert near["n"] == 12
    assert near["hole_area"] == pytest.approx(0.25)
    for name in ("psnr", "ssim", "hole_psnr", "hole_ssim"):
        assert near[name][0] > far[name][0]
    assert near["hole_l1"][0] == pytest.approx(2 / 255, rel=0.05)
    assert near["l1"][0] == pytest.approx(near["hole_l1"][0] / 4, rel=1e-3)
    assert near["psnr"][0] - near["hole_psnr"][0] == pytest.approx(10 * np.log10(4), abs=1e-3)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        _, low, high = evaluation.mean_and_interval(random.normal(5, 2, 60), seed=trial, resamples=300)
        inside += low <= 5 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_images_without_a_value_are_left_out():
    mean, low, high = evaluation.mean_and_interval(np.array([1.0, np.inf, 3.0, np.nan]))
    assert mean == 2
    assert 1 <= low <= high <= 3


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No data folder of the user's is read, and LPIPS cannot be fetched."""
    monkeypatch.setattr("faceinpaint.celeba.data_folder", lambda: tmp_path)

    def refuse(folder):
        raise UserError("LPIPS: its weights cannot be downloaded (offline)")

    monkeypatch.setattr("faceinpaint.lpips._download", refuse)


def test_a_hole_grows_through_the_areas(inpainter, faces, offline):
    cases = evaluation.cases(families=(), areas=(0.05, 0.5), turns=())
    rows = evaluation.evaluate_methods(evaluation.methods(inpainter), faces[:2], SETTINGS, cases)
    assert {row["method"] for row in rows} == {"faceinpaint", "mean", "telea", "navier_stokes", "symmetric_crop"}
    assert [row["hole_area"] for row in rows if row["method"] == "telea"] == pytest.approx([0.05, 0.5], abs=0.03)
    assert "| 5% |" in evaluation.table(rows, study="area")


def test_heads_are_turned(inpainter, offline):
    """The left half white: turned by a right angle, the lower half is; the mean fill of a hole tells which."""
    faces = np.zeros((1, 64, 64, 3), np.uint8)
    faces[:, :, :32] = 255
    seen = []
    look = {"look": lambda images, masks: seen.append(images) or 255 - images}
    evaluation.evaluate_methods(look, faces, SETTINGS, evaluation.cases(families=(), areas=(), turns=(0, 90)))
    upright, turned = (images[0, ..., 0].astype(float) for images in seen)
    assert upright[:, :15].mean() > 250 > 5 > upright[:, 17:].mean()
    assert turned[17:].mean() > 250 > 5 > turned[:15].mean()


def test_evaluate_gives_a_row_for_each_case_and_method(inpainter, face_archive, offline, capsys):
    cases = evaluation.cases(families=("half", "nose"), areas=(0.1,), turns=(15,))
    rows = evaluation.evaluate(inpainter, str(face_archive), cases)
    assert len(rows) == (2 * 2 + 1 + 1) * 5
    assert {row["n"] for row in rows} == {SETTINGS.test_images}
    assert all(np.isfinite(row[name]).all() for row in rows for name in METRICS)
    assert "lpips" not in rows[0]
    assert "evaluating without LPIPS" in capsys.readouterr().out


def test_lpips_is_measured_where_its_weights_are(inpainter, faces, monkeypatch):
    monkeypatch.setattr("faceinpaint.lpips.load", lambda: lambda image, restored: np.full(len(image), 0.25))
    rows = evaluation.evaluate_methods(evaluation.methods(inpainter), faces[:2], SETTINGS, evaluation.cases()[:1])
    assert {tuple(row["lpips"]) for row in rows} == {(0.25, 0.25, 0.25)}
    assert "0.250" in evaluation.table(rows, "lpips")


def test_table_marks_the_best():
    rows = [
        {
            "study": "family",
            "framing": 178,
            "family": "nose",
            "method": method,
            "hole_psnr": [value, 0, 0],
            "hole_l1": [value / 100, 0, 0],
        }
        for method, value in (("a", 20.126), ("b", 19.0))
    ]
    header = ["| family | a | b |", "|---|---:|---:|"]
    assert evaluation.table(rows).splitlines() == [*header, "| nose | **20.13** | 19.00 |"]
    assert "| 0.201 | **0.190** |" in evaluation.table(rows, "hole_l1")
    assert len(evaluation.table(rows, framing=128).splitlines()) == 2


def _run_directory(folder, inpainter):
    folder.mkdir()
    (folder / "config.json").write_text(config.to_json(SETTINGS))
    (folder / "environment.json").write_text('{"commit": "abc"}')
    (folder / "history.jsonl").write_text('{"epoch": 1}\n')
    inpainter.averaged_generator.save(folder / "generator.keras")
    return str(folder)


def test_an_evaluation_is_written_with_its_provenance(inpainter, face_archive, tmp_path, monkeypatch, offline):
    monkeypatch.setattr(evaluation, "SHOWN", ("nose", "half"))
    monkeypatch.setattr(evaluation, "evaluate_methods", lambda *_: [{"family": "nose", "psnr": [1.23456789, 0, 2]}])
    run, out, data = _run_directory(tmp_path / "run", inpainter), tmp_path / "results.json", str(face_archive)
    environment = tmp_path / "run" / "environment.json"
    environment.write_text("{")
    with pytest.raises(UserError, match=r"environment.json: cannot be read"):  # before the work, not after it
        evaluation.write_evaluation([run], data, out)
    assert not out.exists()
    environment.write_text('{"commit": "abc"}')
    evaluation.write_evaluation([run], data, out)
    written = json.loads(out.read_text())
    assert written["rows"] == [{"family": "nose", "psnr": [1.23457, 0, 2]}]
    trained = written["trained"]["faceinpaint"]
    assert trained["config"]["size"] == 32
    assert trained["environment"] == {"commit": "abc"}
    assert trained["history"] == [{"epoch": 1}]
    assert written["command"] == f"python -m faceinpaint evaluate --run {run} --data {data} --out {out}"
    assert cv2.imread(str(out.with_suffix(".png"))).shape == (26 + 3 * 130, 3 * 130, 3)


def test_runs_are_compared_under_their_names(inpainter, face_archive, tmp_path, monkeypatch, offline):
    cases = evaluation.cases(families=("half",), areas=(), turns=())[:1]
    monkeypatch.setattr(evaluation, "cases", lambda: cases)
    runs = [_run_directory(tmp_path / name, inpainter) for name in ("paper", "noise_fill")]
    rows = evaluation.write_evaluation(runs, str(face_archive), tmp_path / "two.json", first=1)
    assert [row["method"] for row in rows][:3] == ["paper", "noise_fill", "mean"]
    assert [row["n"] for row in rows][:3] == [1, 1, 1]
    assert rows[0]["hole_psnr"] == rows[1]["hole_psnr"]
    written = json.loads((tmp_path / "two.json").read_text())
    assert set(written["trained"]) == {"paper", "noise_fill"}
    assert f"--run {' '.join(runs)} --faces 1 --data" in written["command"]


@pytest.mark.parametrize("names", [("a/paper", "b/paper"), ("a/paper", "telea")])
def test_methods_of_one_name_are_refused(names, tmp_path):
    with pytest.raises(UserError, match="two methods of one name"):
        evaluation.write_evaluation([str(tmp_path / name) for name in names], "auto", tmp_path / "out.json")


def test_tables_in_a_text_are_made_anew():
    rows = [{"study": "family", "framing": 178, "family": "nose", "method": "a", "psnr": [20.0, 0, 0]}]
    text = "before\n<!-- table psnr 178 family -->\nold\n<!-- end -->\nafter\n"
    made = evaluation.with_tables(text, rows)
    assert made == text.replace("old", evaluation.table(rows, "psnr"))
    assert evaluation.with_tables(made, rows) == made
    assert evaluation.with_tables(made, [], mark="variations") == made
    other = text.replace("table", "variations")
    assert evaluation.with_tables(other, rows) == other
    assert evaluation.with_tables(other, rows, mark="variations") == made.replace("table", "variations")


def test_the_published_figures_stand_beside_ours():
    rows = [
        {"study": "family", "framing": framing, "family": family, "method": method}
        | {"psnr": [30.0 + framing / 1000], "lpips": [0.02]}
        for framing in (178, 128) for family in evaluation.PUBLISHED for method in ("faceinpaint", "telea")
    ]  # fmt: skip
    rows.append(rows[0] | {"study": "turn", "turn": 30, "psnr": [20.0]})
    text = evaluation.with_tables("<!-- published -->\nold\n<!-- end -->", rows)
    assert "| centre | 25.02 | 30.13 | 0.0200 | 30.18 | 0.0200 |" in text
    assert len(text.splitlines()) == 4 + len(evaluation.PUBLISHED)
