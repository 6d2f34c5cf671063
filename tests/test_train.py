"""Runs: what they write, that they repeat, go on, and refuse."""

import json
import random
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from soak_resume import EXIT, outcome, start, stop, wait_for_epoch

import faceinpaint
from faceinpaint import celeba, config, figures, metrics, pipeline
from faceinpaint import losses as losses_module
from faceinpaint.baselines import BASELINES
from faceinpaint.celeba.partition import LAST_TRAIN
from faceinpaint.config import UserError
from faceinpaint.runs import checkpoint, folder
from faceinpaint.system.devices import compiles, resolved
from faceinpaint.training import train

EPOCHS = 3


@pytest.fixture(scope="module")
def data(face_archive, tmp_path_factory):
    """The synthetic archive, with prepared faces kept for this module."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEINPAINT_HOME", str(root))
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
        "config.json", "environment.json", "history.jsonl", "timing.jsonl", "grids", "losses.png", "filmstrip.png",
        "progress.gif", "checkpoint", "generator.keras", "generator.tflite", ".lock",
    }  # fmt: skip
    assert sorted(path.name for path in (folder / "checkpoint").iterdir()) == ["epoch_002.npz", "epoch_003.npz"]
    grids = sorted(path.name for path in (folder / "grids").iterdir())
    assert grids == [f"epoch_{epoch:03d}.png" for epoch in range(EPOCHS + 1)]
    assert config.read(folder / "config.json") == settings()
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["tensorflow"].startswith("2.")
    assert environment["commit"]
    assert environment["data"] == "img_align_celeba.zip: 48 training, 8 validation and 8 test images"
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert lines == history
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert {"val_psnr", "val_hole_psnr", "generator_loss", "discriminator_loss"} <= set(lines[0])
    timing = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in timing] == [1, 2, 3]
    assert all(0 < line["seconds"] < 600 for line in timing)


def test_grids_show_the_same_faces_each_time(run):
    folder, _ = run
    first, last = (cv2.imread(str(folder / "grids" / f"epoch_{i:03d}.png")) for i in (0, EPOCHS))
    for column in ("image", "damaged", "filled"):
        pairs = zip(figures.grid_column(first, column), figures.grid_column(last, column), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs), column
    assert not np.array_equal(figures.grid_column(first, "generated")[0], figures.grid_column(last, "generated")[0])
    assert len(figures.grid_column(first, "image")) == 8


def test_the_same_config_gives_the_same_bits(run, data, tmp_path):
    folder, history = run
    assert train(settings(), data, tmp_path / "again") == history
    assert outcome(tmp_path / "again") == outcome(folder)
    for a, b in zip(weights(tmp_path / "again"), weights(folder), strict=True):
        assert np.array_equal(a, b)


def test_a_run_stopped_at_random_moments_ends_with_the_same_bits(run, data, tmp_path):
    seed = random.randrange(1000)
    rng, folder = random.Random(seed), tmp_path / "stopped"
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        process = start(Path(celeba.data_folder()), settings(), data, folder)
        wait_for_epoch(process, folder)
        code, errors = stop(process, rng.uniform(0, 0.5), how)
        assert code in (EXIT[how], 0), errors
        if code == 143:
            assert errors.endswith("faceinpaint: terminated; the same command goes on from what is finished\n")
    assert train(settings(), data, folder) == run[1]
    assert outcome(folder) == outcome(run[0]), f"seed {seed}"


def test_a_small_training_learns(data, tmp_path):
    """A stand-in for `make train`: in seconds it repairs unseen faces far better than their mean colour does."""
    chosen = settings(generator_widths=(16, 32, 32), min_epoch_images=160)
    history = train(chosen, data, tmp_path)
    image, mask, _ = pipeline.fixed_examples(celeba.prepare(data, chosen).validation, chosen)
    restored = pipeline.to_float(BASELINES["mean"](pipeline.to_uint8(image).numpy(), mask.numpy()))
    mean_colour = float(np.mean(metrics.psnr(image, restored, mask)))
    measured = [line["val_hole_psnr"] for line in history]
    assert measured == sorted(measured)
    assert measured[-1] > mean_colour + 2


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
    with pytest.raises(UserError, match="no validation face is there; add images"):
        faceinpaint.evaluate(faceinpaint.load(run[0]), str(tmp_path / "faces"))


def test_other_data_is_refused(run, face_files, tmp_path):
    folder, _ = run
    (tmp_path / "faces").mkdir()
    for name, content in list(face_files.items())[:70]:
        (tmp_path / "faces" / name).write_bytes(content)
    with pytest.raises(UserError, match=r"begun with other settings \(data"):
        train(settings(), str(tmp_path / "faces"), folder)


def test_fresh_says_what_it_discards_and_spares_other_folders(run, data, tmp_path, capsys):
    folder = shutil.copytree(run[0], tmp_path / "run")
    history = train(settings(epochs=1, seed=5), data, folder, fresh=True)
    assert f"{folder}: discarding checkpoint, config.json" in capsys.readouterr().out
    assert config.read(folder / "config.json").seed == 5
    assert not np.allclose(losses(history), losses(run[1])[:1], rtol=1e-4), "another seed is another run"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(UserError, match="photos: not a run directory"):
        train(settings(), data, tmp_path / "photos", fresh=True)
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"dear"


def test_fresh_discards_nothing_for_a_start_that_cannot_be(run, data, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "run")
    for source, reason in ((tmp_path / "missing", "no trained generator"), (folder, "the run directory itself")):
        with pytest.raises(UserError, match=reason):
            train(settings(), data, folder, fresh=True, start=source)
    assert weights(folder)
    assert (folder / "checkpoint").is_dir()


def test_a_loss_that_is_not_finite_stops_and_the_epoch_before_goes_on(run, data, tmp_path, monkeypatch):
    """In epoch 2 the loss is not a number. When the cause is gone the run goes on from epoch 1 and
    ends as if nothing had been."""
    finite, save, factor, kept = losses_module.reconstruction_loss, checkpoint.save, tf.Variable(1.0), []

    def save_and_spoil(folder, *arguments):
        save(folder, *arguments)
        kept.append((folder / "epoch_001.npz").read_bytes())
        factor.assign(float("nan"))

    with monkeypatch.context() as patch:
        patch.setattr(losses_module, "reconstruction_loss", lambda *arguments: finite(*arguments) * factor)
        patch.setattr(checkpoint, "save", save_and_spoil)
        with pytest.raises(UserError, match=r"a loss is not a finite number; .*checkpoint is kept; try a lower"):
            train(settings(), data, tmp_path)
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["epoch_001.npz"]
    assert [(tmp_path / "checkpoint" / "epoch_001.npz").read_bytes()] == kept
    record, values = checkpoint.latest(tmp_path / "checkpoint")
    assert [line["epoch"] for line in record["history"]] == [1]
    assert all(np.isfinite(value).all() for value in values)
    history = train(settings(), data, tmp_path)
    assert history[:1] == record["history"]
    assert np.allclose(losses(history), losses(run[1]), rtol=1e-3)  # the factor of 1 rounds


def test_loading_what_is_not_there_or_damaged(run, tmp_path):
    folder, _ = run
    with pytest.raises(UserError, match="no trained generator; train one with"):
        faceinpaint.load(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "generator.keras").write_bytes((folder / "generator.keras").read_bytes()[:5000])
    with pytest.raises(UserError, match=r"generator.keras: not a generator of this config .*; delete it and"):
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


def test_a_gpu_compiles_the_step_unless_the_config_forbids(monkeypatch):
    for gpus in ([], ["a GPU"]):
        monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind, gpus=gpus: gpus)
        assert compiles(config.preset("paper")) is bool(gpus)
        assert compiles(config.preset("paper", jit_compile=True))
        assert not compiles(config.preset("paper", jit_compile=False))


@pytest.mark.parametrize(
    ("last", "epochs"),
    [(0, [0]), (1, [0, 1]), (2, [0, 1, 2]), (15, [0, 1, 2, 5, 10, 15]), (50, [0, 1, 2, 5, 10, 20, 50])],
)
def test_filmstrip_epochs(last, epochs):
    assert figures.filmstrip_epochs(last) == epochs


def test_a_run_can_begin_with_the_generator_of_another(run, data, tmp_path):
    started = tmp_path / "started"
    settings_then = settings(epochs=1, generator_rate=0.0)
    train(settings_then, data, started, start=run[0])
    for begun, now in zip(weights(run[0]), weights(started), strict=True):
        assert np.allclose(begun, now, atol=1e-6)  # a rate of 0 changes nothing
    told = json.loads((started / "environment.json").read_text())["start"]
    assert (told["folder"], told["history"]) == (str(run[0]), run[1])
    assert train(settings_then, data, started)[-1]["epoch"] == 1  # it is found again without being named
    assert train(settings_then, data, started, start=f"{run[0]}/")[-1]["epoch"] == 1
    with pytest.raises(UserError, match=f"start {run[0]} there, {tmp_path} asked"):
        train(settings_then, data, started, start=tmp_path)
    with pytest.raises(UserError, match=r"generator_widths .* there, .* asked; give another run"):
        train(settings(generator_widths=(4, 4)), data, tmp_path / "wider", start=run[0])
    with pytest.raises(UserError, match=r"missing/generator\.keras: no trained generator; train one with"):
        train(settings(), data, tmp_path / "none", start=tmp_path / "missing")


@pytest.mark.parametrize(("read", "name"), [(folder.read_history, "history.jsonl"), (folder.read_times, folder.TIMES)])
def test_a_record_that_was_cut_off_is_told_in_one_line(tmp_path, read, name):
    assert read(tmp_path) == []
    (tmp_path / name).write_text('{"epoch": 1, "seconds": 2.5}\n')
    assert read(tmp_path) == [{"epoch": 1, "seconds": 2.5}]
    with (tmp_path / name).open("a") as file:
        file.write('{"epoch": 2, "sec')
    with pytest.raises(UserError, match=rf"^\S*{name}: cannot be read \(.*\); [^\n]+$"):
        read(tmp_path)
