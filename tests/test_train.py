"""Runs: what they write, that they repeat, go on, and refuse."""

import json
import shutil

import cv2
import numpy as np
import pytest

import faceinpaint
from faceinpaint import config, figures
from faceinpaint import losses as losses_module
from faceinpaint.config import UserError
from faceinpaint.inpainter import resolved
from faceinpaint.partition import LAST_TRAIN
from faceinpaint.train import Record, train

EPOCHS = 3


@pytest.fixture(scope="module")
def data(face_archive, tmp_path_factory):
    """The synthetic archive, with prepared faces kept for this module."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faceinpaint.celeba.data_folder", lambda: root)
        yield str(face_archive)


def settings(**changes):
    return config.preset("smoke", **{"precision": "float32", "size": 32, "epochs": EPOCHS} | changes)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, train(settings(), data, folder)


def losses(history):
    return [[line["generator_loss"], line["discriminator_loss"], line["val_hole_psnr"]] for line in history]


def weights(folder):
    return faceinpaint.load(folder).averaged_generator.get_weights()


def test_a_run_directory_is_the_record(run):
    folder, history = run
    files = {path.name for path in folder.iterdir()}
    assert files == {
        "config.json", "environment.json", "history.jsonl", "grids", "losses.png", "filmstrip.png", "progress.gif",
        "checkpoint.npz", "generator.keras",
    }  # fmt: skip
    grids = sorted(path.name for path in (folder / "grids").iterdir())
    assert grids == [f"epoch_{epoch:03d}.png" for epoch in range(EPOCHS + 1)]
    assert config.read(folder / "config.json") == settings()
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["tensorflow"].startswith("2.")
    assert environment["commit"]
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert lines == history
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert {"val_psnr", "val_hole_psnr", "generator_loss", "discriminator_loss", "seconds"} <= set(lines[0])


def test_grids_show_the_same_faces_each_time(run):
    folder, _ = run
    first, last = (cv2.imread(str(folder / "grids" / f"epoch_{i:03d}.png")) for i in (0, EPOCHS))
    for column in ("image", "damaged", "filled"):
        pairs = zip(figures.grid_column(first, column), figures.grid_column(last, column), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs), column
    assert not np.array_equal(figures.grid_column(first, "generated")[0], figures.grid_column(last, "generated")[0])
    assert len(figures.grid_column(first, "image")) == 8


def test_the_same_seed_gives_the_same_history(run, data, tmp_path):
    _, history = run
    assert np.allclose(losses(train(settings(), data, tmp_path / "again")), losses(history), rtol=1e-4)


def test_a_stopped_run_goes_on_to_the_same_end(run, data, tmp_path, monkeypatch):
    folder, history = run
    stopped, begin = tmp_path / "stopped", Record.on_epoch_begin

    def stop_at_the_second(self, epoch, logs=None):
        begin(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Record, "on_epoch_begin", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            train(settings(), data, stopped)
    assert len((stopped / "history.jsonl").read_text().splitlines()) == 1
    resumed = train(settings(), data, stopped)
    assert np.allclose(losses(resumed), losses(history), rtol=1e-4)
    for a, b in zip(weights(stopped), weights(folder), strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_a_finished_run_is_left_alone(run, data, capsys):
    folder, history = run
    before = (folder / "generator.keras").stat().st_mtime_ns
    assert train(settings(), data, folder) == history
    assert "all 3 epochs are done; --fresh starts over" in capsys.readouterr().out
    assert (folder / "generator.keras").stat().st_mtime_ns == before


def test_other_settings_are_refused(run, data):
    folder, _ = run
    with pytest.raises(UserError, match=r"epochs 3 there, 4 asked\); use another --run, or --fresh"):
        train(settings(epochs=4), data, folder)


def test_too_few_images_to_validate_or_test(run, face_files, tmp_path):
    (tmp_path / "faces").mkdir()
    for name, content in [item for item in face_files.items() if int(item[0][:6]) <= LAST_TRAIN][:9]:
        (tmp_path / "faces" / name).write_bytes(content)
    with pytest.raises(UserError, match="no face is left for validation; add images"):
        train(settings(), str(tmp_path / "faces"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="no face is left for the test; add images"):
        faceinpaint.evaluate(faceinpaint.load(run[0]), str(tmp_path / "faces"))


def test_other_data_is_refused(run, face_files, tmp_path):
    folder, _ = run
    (tmp_path / "faces").mkdir()
    for name, content in list(face_files.items())[:70]:
        (tmp_path / "faces" / name).write_bytes(content)
    with pytest.raises(UserError, match=r"begun with other settings \(data"):
        train(settings(), str(tmp_path / "faces"), folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}"])
def test_a_damaged_environment_is_refused(run, data, tmp_path, text):
    folder = shutil.copytree(run[0], tmp_path / "run")
    (folder / "environment.json").write_text(text)
    with pytest.raises(UserError, match=r"environment.json: cannot be read|begun with other settings"):
        train(settings(), data, folder)


def test_fresh_says_what_it_discards_and_spares_other_folders(run, data, tmp_path, capsys):
    folder = shutil.copytree(run[0], tmp_path / "run")
    history = train(settings(epochs=1, seed=5), data, folder, fresh=True)
    assert f"{folder}: discarding checkpoint.npz, config.json" in capsys.readouterr().out
    assert config.read(folder / "config.json").seed == 5
    assert not np.allclose(losses(history), losses(run[1])[:1], rtol=1e-4), "another seed is another run"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(UserError, match="photos: not a run directory"):
        train(settings(), data, tmp_path / "photos", fresh=True)
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"dear"


@pytest.mark.parametrize(
    "spoil",
    [lambda b: b[: len(b) // 2], lambda b: b[:3000] + bytes([b[3000] ^ 1]) + b[3001:], lambda b: b""],
    ids=["truncated", "one bit", "empty"],
)
def test_a_damaged_checkpoint_is_named(run, data, tmp_path, spoil):
    folder = shutil.copytree(run[0], tmp_path / "run")
    checkpoint = folder / "checkpoint.npz"
    checkpoint.write_bytes(spoil(checkpoint.read_bytes()))
    with pytest.raises(UserError, match=r"checkpoint.npz: damaged checkpoint .*--fresh"):
        train(settings(), data, folder)


def test_a_loss_that_is_not_finite_stops_with_the_checkpoint_kept(data, tmp_path, monkeypatch):
    finite = losses_module.reconstruction_loss
    monkeypatch.setattr(losses_module, "reconstruction_loss", lambda *arguments: finite(*arguments) * float("nan"))
    with pytest.raises(UserError, match=r"a loss is not a finite number; .*checkpoint is kept; try a lower"):
        train(settings(), data, tmp_path)
    assert not (tmp_path / "checkpoint.npz").exists()


def test_loading_what_is_not_there_or_damaged(run, tmp_path):
    folder, _ = run
    with pytest.raises(UserError, match="no trained generator; train one with"):
        faceinpaint.load(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "generator.keras").write_bytes((folder / "generator.keras").read_bytes()[:5000])
    with pytest.raises(UserError, match=r"generator.keras: not a generator of this config .*; train again"):
        faceinpaint.load(tmp_path)


def test_load_restores_as_the_trained_model_does(run):
    folder, _ = run
    grid = cv2.imread(str(folder / "grids" / f"epoch_{EPOCHS:03d}.png"))
    inpainter = faceinpaint.load(folder)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    masks = np.zeros((2, 32, 32), np.uint8)
    masks[:, 10:20, 10:20] = 1
    restored = inpainter.restore(images, masks)
    assert np.array_equal(restored[masks == 0], images[masks == 0])
    assert grid is not None
    assert inpainter.averaged_generator.dtype_policy.name == "float32"


def test_precision_follows_the_processor(monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_text", lambda self: "flags: sse avx512_bf16")
    assert resolved(config.preset("paper")).precision == "mixed_bfloat16"
    monkeypatch.setattr("pathlib.Path.read_text", lambda self: "flags: sse avx2")
    assert resolved(config.preset("paper")).precision == "float32"
    assert resolved(config.preset("paper", precision="mixed_bfloat16")).precision == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("last", "epochs"),
    [(0, [0]), (1, [0, 1]), (2, [0, 1, 2]), (15, [0, 1, 2, 5, 10, 15]), (50, [0, 1, 2, 5, 10, 20, 50])],
)
def test_filmstrip_epochs(last, epochs):
    assert figures.filmstrip_epochs(last) == epochs
