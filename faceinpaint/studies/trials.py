"""What is measured of a trial, a training or a method, of those that put the paper's claims to the test.

Every trial has the same faces and the same holes, so that any two can be compared image by image.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np

from faceinpaint import masks, metrics, pipeline
from faceinpaint.config import Config
from faceinpaint.evaluation import (
    TURNS,
    Restore,
    damaged_examples,
    mean_and_interval,
    per_image,
    perceptual,
)
from faceinpaint.studies.measures import high_frequencies
from faceinpaint.system import progress

RESAMPLES = 30  # of the faces, for the interval of a difference of Fréchet distances, which take long
SHARPNESS = ("eyes", "eye", "nose", "mouth")  # families in which the power of high frequencies is measured
TURNED = ("centre", *SHARPNESS)  # families in turned heads
HALVES = {
    "left_half": partial(masks.rectangle, rows=(0, 63), columns=(0, 31)),
    "right_half": partial(masks.rectangle, rows=(0, 63), columns=(32, 63)),
}
WHOLE = ("lpips",)  # what is measured of the whole picture, beside PSNR in the hole
METRICS = ("hole_psnr", *WHOLE, "frechet", "high")


def cases(turned=False) -> list[tuple[dict, object, int]]:
    """(labels, what `damaged_examples` draws, turn in degrees) of each case: all families, and the halves of which the
    crop knows the other one. With `turned`, facial parts in turned heads as well, their holes turned alike."""
    families = {name: name for name in masks.FAMILIES} | HALVES
    whole = [({"study": "family", "family": name}, family, 0) for name, family in families.items()]
    if not turned:
        return whole
    return whole + [({"study": "turn", "family": name, "turn": turn}, name, turn) for name in TURNED for turn in TURNS]


def examples(faces, config: Config, family, turn):
    """Images uint8 [N, size, size, 3] and masks [N, size, size, 1] of one case: `faces` turned by `turn` degrees, and
    their holes, but for that in the middle, with them."""
    images, holes = damaged_examples(faces, config, family)
    if not turn:
        return images, holes
    angles = np.full(len(faces), turn)
    images, _ = damaged_examples(np.asarray(pipeline.turned(faces, angles)), config, "centre")
    return images, holes if family == "centre" else np.uint8(pipeline.turned(np.float32(holes), angles).numpy() > 0.5)


def _frechet(images, restored, features) -> np.ndarray:
    """The Fréchet distance of N restored pictures from their originals, and then that of each of `RESAMPLES` draws of N
    of the faces: the same draws in every trial."""
    pair = [np.asarray(features(pipeline.to_float(pictures))) for pictures in (restored, images)]
    draws = np.random.default_rng(0).integers(0, len(images), (RESAMPLES, len(images)))
    return np.array([metrics.frechet_distance(*(side[drawn] for side in pair)) for drawn in [slice(None), *draws]])


def _values(images, restored, holes, family, whole_metrics, features) -> dict[str, np.ndarray]:
    """What is kept of one case: hole_psnr, lpips and, in `SHARPNESS`, high of each image; frechet as `_frechet`."""
    found = per_image(images, restored, holes, whole_metrics)
    values = {name: found[name] for name in ("hole_psnr", *whole_metrics)}
    if family in SHARPNESS:
        triples = zip(images, restored, holes[..., 0] > 0, strict=True)
        with np.errstate(invalid="ignore", divide="ignore"):  # a hole may be too small for it
            values["high"] = np.array([high_frequencies(*one) for one in triples])
    return values | ({"frechet": _frechet(images, restored, features)} if features else {})


def measure(restore: Restore, faces, config: Config, turned=False) -> list[dict]:
    """A row for each of the `cases`, with its progress.

    Keys: study, family, turn, n, hole_area; hole_psnr (dB) and, where its weights can be had, lpips as [mean, low,
    high]; high, the median share of the original's power in high frequencies that is in the hole; frechet; and values,
    what `_values` gives.
    """
    whole_metrics, features = perceptual(config.size)
    rows, todo = [], progress.shown(cases(turned), unit="case")
    for labels, family, turn in todo:
        images, holes = examples(faces, config, family, turn)
        seen = features if labels["study"] == "family" else None
        values = _values(images, restore(images, holes), holes, labels["family"], whole_metrics, seen)
        row = {**labels, "n": len(images), "hole_area": float(holes.mean())}
        row |= {name: mean_and_interval(values[name]) for name in ("hole_psnr", *whole_metrics)}
        row |= {"frechet": float(values["frechet"][0])} if seen else {}
        row |= {"high": float(np.nanmedian(values["high"]))} if "high" in values else {}
        rows.append({**row, "values": values})
    return rows


def key(row: dict) -> list:
    """What names a row's case: study, family and turn."""
    return [row["study"], row["family"], row.get("turn", 0)]


def read_values(path: Path) -> dict[tuple, dict[str, np.ndarray]]:
    """What `results.write_values` kept of rows labelled by their `key`: that → metric → float64 [N]."""
    with np.load(path, allow_pickle=False) as kept:
        keys = [tuple(json.loads(text)) for text in kept["rows"]]
        names = [name for name in METRICS if name in kept]
        arrays = {name: kept[name].astype(np.float64) for name in names}
    return {key: {name: arrays[name][i] for name in names if not np.isnan(arrays[name][i]).all()}
            for i, key in enumerate(keys)}  # fmt: skip
