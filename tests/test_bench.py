"""The bench counts arithmetic right, measures everything, and its ratios follow from its rows."""

import json
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from faceinpaint import bench, config
from faceinpaint.bench import measuring
from faceinpaint.bench import reading as bench_reading
from faceinpaint.bench import restoring as bench_restoring
from faceinpaint.bench import training as bench_training
from faceinpaint.inpainter import Inpainter

SMOKE = config.preset("smoke", precision="float32")


def test_arithmetic_is_counted_from_the_layers():
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, 2, padding="same")(inputs)  # 16 positions, 3 * 3 * 3 * 5 weights
    x = layers.Conv2DTranspose(2, 4, 2, padding="same")(x)  # from 16 positions, 4 * 4 * 5 * 2 weights
    x = layers.Dense(7)(layers.Flatten()(x))
    model = keras.Model(inputs, x)
    expected = [2 * 16 * 135, 2 * 16 * 160, 2 * 128 * 7]
    assert [flops for flops in map(bench_training.layer_flops, model.layers) if flops] == expected


def test_a_step_goes_through_the_generator_and_for_two_images_and_both_losses_through_the_discriminator():
    inpainter = Inpainter(SMOKE)
    layers = [
        [flops for flops in map(bench_training.layer_flops, network.layers) if flops]
        for network in (inpainter.generator, inpainter.discriminator)
    ]
    (generator, discriminator), (first, first_of_discriminator) = map(sum, layers), (flops[0] for flops in layers)
    # Forward; back for weights and pictures; the discriminator once more back for the generator's loss.
    expected = 3 * generator - first + 2 * (3 * discriminator - first_of_discriminator) + discriminator
    assert bench_training.step_flops(inpainter) == expected


def test_everything_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "REPEATS", 2)
    monkeypatch.setattr(bench_restoring, "REPEATS", 2)
    monkeypatch.setattr(bench_training, "SIZES", (64,))
    monkeypatch.setattr(bench_training, "COUNTS", (2, 4))
    monkeypatch.setattr(bench_training, "COMPARED", ("coarse_to_fine_narrow",))
    monkeypatch.setattr(bench_reading, "FEW", 64)
    monkeypatch.setattr(bench_reading, "ALL", 640)
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path / "data"))
    starts = {"LiteRT": np.array([1.0, 2.0]), "Keras": np.array([9.0, 12.0])}  # measured in tests/test_restore_cli.py
    monkeypatch.setattr(bench_restoring, "cold_start", lambda repeats: starts)
    monkeypatch.setattr(bench_restoring, "large_photo", lambda repeats: ([2.0, 3.0], 0.5))
    rows = bench.write_bench(SMOKE, tmp_path / "bench.json")
    assert json.loads((tmp_path / "bench.json").read_text()) == rows
    assert all(0 < row["lowest"] <= row["median"] <= row["highest"] < np.inf for row in rows)
    value = {(row["name"], row["unit"]): row["median"] for row in rows}
    ratio = value["input pipeline: with damage and fill", "images/s"] / value["training step", "images/s"]
    assert value["input pipeline / training step", ""] == pytest.approx(ratio)
    assert value["training step", "GFLOP/s"] == pytest.approx(
        value["training step", "images/s"] * value["training step: arithmetic of one image", "GFLOP"], rel=0.2
    )
    assert 0.2 < value["peak memory: training", "GiB"] < 3
    assert value["peak memory: restore, 12 megapixels", "GiB"] == 0.5
    assert 0.9 < value["peak memory: reading a file of all faces / of a few", ""] < 1.1
    few, all_ = (value[f"read from a file of {count} faces", "images/s"] for count in (64, 640))
    assert value["read from a file of all faces / of a few", ""] == pytest.approx(all_ / few)
    assert list((tmp_path / "data").iterdir()) == []
    assert "| training step |" in bench.report(rows)


def test_faces_for_which_the_disk_has_no_room_are_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(bench_reading.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10_000_000_000))
    assert bench_reading.streaming(SMOKE, None) == []
    assert "reading all faces of CelebA is not measured, for want of 11.0 GB on the disk" in capsys.readouterr().out
    assert list((tmp_path / "data").iterdir()) == []


def test_a_stroke_is_timed_until_its_face_is_restored(monkeypatch):
    class Slow:
        config, holes = SMOKE, []

        def restore(self, image, mask):
            self.holes.append(mask.sum())
            time.sleep(0.2)
            return image

    monkeypatch.setattr(bench_restoring, "REPEATS", 3)
    monkeypatch.setattr(bench_restoring.lite, "load", Slow)
    monkeypatch.setattr(bench_restoring.browser, "installed", lambda: False)
    (row,) = bench_restoring.painting(SMOKE, None)
    assert row["unit"] == "ms"
    assert 200 <= row["lowest"] <= row["median"] <= row["highest"] < 2000
    strokes = Slow.holes[2:]  # the first two are looks at which way round the face is
    calls, rest = divmod(len(strokes), 8)  # twice for each stroke, at once and refined, the first to warm up
    assert (calls > 0, rest) == (True, 0)
    assert (np.diff(strokes[:: 2 * calls]) > 0).all()  # all strokes fall on the face, each beside the one before


def test_where_there_is_a_browser_the_stroke_is_timed_there_too(monkeypatch):
    monkeypatch.setattr(bench_restoring, "REPEATS", 1)
    monkeypatch.setattr(bench_restoring.browser, "installed", lambda: True)
    monkeypatch.setattr(bench_restoring.browser, "stroke_milliseconds", lambda photo, eyes, strokes: [900, 30, 50])
    told, shown = bench_restoring.painting(SMOKE, None)
    assert (shown["lowest"], shown["highest"], shown["unit"]) == (30, 50, "ms")
    assert told["median"] > 0


def test_spread_is_shown_where_there_is_one():
    rows = [
        {"name": "a", "unit": "images/s", "median": 1000.4, "lowest": 900.0, "highest": 1100.0},
        {"name": "b", "unit": "", "median": 0.74567, "lowest": 0.74567, "highest": 0.74567},
    ]
    assert "| a | 1,000 | 900 to 1,100 | images/s |\n| b | 0.7457 |  |  |" in bench.report(rows)
