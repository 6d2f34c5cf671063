"""How long a person waits for one restored photograph, with processes that are started anew. No TensorFlow here."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SIDE, LARGE = 1000, 3464  # pixels: photos of one megapixel and of 12
EYES = np.array([0.42, 0.45, 0.58, 0.45])  # as shares of the side; the hole covers one of them
HOLE = np.array([[0.42, 0.48], [0.38, 0.46]])

RESTORE = """
import sys
from faceinpaint.__main__ import main
photo, mask, out, eyes, *run = sys.argv[1:]
code = main(["restore", photo, mask, "-o", out, "--eyes", eyes, *(["--run", *run] if run else [])])
"""
LITE = f"{RESTORE}sys.exit(code)"
PEAK = f"{RESTORE}from faceinpaint.system.memory import peak_gib\nprint(peak_gib())"
KERAS = """
import sys
from functools import partial
from pathlib import Path
import faceinpaint
from faceinpaint.photo.command import face_finder, restore_file
photo, mask, out, eyes, *run = sys.argv[1:]
restore_file(Path(photo), Path(mask), Path(out), partial(faceinpaint.load, *run), face_finder([eyes], "auto"))
"""


def _write_example(folder: Path, side=SIDE) -> list[str]:
    """A photo with its mask in `folder`, and the arguments that restore it."""
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    mask[tuple(slice(*ends) for ends in np.int64(HOLE * side))] = 255
    cv2.imwrite(str(folder / "photo.png"), cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC))
    cv2.imwrite(str(folder / "mask.png"), mask)
    eyes = ",".join(f"{x:.0f}" for x in EYES * side)
    return [*(str(folder / name) for name in ("photo.png", "mask.png", "out.png")), eyes]


def _run(program: str, arguments: list[str]) -> str:
    """What `program` prints, run by a Python of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _seconds(program: str, arguments: list[str]) -> float:
    start = time.perf_counter()
    _run(program, arguments)
    return time.perf_counter() - start


def cold_start(run: str | Path | None = None, repeats=5) -> dict[str, np.ndarray]:
    """Seconds from the start of the process to the restored file, `repeats` values each, taken in turn after one of
    each to warm the disk's cache: "LiteRT", the command `restore` on a photo of one megapixel with `--eyes`, and
    "Keras", the same work done by `faceinpaint.load`.

    run: a run directory with both files of its generator; the weights that come with the package by default.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*_write_example(Path(folder)), *([] if run is None else [str(run)])]
        rounds = [[_seconds(program, arguments) for program in (LITE, KERAS)] for _ in range(repeats + 1)]
    return dict(zip(("LiteRT", "Keras"), np.array(rounds[1:]).T, strict=True))


def large_photo(repeats=5) -> tuple[list[float], float]:
    """Seconds of the command `restore` on a photo of 12 megapixels, `repeats` values, and the most memory that it
    takes, in GiB."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = _write_example(Path(folder), LARGE)
        peak = float(_run(PEAK, arguments).split()[-1])
        return [_seconds(LITE, arguments) for _ in range(repeats)], peak
