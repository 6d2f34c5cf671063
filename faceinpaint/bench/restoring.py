"""Benchmarks of restoring: faces, the start of the command, the preview of `paint`."""

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from faceinpaint import lite, pipeline
from faceinpaint.baselines import telea
from faceinpaint.bench import browser
from faceinpaint.bench.cold_start import cold_start, large_photo
from faceinpaint.bench.measuring import REPEATS, random_faces, row, seconds_of
from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter
from faceinpaint.lite import LiteInpainter, export
from faceinpaint.paint.painting import Painting
from faceinpaint.paint.session import Session
from faceinpaint.runs.folder import EXPORTED

EYES = [(1800, 1400), (2200, 1420)]  # in a photo of 12 megapixels


def faces(config: Config, inpainter: Inpainter) -> list[dict]:
    """One face, and a batch, through Keras and LiteRT, beside Telea; and one of 128 pixels by the networks of the
    package."""
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
    finest = lite.load()
    side = (finest.finest, finest.finest)
    large = cv2.resize(images[0], side), cv2.resize(masks[0], side, interpolation=cv2.INTER_NEAREST)
    seconds = seconds_of(partial(finest.restore, *large), 10)
    return [*rows, row("restore one face: with the octave", "ms", 1000 * seconds)]


def starting(_config: Config, _) -> list[dict]:
    """`restore` of a photograph of one megapixel from the command's start to its end, and the same through Keras; of
    one of 12 megapixels, with its memory."""
    seconds, (large, peak) = cold_start(repeats=REPEATS), large_photo(REPEATS)
    rows = [row(f"cold start of restore: {name}", "s", values) for name, values in seconds.items()]
    rows.append(row("restore a photo of 12 megapixels", "s", large))
    return [*rows, row("peak memory: restore, 12 megapixels", "GiB", peak)]


async def _stroke_seconds(session: Session, told: asyncio.Queue, points) -> float:
    """From a message with a stroke to the one with the face restored; then waits until all of it is refined."""
    start = time.perf_counter()
    session.receive({"do": "stroke", "points": points, "brush": 100})
    while "patch" not in await told.get():
        pass
    seconds = time.perf_counter() - start
    while "patch" not in await told.get():
        pass
    return seconds


async def _strokes_seconds(photo, strokes) -> list[float]:
    told = asyncio.Queue()
    session = Session(photo, Painting(photo.shape[:2], eyes=EYES), lite.load(), told.put_nowait)
    seconds = [await _stroke_seconds(session, told, points) for points in strokes]
    session.close()
    return seconds


def painting(config: Config, _) -> list[dict]:
    """The restored face after each of some strokes on a photo of 12 megapixels: when the page is told of it, and, where
    there is a browser, when that shows it."""
    photo = cv2.resize(random_faces(config, 1)[0], (4000, 3000), interpolation=cv2.INTER_CUBIC)
    starts = [(1700 + 80 * number, 1500) for number in range(1 + REPEATS)]
    strokes = [[(x, y), (x + 60, y + 30)] for x, y in starts]
    seconds = asyncio.run(_strokes_seconds(photo, strokes))
    rows = [row("paint: from the end of a stroke to its preview, 12 megapixels", "ms", 1000 * np.array(seconds[1:]))]
    if browser.installed():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "photo.jpg"
            cv2.imwrite(str(file), photo)
            milliseconds = browser.stroke_milliseconds(file, EYES, strokes)
        rows.append(row("paint: the same, until the browser shows it, 12 megapixels", "ms", milliseconds[1:]))
    return rows
