"""Benchmarks of restoring: faces, the start of the command, the preview of `paint`."""

import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from faceinpaint import lite, pipeline
from faceinpaint.baselines import telea
from faceinpaint.bench.measuring import REPEATS, random_faces, row, seconds_of
from faceinpaint.bench.starting import cold_start
from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter
from faceinpaint.lite import LiteInpainter, export
from faceinpaint.paint import preview
from faceinpaint.paint.desk import Desk
from faceinpaint.paint.painting import Painting
from faceinpaint.paint.window import LARGEST
from faceinpaint.runs.folder import EXPORTED


def faces(config: Config, inpainter: Inpainter) -> list[dict]:
    """One face, and a batch, through Keras and LiteRT, beside Telea."""
    image, mask, _ = next(iter(pipeline.training_batches(random_faces(config, config.batch_size), config)))
    images, masks = pipeline.to_uint8(image).numpy(), mask.numpy()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / EXPORTED
        export.write(inpainter, exported)
        ways = {"Keras": inpainter.restore, "LiteRT": LiteInpainter(exported, config).restore, "Telea": telea}
        rows = []
        for name, restore in ways.items():
            one, all_ = (
                seconds_of(partial(restore, images[:1], masks[:1]), 10),
                seconds_of(partial(restore, images, masks)),
            )
            rows.append(row(f"restore one face: {name}", "ms", 1000 * one))
            rows.append(row(f"restore a batch: {name}", "images/s", len(images) / all_))
    return rows


def starting(_config: Config, _) -> list[dict]:
    """`restore` of a photograph of one megapixel from the command's start to its end, and the same through Keras."""
    seconds = cold_start(repeats=REPEATS)
    return [row(f"cold start of restore: {name}", "s", values) for name, values in seconds.items()]


def _stroke_seconds(desk: Desk, x, y) -> float:
    """From the end of a stroke, which begins at the photo's (x, y), to the picture with the face as then restored."""
    panel, corner = desk.view.to_panel(x, y), preview.panel_corners(desk.view.panel)[0]
    x, y = (round(at + begin) for at, begin in zip(panel, corner, strict=True))
    desk.mouse(cv2.EVENT_LBUTTONDOWN, x, y, cv2.EVENT_FLAG_LBUTTON)
    desk.mouse(cv2.EVENT_MOUSEMOVE, x + 10, y + 5, cv2.EVENT_FLAG_LBUTTON)
    start = time.perf_counter()
    desk.mouse(cv2.EVENT_LBUTTONUP, x + 10, y + 5, 0)
    desk.picture()
    return time.perf_counter() - start


def painting(config: Config, _) -> list[dict]:
    """The preview of `paint`, in its largest window, on a photo of 12 megapixels, stroke after stroke."""
    photo = cv2.resize(random_faces(config, 1)[0], (4000, 3000), interpolation=cv2.INTER_CUBIC)
    desk = Desk(photo, lite.load(), Painting((3000, 4000), eyes=[(1800, 1400), (2200, 1420)]), LARGEST)
    seconds = [_stroke_seconds(desk, 1700 + 80 * number, 1500) for number in range(1 + REPEATS)]
    return [row("paint: from the end of a stroke to its preview, 12 megapixels", "ms", 1000 * np.array(seconds[1:]))]
