"""Pictures of other sizes than 64 pixels: trained, evaluated and restored from end to end."""

import json

import cv2
import numpy as np
import pytest
from conftest import draw_face

from faceinpaint import config, evaluation
from faceinpaint.__main__ import main
from faceinpaint.config import UserError


@pytest.fixture(autouse=True)
def _small(tmp_path_factory, monkeypatch):
    """Two tables instead of all of them; nothing is fetched."""

    def refuse(*_):
        raise UserError("LPIPS: its weights cannot be downloaded (offline)")

    cases = evaluation.cases(families=("half",), areas=(), turns=())
    monkeypatch.setattr(evaluation, "cases", lambda: cases)
    monkeypatch.setattr("faceinpaint.system.downloads.fetch", refuse)
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path_factory.getbasetemp() / "sizes"))


@pytest.mark.parametrize("size", [96, 128, 256])
def test_trained_evaluated_and_restored(size, face_archive, tmp_path):
    run, data, results = tmp_path / "run", ["--data", str(face_archive)], tmp_path / "results.json"
    assert main(["train", "--preset", "smoke", "--size", str(size), "--epochs", "1", *data, "--run", str(run)]) == 0
    assert config.read(run / "config.json").size == size
    assert (run / "grids" / "epoch_001.png").is_file()

    assert main(["evaluate", "--run", str(run), *data, "--faces", "2", "--out", str(results)]) == 0
    rows = json.loads(results.read_text())["rows"]
    assert {(row["framing"], row["n"]) for row in rows} == {(178, 2), (128, 2)}
    assert all(5 < row["hole_psnr"][0] < 60 for row in rows)

    photo, mask = cv2.resize(draw_face(3), None, fx=2, fy=2), np.zeros((436, 356), np.uint8)
    mask[220:260, 100:150] = 255
    paths = [str(tmp_path / f"{name}.png") for name in ("photo", "mask", "restored")]
    for path, picture in zip(paths, (photo, mask), strict=False):
        cv2.imwrite(path, picture)
    assert main(["restore", *paths[:2], "-o", paths[2], "--eyes", "138,222,216,222", "--run", str(run)]) == 0
    restored = cv2.imread(paths[2])
    assert np.array_equal(restored[mask == 0], photo[mask == 0])
    assert (restored[mask > 0] != photo[mask > 0]).any(axis=-1).mean() > 0.9
