"""What is measured and how it is written down, and that the measures tell good from bad."""

import json

import cv2
import numpy as np
import pytest

from faceinpaint import config, evaluation, lpips
from faceinpaint.baselines import BASELINES
from faceinpaint.config import UserError
from faceinpaint.inpainter import Inpainter
from faceinpaint.studies import results
from faceinpaint.system import downloads

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
    assert set(near) == {"family", "framing", "method", "n", "hole_area", "values"} | METRICS
    assert {name: value.shape for name, value in near["values"].items()} == dict.fromkeys(METRICS, (12,))
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
    assert np.isnan(evaluation.mean_and_interval(np.array([np.inf, np.nan]))).all()


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No data folder of the user's is read, and LPIPS cannot be fetched."""

    def refuse(*_):
        raise UserError("LPIPS: its weights cannot be downloaded (offline)")

    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "fetch", refuse)


@pytest.fixture
def perceptual(tmp_path, monkeypatch):
    """Stand-ins for what LPIPS' weights give: the mean colour of a picture as its features."""
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    monkeypatch.setattr(lpips, "load", lambda: lambda image, restored: np.full(len(image), 0.25))
    monkeypatch.setattr(lpips, "load_features", lambda: lambda image: np.mean(image, axis=(1, 2)))


def test_a_hole_grows_through_the_areas(inpainter, faces, offline):
    cases = evaluation.cases(families=(), areas=(0.05, 0.5), turns=())
    rows = evaluation.evaluate_methods(evaluation.methods(inpainter), faces[:2], SETTINGS, cases)
    assert {row["method"] for row in rows} == {"faceinpaint", "without_mirror", *BASELINES}
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
    assert len(rows) == (2 * 2 + 1 + 1) * 7
    assert {row["n"] for row in rows} == {SETTINGS.validation_images}
    assert all(np.isfinite(row[name]).all() for row in rows for name in METRICS)
    assert "lpips" not in rows[0]
    assert "evaluating without LPIPS" in capsys.readouterr().out


def test_validation_faces_are_measured_unless_others_are_asked_for(inpainter, face_archive, offline, monkeypatch):
    seen = []
    monkeypatch.setattr(evaluation, "evaluate_methods", lambda methods, faces, *_: seen.append(faces) or [])
    prepared = evaluation.unseen_faces(str(face_archive), SETTINGS, "validation")
    evaluation.evaluate(inpainter, str(face_archive))
    evaluation.evaluate(inpainter, str(face_archive), part="test")
    assert np.array_equal(seen[0], prepared.validation)
    assert np.array_equal(seen[1], prepared.test)
    assert not np.array_equal(*seen)


def test_no_face_of_a_part_is_said(face_archive, offline):
    none = config.preset("smoke", test_images=0)
    with pytest.raises(UserError, match="no test face is there; add images"):
        evaluation.unseen_faces(str(face_archive), none, "test")


def test_the_mirror_average_has_a_column_without_it(inpainter, faces):
    images, masks = evaluation.damaged_examples(faces[:2], SETTINGS, "half")
    restored = {name: restore(images, masks) for name, restore in evaluation.methods(inpainter).items()}
    single = inpainter.restore(images, masks, self_ensemble=False)
    assert np.array_equal(restored["without_mirror"], single)
    assert not np.array_equal(restored["faceinpaint"], single)


def test_lpips_is_measured_where_its_weights_are(inpainter, faces, perceptual):
    rows = evaluation.evaluate_methods(evaluation.methods(inpainter), faces[:2], SETTINGS, evaluation.cases()[:1])
    assert {tuple(row["lpips"]) for row in rows} == {(0.25, 0.25, 0.25)}
    assert "0.250" in evaluation.table(rows, "lpips")


def test_pictures_too_small_for_lpips_are_measured_without_it(faces, perceptual, capsys):
    small = config.preset("smoke", precision="float32", size=16, generator_widths=(8, 8))
    rows = evaluation.evaluate_methods(BASELINES, faces[:2], small, evaluation.cases(families=("half",))[:1])
    assert {"lpips", "frechet_alexnet_2"}.isdisjoint(rows[0])
    assert "evaluating without LPIPS: LPIPS: pictures of 16 pixels are too small" in capsys.readouterr().out


def test_realism_is_measured_beside_as_many_real_faces(faces, perceptual):
    """The methods here give back the original, or its negative."""
    training = np.concatenate([faces, 255 - faces])
    methods = {"same": lambda images, masks: images, "negative": lambda images, masks: 255 - images}
    cases = evaluation.cases(families=("half",), areas=(0.1,), turns=())
    rows = evaluation.evaluate_methods(methods, faces, SETTINGS, cases, training)
    distance = {
        (row["framing"], row["method"]): row["frechet_alexnet_12"][0] for row in rows if row["study"] == "family"
    }
    assert set(distance) == {(f, m) for f in (178, 128) for m in ("same", "negative", evaluation.REAL)}
    assert distance[178, "same"] == pytest.approx(0, abs=1e-5)
    assert distance[178, "negative"] > distance[178, evaluation.REAL] > 0
    assert not [row for row in rows if row["study"] == "area" and "frechet_alexnet_12" in row]
    assert f"**{distance[178, 'same']:.2f}**" in evaluation.table(rows, "frechet_alexnet_12")
    few = evaluation.evaluate_methods(methods, faces, SETTINGS, cases, training[:5])  # of another N: not comparable
    assert {row["method"] for row in few} == {"same", "negative"}


def test_the_real_faces_are_never_the_best_method():
    row = {"study": "family", "framing": 178, "family": "nose"}
    rows = [
        row | {"method": name, "frechet_alexnet_9": [value]} for name, value in (("a", 2.0), (evaluation.REAL, 1.0))
    ]
    assert "| nose | **2.00** | 1.00 |" in evaluation.table(rows, "frechet_alexnet_9")


def test_differences_are_paired():
    """Two methods that differ by half a decibel on every face, however much the faces differ from one another."""
    values = np.random.default_rng(0).normal(20, 5, 50)
    row = {"study": "family", "framing": 178, "family": "nose", "n": 50}
    rows = [
        row | {"method": name, "values": {"hole_psnr": values + more, "hole_l1": values}}
        for name, more in (("first", 0.0), ("better", 0.5))
    ]
    rows += [other | {"framing": 128} for other in rows] + [row | {"method": evaluation.REAL}]
    compared = results.differences(rows, "first")
    assert [(each["framing"], each["method"]) for each in compared] == [
        (178, "better - first"),
        (128, "better - first"),
    ]
    assert compared[0]["hole_psnr"] == pytest.approx([0.5, 0.5, 0.5])
    assert set(compared[0]) == {"study", "framing", "family", "method", "n", "hole_psnr"}
    printed = evaluation.table(compared, interval=True)
    assert printed.splitlines()[-1] == "| nose | +0.50 (+0.50 to +0.50) |"


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
    rows[1]["hole_l1"][0] = 0.2009
    assert "| **0.201** | **0.201** |" in evaluation.table(rows, "hole_l1")
    assert len(evaluation.table(rows, framing=128).splitlines()) == 2


def _run_directory(folder, inpainter):
    folder.mkdir()
    (folder / "config.json").write_text(config.to_json(SETTINGS))
    (folder / "environment.json").write_text('{"commit": "abc"}')
    (folder / "history.jsonl").write_text('{"epoch": 1}\n')
    inpainter.averaged_generator.save(folder / "generator.keras")
    return str(folder)


@pytest.fixture
def one_case(monkeypatch):
    chosen = evaluation.cases(families=("half",), areas=(), turns=())[:1]
    monkeypatch.setattr(evaluation, "cases", lambda: chosen)
    monkeypatch.setattr(results, "SHOWN", ("nose", "half"))


def test_an_evaluation_is_written_with_its_provenance(inpainter, face_archive, tmp_path, offline, one_case):
    run, out, data = _run_directory(tmp_path / "run", inpainter), tmp_path / "results.json", str(face_archive)
    environment = tmp_path / "run" / "environment.json"
    environment.write_text("{")
    with pytest.raises(UserError, match=r"environment.json: cannot be read"):  # before the work, not after it
        results.write([run], data, "validation", None, out)
    assert not out.exists()
    environment.write_text('{"commit": "abc"}')
    printed = results.write([run], data, "validation", 5, out)
    written = json.loads(out.read_text())
    trained = written["trained"]["faceinpaint"]
    assert trained["config"]["size"] == 32
    assert trained["environment"] == {"commit": "abc"}
    assert trained["history"] == [{"epoch": 1}]
    where = f"--part validation --faces 5 --data {face_archive.name} --out results.json"  # no path of this machine
    assert written["command"] == f"python -m faceinpaint evaluate --run run {where}"
    assert written["part"] == "validation"
    assert written["faces"] == f"{face_archive.name}: 48 training, 8 validation and 8 test images"
    assert set(written) >= {"date", "commit"}
    compared = {"faceinpaint", "without_mirror", *BASELINES, "network_and_crop"}
    assert {row["method"] for row in written["rows"]} == compared
    assert printed == evaluation.table(written["rows"])
    assert "values" not in written["rows"][0]
    assert cv2.imread(str(out.with_suffix(".png"))).shape == (26 + 3 * 130, 3 * 130, 3)


def test_the_values_of_each_image_are_kept(inpainter, face_archive, face_files, tmp_path, offline, one_case):
    run, out = _run_directory(tmp_path / "run", inpainter), tmp_path / "results.json"
    results.write([run], str(face_archive), "test", 5, out)
    rows = json.loads(out.read_text())["rows"]
    with np.load(out.with_suffix(".npz")) as kept:
        assert set(kept) == {"names", "rows", "hole_psnr", "hole_ssim"}
        assert kept["names"].tolist() == list(face_files)[68:73]
        assert [json.loads(label)["method"] for label in kept["rows"]] == [row["method"] for row in rows]
        for row, psnr in zip(rows, kept["hole_psnr"], strict=True):
            assert psnr.shape == (5,)
            assert psnr.astype(float).mean() == pytest.approx(row["hole_psnr"][0], abs=0.01)


def test_numbers_are_written_to_five_decimals():
    text = results.as_json({"about": "all", "rows": [{"a": 1.23456789}, {"a": 2}], "differences": []})
    assert json.loads(text) == {"about": "all", "rows": [{"a": 1.23457}, {"a": 2}], "differences": []}
    assert '{"a": 1.23457},\n{"a": 2}' in text


def test_runs_are_compared_under_their_names_and_image_by_image(inpainter, face_archive, tmp_path, offline, one_case):
    runs = [_run_directory(tmp_path / name, inpainter) for name in ("paper", "noise_fill")]
    printed = results.write(runs, str(face_archive), "validation", 2, tmp_path / "two.json")
    written = json.loads((tmp_path / "two.json").read_text())
    rows = written["rows"]
    assert [row["method"] for row in rows][:3] == ["paper", "noise_fill", "mean"]
    assert [row["n"] for row in rows][:3] == [2, 2, 2]
    assert rows[0]["hole_psnr"] == rows[1]["hole_psnr"]
    assert set(written["trained"]) == {"paper", "noise_fill"}
    assert "--run paper noise_fill --part validation --faces 2 --data" in written["command"]
    paired = {row["method"]: row["hole_psnr"] for row in written["differences"]}
    assert paired["noise_fill - paper"] == [0, 0, 0]
    mean = next(row for row in rows if row["method"] == "mean")["hole_psnr"][0]
    assert paired["mean - paper"][0] == pytest.approx(mean - rows[0]["hole_psnr"][0], abs=1e-4)
    assert "| half | +0.00 (+0.00 to +0.00) |" in printed


@pytest.mark.parametrize("names", [("a/paper", "b/paper"), ("a/paper", "telea")])
def test_methods_of_one_name_are_refused(names, tmp_path):
    with pytest.raises(UserError, match="two methods of one name"):
        results.write([str(tmp_path / name) for name in names], "auto", "test", None, tmp_path / "out.json")


def test_a_close_view_shows_the_middle_and_its_hole_as_much_larger(faces):
    images, near = evaluation.damaged_examples(faces, SETTINGS, "nose", 89)
    _, far = evaluation.damaged_examples(faces, SETTINGS, "nose")
    assert np.array_equal(images, faces[:, 16:48, 16:48])  # of 64, for 32
    assert near.mean() == pytest.approx(4 * far.mean(), rel=0.1)
