"""How fast it is on the machine at hand, all in one run: medians with their spread, and ratios, which travel further
than times."""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint.bench.measuring import alone, peak_of, row
from faceinpaint.bench.reading import pipelines, preparation, streaming
from faceinpaint.bench.restoring import faces, painting, starting
from faceinpaint.bench.training import ceilings, growth, step, systems, train_some
from faceinpaint.config import Config
from faceinpaint.inpainter import Inpainter
from faceinpaint.studies.readme import bench_table as report
from faceinpaint.system import devices
from faceinpaint.system.files import write_text

__all__ = ["PARTS", "bench", "memory", "ratios", "report", "write_bench"]


def _restore_one(config: Config, inpainter: Inpainter):
    inpainter.restore(np.zeros([config.size, config.size, 3], np.uint8), np.ones([config.size, config.size], np.uint8))


def memory(config: Config, _) -> list[dict]:
    """The most memory that training and restoring take."""
    works = {"training": train_some, "restoring with Keras": _restore_one}
    return [row(f"peak memory: {name}", "GiB", alone(peak_of, work, config)) for name, work in works.items()]


PARTS = (
    ceilings,
    pipelines,
    step,
    growth,
    preparation,
    faces,
    starting,
    painting,
    memory,
    streaming,
    systems,
)


def ratios(rows: list[dict], config: Config) -> list[dict]:
    """What follows from `rows`: figures that depend less on the machine."""
    value = {(entry["name"], entry["unit"]): entry["median"] for entry in rows}
    step = value["training step", "images/s"]
    forward, both_ways = (
        next(entry["median"] for entry in rows if entry["name"].endswith(end))
        for end in ("convolutions, forward", "forward and backward")
    )
    pipeline_rate = value["input pipeline: with damage and fill", "images/s"]
    prepared = value["preparation", "JPEGs/s"] / value["plain loop of cv2.imdecode", "JPEGs/s"]
    faster = value["restore one face: Keras", "ms"] / value["restore one face: LiteRT", "ms"]
    finer = value["restore one face: with the octave", "ms"] / value["restore one face: LiteRT", "ms"]
    start = value["cold start of restore: Keras", "s"] / value["cold start of restore: LiteRT", "s"]
    return [
        row("training step / 3x3 convolutions, forward", "", value["training step", "GFLOP/s"] / forward),
        row(
            "training step / its convolutions, forward and backward", "", value["training step", "GFLOP/s"] / both_ways
        ),
        row("input pipeline / training step", "", pipeline_rate / step),
        row("preparation / plain loop", "", prepared),
        row("restore one face: Keras / LiteRT", "", faster),
        row("restore one face: with the octave / LiteRT", "", finer),
        row("cold start of restore: Keras / LiteRT", "", start),
        row(f"epoch of {config.train_images:,} images", "s", config.train_images / step),
        row(f"all {config.epochs} epochs", "min", config.epochs * config.train_images / step / 60),
    ]


def bench(config: Config) -> list[dict]:
    """Rows with the keys name, unit, median, lowest, highest, of everything that `PARTS` measure, on random images."""
    config = devices.resolved(config)
    inpainter, rows = Inpainter(config), []
    inpainter.compile(1)
    for part in tqdm(PARTS, unit="part", disable=None):
        rows += part(config, inpainter)
    return rows + ratios(rows, config)


def write_bench(config: Config, out: Path) -> list[dict]:
    """Measures, writes the rows to `out` as JSON, and returns them."""
    rows = bench(config)
    write_text(out, "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    return rows
