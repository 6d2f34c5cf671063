"""What `make variations` does: a rehearsal of the whole command, what it leaves, and what is read out of it."""

import json
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceinpaint.config import PRESETS, UserError, preset
from faceinpaint.studies import claims, mirror, rates, results, trials, verdicts

SMOKE = dict(PRESETS["smoke"])
EYE, HALF = ("family", "eye", 0), ("family", "left_half", 0)


@pytest.fixture
def small(monkeypatch, tmp_path, drawn_alexnet):
    """A plan of a tiny training and two methods, on few cases, in a folder of its own."""
    monkeypatch.setitem(PRESETS, "paper", SMOKE | {"size": 32, "precision": "float32"})
    plan = [claims.Trial(name) for name in ("paper", "symmetric_crop", "fitted_crop")]
    monkeypatch.setattr(claims, "PLAN", plan)
    every = trials.cases(turned=True)
    kept = [case for case in every if case[0]["family"] in ("eye", "left_half") and abs(case[2]) in (0, 30)]
    monkeypatch.setattr(trials, "cases", lambda turned: [c for c in kept if turned or c[0]["study"] == "family"])
    faces = np.random.default_rng(0).integers(0, 256, (8, 178, 178, 3), np.uint8)
    monkeypatch.setattr(claims, "shown_faces", lambda: faces)
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_not_there_yet_is_said_in_a_line(capsys):
    for text in (verdicts.tables({}, ["paper"], ["hole_psnr", "lpips"]), verdicts.won({}, "fitted_crop", [EYE])):
        assert text == verdicts.ABSENT
    assert verdicts.curves({}, ["paper"]) is None
    assert verdicts.turned({}) is None
    assert capsys.readouterr().out.count(verdicts.ABSENT) == 2


def test_a_rehearsal_of_the_whole_command(small, face_archive, capsys):
    asked = ["--data", str(face_archive), "--epochs", "1", "--faces", "40"]
    claims.main(asked)
    said = capsys.readouterr().out
    assert "0 of 3 trials are there, 3 to come" in said
    assert "paper-0: 1 epochs, 5 steps of " in said
    assert "fitted_crop-0: 16 pictures: about 0 min" in said
    folder = Path("runs/rehearsal/epochs_1_train_images_40")
    assert sorted(path.name for path in folder.glob("*-0.*")) == [
        f"{name}-0.{kind}" for name in ("fitted_crop", "paper", "symmetric_crop") for kind in ("json", "npz", "png")
    ]
    assert cv2.imread(str(folder / "paper-0.png")).shape == (32, 8 * 32, 3)
    assert not Path("notebooks").exists()
    written = json.loads((folder / "paper-0.json").read_text())
    assert json.loads((folder / "fitted_crop-0.json").read_text())["picture_seconds"] > 0
    assert (written["name"], written["seed"], written["part"]) == ("paper", 0, "validation")
    assert {"val_hole_psnr", "val_lpips"} <= written["history"][0].keys()
    assert {row["turn"] for row in written["rows"] if row["study"] == "turn"} == {-30, 0, 30}
    eye = next(row for row in written["rows"] if row["family"] == "eye")
    assert eye["n"] == 8
    assert {"hole_psnr", "lpips", "frechet", "high"} <= eye.keys()

    claims.main(asked)  # what is there is skipped
    assert "3 of 3 trials are there, 0 to come" in capsys.readouterr().out
    (folder / "paper-0.json").unlink()
    history = (folder / "paper-0" / "history.jsonl").read_text()
    (folder / "paper-0" / "history.jsonl").write_text(history[:-9])  # cut off: training writes it again
    claims.main([*asked, "paper"])
    assert (folder / "paper-0" / "history.jsonl").read_text() == history
    claims.main([*asked, "paper", "--part", "test"])  # what is trained is not trained again
    assert " epochs, " not in capsys.readouterr().out
    assert json.loads((folder / "paper-0-test.json").read_text())["part"] == "test"

    found = verdicts.read(folder)
    assert list(found) == ["fitted_crop", "paper", "symmetric_crop"]
    assert verdicts.missing(found, ["paper", "rotated"]) == ["rotated"]
    mean, low, high = verdicts.differences(found, "fitted_crop", EYE, "hole_psnr")[0]
    rows = [trial[0].about["rows"][0]["hole_psnr"][0] for trial in (found["fitted_crop"], found["paper"])]
    assert mean == pytest.approx(rows[0] - rows[1], abs=0.02)
    assert low <= mean <= high
    assert len(verdicts.differences(found, "fitted_crop", HALF, "frechet")[0]) == 3
    assert verdicts.differences(found, "fitted_crop", HALF, "high") == []
    table = verdicts.table(found, ["fitted_crop", "rotated"], "lpips", cases=[EYE, HALF])
    assert table.splitlines()[0] == "| family | fitted_crop (no training) |"
    assert "| paper - fitted_crop |" in verdicts.won(found, "fitted_crop", [EYE, HALF])
    assert "fitted_crop" in verdicts.levels(found, ["paper", "fitted_crop"], "hole_psnr", [EYE])
    assert "| fitted_crop | no training | " in verdicts.summary(found, ["fitted_crop"])
    for figure in (verdicts.curves(found, ["paper"]), verdicts.turned(found)):
        assert any(axes.lines for axes in figure.axes)
        verdicts.plt.close(figure)


def test_what_each_costs_is_read_from_the_rows_of_the_bench():
    told = {"parameters": 2.0, "epoch of 19,000 images": 100.0, "peak memory of training": 1.0}
    rows = [{"name": f"{name}: {what}", "median": times * value}
            for name, times in (("paper", 1), ("coarse_to_fine", 3)) for what, value in told.items()]  # fmt: skip
    rows.append({"name": "training step", "median": 7.0})
    head, _, *lines = verdicts.costs(rows, ["paper", "coarse_to_fine", "sc_fegan"]).splitlines()
    assert head == "|  | million parameters | s, epoch of 19,000 images | times paper | GiB of memory |"
    assert lines == ["| paper | 2.00 | 100 | 1.00 | 1.00 |", "| coarse_to_fine | 6.00 | 300 | 3.00 | 3.00 |"]
    assert verdicts.costs([], ["paper"]) == verdicts.ABSENT


def test_what_is_asked_for_wrongly_is_said(small, capsys):
    with pytest.raises(UserError, match=r"^papre: no trial; choose of paper, symmetric_crop, fitted_crop$"):
        claims.main(["papre"])
    with pytest.raises(UserError, match=r"^paper: has no candidates; choose of bce_only, "):
        rates.main(["paper"])
    for name in ("paper", "symmetric_crop"):
        with pytest.raises(UserError, match=r"^train_images 0: must be at least 1$"):
            claims.main([name, "--faces", "0"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("study", ["claims", "rates"])
def test_a_mistake_is_one_line_and_ends_with_2(study, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["studies", study, "papre"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("faceinpaint.studies", run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("faceinpaint: papre: ")


def test_a_place_that_cannot_be_written_is_said_before_anything_is_trained(small, face_archive, monkeypatch, capsys):
    Path("notebooks").write_text("a file")
    monkeypatch.setattr(claims, "announce", lambda *_: pytest.fail("it is trained"))
    monkeypatch.setattr("sys.argv", ["studies", "claims", "paper", "--data", str(face_archive)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("faceinpaint.studies", run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "faceinpaint: notebooks/variations: Not a directory\n"


def test_rates_that_could_not_be_written_are_not_trained(small, face_archive, monkeypatch):
    Path("runs").write_text("a file")
    monkeypatch.setattr(rates, "carry_out", lambda *_: pytest.fail("it is trained"))
    with pytest.raises(OSError, match="runs"):
        rates.main(["--data", str(face_archive), "--epochs", "1", "--faces", "16"])


@pytest.mark.parametrize("broken", ['{"rows": [', "[]", '{"rows": [{}]}'])
def test_rates_that_cannot_be_read_are_named_and_left(broken, small):
    rates.RESULT.parent.mkdir(parents=True)
    rates.RESULT.write_text(broken)
    with pytest.raises(UserError, match=r"^notebooks/rates.json: cannot be read .*; delete it or restore it$"):
        rates.main(["sc_fegan"])
    assert rates.RESULT.read_text() == broken


def test_candidate_rates_are_trained_and_kept_in_a_file(small, face_archive, monkeypatch, capsys):
    monkeypatch.setitem(PRESETS, "bce_only", PRESETS["paper"] | {"reconstruction_weight": 0.0})
    monkeypatch.setattr(rates, "CANDIDATES", {"bce_only": [(5e-4, 2e-4), (1e-4, 2e-4)]})
    asked = ["--data", str(face_archive), "--epochs", "1", "--faces", "16"]
    rates.main(asked)
    said = capsys.readouterr().out
    assert "bce_only, rates 0.0001 and 0.0002: number 2 of 2" in said
    assert not rates.RESULT.exists()  # it is of another length
    rows = json.loads(Path("runs/rates/rates.json").read_text())["rows"]
    assert [row["generator_rate"] for row in rows] == [5e-4, 1e-4]
    assert rates.table(rows) in said
    written = [Path(rates.RUNS, f"bce_only_{rate}_0.0002_1_16", "config.json") for rate in (5e-4, 1e-4)]
    assert [json.loads(path.read_text())["generator_rate"] for path in written] == [5e-4, 1e-4]
    rates.main(asked)
    again = capsys.readouterr().out
    assert "number" not in again
    assert rates.table(rows) in again


def test_the_plan_names_presets_and_methods_that_there_are():
    for trial in claims.PLAN:
        config = trial.config({})
        assert config.seed == trial.seed
        assert trial.config({"epochs": 1}).epochs == 1 or trial.name in claims.METHODS
    assert len({str(trial) for trial in claims.PLAN}) == len(claims.PLAN)
    elsewhere = {"smoke", "finetuned", "parts", "octave"}
    assert {trial.preset or trial.name for trial in claims.PLAN} >= set(PRESETS) - elsewhere
    first = [trial.name for trial in claims.PLAN][:4]
    assert first == ["paper", "noise_fill", "mean_fill", "constant_fill"]


def measured(values, name="other", **about):
    row = {"study": "family", "family": "eye", "n": len(values)}
    about = {"name": name, "rows": [row], **about}
    return verdicts.Measured(about, {EYE: {"hole_psnr": np.array(values)}})


@pytest.mark.parametrize(
    ("intervals", "said"),
    [([[0.2, 0.1, 0.3]], "better"), ([[0.2, 0.1, 0.3], [0.1, -0.1, 0.2]], "open"), ([], "open"),
     ([[-0.2, -0.3, -0.1], [-0.1, -0.2, -0.05]], "worse"), ([[0.2, 0.1, 0.3], [-0.2, -0.3, -0.1]], "open")],
)  # fmt: skip
def test_a_verdict_stands_where_all_seeds_agree(intervals, said):
    assert verdicts.verdict(intervals, better=1) == said
    other = {"better": "worse", "worse": "better", "open": "open"}[said]
    assert verdicts.verdict(intervals, better=-1) == other


def test_differences_are_paired_image_by_image_and_each_training_with_each():
    rng = np.random.default_rng(0)
    faces = rng.normal(20, 5, 200)  # faces differ far more than systems do
    found = {
        "paper": {seed: measured(faces, trained={}) for seed in (0, 1)},
        "other": {seed: measured(faces + 0.1 + rng.normal(0, 0.1, 200), trained={}) for seed in (1, 2)},
        "crop": {0: measured(faces[:20] - 1)},
    }
    others = verdicts.differences(found, "other", EYE, "hole_psnr")
    assert len(others) == 4
    for mean, low, high in others:
        assert mean == pytest.approx(0.1, abs=0.03)
        assert 0 < low < mean < high < 0.2
    crops = verdicts.differences(found, "crop", EYE, "hole_psnr")
    assert crops == pytest.approx(np.full((2, 3), -1.0))


def test_bold_is_what_several_seeds_say():
    found = {
        "paper": {seed: measured(np.arange(10.0), trained={}) for seed in (0, 1)},
        "two": {seed: measured(np.arange(10.0) + 1, trained={}) for seed in (0, 1)},
        "one": {0: measured(np.arange(10.0) - 1, trained={})},
        "level": {0: measured(np.arange(10.0) + np.tile([1, -1], 5), trained={})},
    }
    *_, line = verdicts.table(found, ["two", "one", "level"], "hole_psnr", cases=[EYE]).splitlines()
    two, one, level = line.strip("| ").split(" | ")[1:]
    assert two == "**+1.00** (+1.00 to +1.00)"
    assert one == "*-1.00* (-1.00 to -1.00)"
    assert level.startswith("+0.00 (-")


def test_how_often_two_seeds_differ():
    two = {0: measured(np.arange(10.0), trained={}), 1: measured(np.arange(10.0) - 1, trained={})}
    same = {seed: measured(np.arange(10.0), trained={}) for seed in (0, 1)}
    *_, apart, level = verdicts.luck({"two": two, "one": {0: two[0]}, "same": same}).splitlines()
    assert apart == "| two | 1 of 16 | 0 of 16 | 0 of 16 |"
    assert level == "| same | 0 of 16 | 0 of 16 | 0 of 16 |"


def test_sharpness_is_judged_by_how_far_it_is_from_the_originals():
    found = {"paper": {0: measured([1.0], trained={})}, "other": {0: measured([1.0], trained={})}}
    found["paper"][0].values[EYE]["high"], found["other"][0].values[EYE]["high"] = np.full(9, 0.5), np.full(9, 8.0)
    assert verdicts.differences(found, "other", EYE, "high") == [[2.0, 2.0, 2.0]]
    assert verdicts.verdict([[2.0, 2.0, 2.0]], verdicts.BETTER["high"]) == "worse"


def test_a_longer_course_is_compared_with_the_last_epoch_of_the_shorter():
    courses = {"long": [1.0, 2.0, 4.0], "paper": [1.5, 3.0]}
    found = {name: {0: measured([1.0], history=[{"val_hole_psnr": value} for value in course])}
             for name, course in courses.items()}  # fmt: skip
    figure = verdicts.curves(found, ["long"])
    assert figure.axes[0].lines[0].get_ydata().tolist() == [-0.5, -1.0, 1.0]
    verdicts.plt.close(figure)


def test_the_interval_of_a_frechet_distance_is_that_of_the_resampled_sets():
    draws = np.array([5.0, 1.0, 2.0, 3.0])  # of the whole set, and of three others
    found = {name: {0: measured([1.0], trained={})} for name in ("paper", "other")}
    found["paper"][0].values[EYE]["frechet"], found["other"][0].values[EYE]["frechet"] = np.zeros(4), draws
    ((mean, low, high),) = verdicts.differences(found, "other", EYE, "frechet")
    assert (mean, low, high) == pytest.approx((5.0, 5.0 - 1.96, 5.0 + 1.96))


def test_values_are_kept_small_and_read_back(tmp_path):
    values = {"hole_psnr": np.array([20.123, np.inf]), "high": np.array([0.5, np.nan])}
    rows = [{"study": "turn", "family": "eye", "turn": -15, "values": values},
            {"study": "family", "family": "half", "values": {"hole_psnr": np.array([10.0, 11.0])}}]  # fmt: skip
    results.write_values(tmp_path / "one.npz", [trials.key(row) for row in rows], rows, trials.METRICS)
    back = trials.read_values(tmp_path / "one.npz")
    assert list(back) == [("turn", "eye", -15), ("family", "half", 0)]
    assert back["turn", "eye", -15]["hole_psnr"] == pytest.approx([20.123, np.inf], abs=0.01)
    assert set(back["family", "half", 0]) == {"hole_psnr"}


ABOUT = '{"part": "validation", "name": "paper", "seed": 0}'


@pytest.mark.parametrize(
    ("about", "kept"), [('{"part": ', b""), ("[]", b""), (ABOUT, b""), (ABOUT, None), (ABOUT, b"PK")]
)
def test_a_trial_that_cannot_be_read_is_named(about, kept, tmp_path):
    (tmp_path / "paper-0.json").write_text(about)
    if kept is not None:
        (tmp_path / "paper-0.npz").write_bytes(kept)
    with pytest.raises(UserError, match=r"paper-0.json, or the .npz beside it: cannot be read .*; delete or restore"):
        verdicts.read(tmp_path)


def test_holes_over_facial_parts_turn_with_the_head():
    faces = np.zeros((2, 178, 178, 3), np.uint8)
    faces[:, 82:98, 60:78] = 255  # where the left eye is
    config = preset("smoke")
    for family, least in (("eyes", 0.9), ("centre", 0.0)):
        level, turned = (trials.examples(faces, config, family, turn) for turn in (0, 40))
        covered = (turned[0][..., :1] > 128) & (turned[1] > 0)
        assert covered.sum() >= least * (turned[0][..., 0] > 128).sum()
        assert np.array_equal(level[1], turned[1]) == (family == "centre")


def test_the_fitted_axis_is_found_and_used():
    """A symmetric face, turned and moved: the crop about the picture's middle misses it, the fitted one does not."""
    import cv2

    half = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 4, 3), np.uint8), (32, 64))
    face = np.concatenate([half, half[:, ::-1]], axis=1)
    motion = cv2.getRotationMatrix2D((31.5, 31.5), 4, 1)
    motion[0, 2] += 2
    moved = cv2.warpAffine(face, motion, (64, 64), borderMode=cv2.BORDER_REFLECT)
    hole = np.zeros((64, 64), np.uint8)
    hole[26:36, 14:28] = 1
    turn, shift = mirror.best_axis(moved, hole > 0)
    assert (turn, shift) == pytest.approx((-4, 2 / 64), abs=0.6)
    errors = [np.abs(restore(moved, hole).astype(int) - moved)[hole > 0].mean()
              for restore in (mirror.symmetric_crop, mirror.fitted_crop)]  # fmt: skip
    assert errors[1] < 0.3 * errors[0]
    assert np.array_equal(mirror.fitted_crop(moved, hole)[hole == 0], moved[hole == 0])


def test_half_a_face_has_no_axis_but_the_middle():
    image, hole = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), np.zeros((64, 64), bool)
    hole[:, :32] = True
    assert mirror.best_axis(image, hole) == (0.0, 0.0)
    assert np.array_equal(mirror.fitted_crop(image, hole), mirror.symmetric_crop(image, hole))


def test_each_is_trained_as_long_as_the_plan_says():
    settings = {str(trial): trial.config({}) for trial in claims.PLAN}
    epochs = {name: settings[name].epochs for name in ("paper-1", "bce_only-0", "coarse_to_fine-0")}
    assert epochs == {"paper-1": 12, "bce_only-0": 24, "coarse_to_fine-0": 4}
    as_long = settings["coarse_to_fine_as_long-0"]
    assert (as_long.system, as_long.epochs, as_long.min_epoch_images) == ("coarse_to_fine", 1, claims.AS_LONG)


def test_all_trials_are_measured_on_the_same_holes_of_the_faces_asked_for(small, face_archive, monkeypatch):
    seen, data = [], str(face_archive)
    monkeypatch.setattr(claims, "trained", lambda *_: (mirror.symmetric_crop, {}))
    monkeypatch.setattr(trials, "measure", lambda _, faces, config, turned: seen.append((faces, config)) or [])
    for seed, part in ((0, "validation"), (1, "validation"), (1, "test")):
        claims.carry_out(claims.Trial("paper", seed), data, part, {})
    assert [config.seed for _, config in seen] == [0, 0, 0]
    prepared = claims.unseen_faces(data, preset("paper"), "test")
    for (faces, _), part in zip(seen, ("validation", "validation", "test"), strict=True):
        assert np.array_equal(faces, getattr(prepared, part))


def test_nothing_is_trained_on_the_way_to_the_test_faces(monkeypatch, tmp_path):
    for what in ((claims, "announce"), (claims.training, "train")):
        monkeypatch.setattr(*what, lambda *_, **__: pytest.fail("it is trained"))
    with pytest.raises(UserError, match="no trained generator"):
        claims.trained(claims.Trial("paper"), preset("paper"), "auto", None, tmp_path, "test")


def apart(psnr, lpips):
    """Two systems: how much `other` has more than `paper` on each of ten faces."""
    found = {"paper": {0: measured(np.arange(10.0), trained={})}, "other": {0: measured(np.arange(10.0), trained={})}}
    for name, more in (("paper", (0, 0)), ("other", (psnr, lpips))):
        values, (row,) = found[name][0].values[EYE], found[name][0].about["rows"]
        values |= {"hole_psnr": values["hole_psnr"] + more[0], "lpips": np.full(10, 0.25) + more[1]}
        row |= {"hole_psnr": [20.0 + more[0], 19.0, 21.0]}
    return found


def test_more_psnr_is_better_and_more_lpips_is_worse():
    found = apart(psnr=1.0, lpips=0.125)
    *_, line = verdicts.summary(found, ["other"]).splitlines()
    assert line == "| other | 1 seed | 1 / 0 / 0 | 0 / 1 / 0 | 0 / 0 / 0 |"
    *_, line = verdicts.won(found, "other", [EYE]).splitlines()
    psnr, lpips = "*-1.00* (-1.00 to -1.00)", "*-0.1250* (-0.1250 to -0.1250)"
    assert line == f"| eye | {psnr} | 0% | {lpips} | 100% |"
    *_, line = verdicts.levels(found, ["paper", "other"], "hole_psnr", [EYE]).splitlines()
    assert line == "| eye | 20.00 | 21.00 |"


def test_test_faces_bear_out_a_verdict_or_reverse_it_or_leave_it_open():
    found, level = apart(psnr=1.0, lpips=0.125), apart(psnr=0.0, lpips=-0.125)
    head, _, line = verdicts.borne_out(found, found, ["other", "absent"]).splitlines()
    assert head == "| stands / open / reversed | PSNR in the hole | LPIPS | Fréchet distance |"
    assert line == "| other | 1 / 0 / 0 | 1 / 0 / 0 | 0 / 0 / 0 |"
    *_, line = verdicts.borne_out(found, level, ["other"]).splitlines()
    assert line == "| other | 0 / 1 / 0 | 0 / 0 / 1 | 0 / 0 / 0 |"


def test_the_bounds_are_the_widest_of_all_seeds():
    found = {
        "paper": {0: measured(np.arange(10.0), trained={})},
        "two": {seed: measured(np.arange(10.0) + more, trained={}) for seed, more in ((0, 1), (1, 3))},
    }
    *_, line = verdicts.table(found, ["two"], "hole_psnr", cases=[EYE]).splitlines()
    assert line == "| eye | **+2.00** (+1.00 to +3.00) |"


def test_frechet_distances_of_other_numbers_of_faces_are_not_compared():
    found = {"paper": {0: measured(np.zeros(9))}, "as_many": {0: measured(np.ones(9))}, "few": {0: measured([1.0])}}
    for trained in found.values():
        trained[0].values[EYE]["frechet"] = np.arange(4.0)
    assert len(verdicts.differences(found, "as_many", EYE, "frechet")) == 1
    assert verdicts.differences(found, "few", EYE, "frechet") == []


def test_what_was_measured_on_test_faces_is_kept_apart(tmp_path):
    for name, part, value in (("paper-0", "validation", 20.0), ("paper-0-test", "test", 30.0)):
        row = {"study": "family", "family": "eye", "values": {"hole_psnr": np.full(3, value)}}
        results.write_values(tmp_path / f"{name}.npz", [trials.key(row)], [row], trials.METRICS)
        (tmp_path / f"{name}.json").write_text(json.dumps({"part": part, "name": "paper", "seed": 0}))
    for part, value in (("validation", 20.0), ("test", 30.0)):
        assert verdicts.read(tmp_path, part)["paper"][0].values[EYE]["hole_psnr"].tolist() == [value] * 3


def test_a_fitted_crop_is_told_nothing_of_the_hole():
    image, hole = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), np.zeros((64, 64), bool)
    hole[24:40, 20:44] = True  # across the axis
    spoiled = np.where(hole[..., None], 255 - image, image)
    assert np.array_equal(mirror.fitted_crop(image, hole), mirror.fitted_crop(spoiled, hole))
