"""How long a person waits for one restored photograph, with processes that are started anew. No TensorFlow here."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SIDE = 1000  # pixels: a photo of one megapixel
EYES = (420, 450, 580, 450)
HOLE = np.s_[420:480, 380:460]

LITE = """
import sys
from faceinpaint.__main__ import main
photo, mask, out, eyes, *run = sys.argv[1:]
sys.exit(main(["restore", photo, mask, "-o", out, "--eyes", eyes, *(["--run", *run] if run else [])]))
"""
KERAS = """
import sys
from functools import partial
from pathlib import Path
import faceinpaint
from faceinpaint.photo.command import face_finder, restore_file
photo, mask, out, eyes, *run = sys.argv[1:]
restore_file(Path(photo), Path(mask), Path(out), partial(faceinpaint.load, *run), face_finder([eyes], "auto"))
"""


def _write_example(folder: Path) -> list[str]:
    """A photo with its mask in `folder`, and the arguments that restore it."""
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[HOLE] = 255
    cv2.imwrite(str(folder / "photo.png"), cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    cv2.imwrite(str(folder / "mask.png"), mask)
    return [*(str(folder / name) for name in ("photo.png", "mask.png", "out.png")), ",".join(map(str, EYES))]


def _seconds(program: str, arguments: list[str]) -> float:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, env=environment)
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
