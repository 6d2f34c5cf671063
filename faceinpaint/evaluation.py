"""How good it is: every method on the same unseen faces and the same holes, one row for each case and method.

Three studies: by `family` of damage, by `area` of a growing hole, and by `turn` of the head. Whatever is chosen is
chosen by the validation faces; the test faces are for the last measurement of weights that are published.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from faceinpaint import lpips, metrics, pipeline
from faceinpaint.baselines import BASELINES
from faceinpaint.celeba import Faces, prepare
from faceinpaint.config import WHOLE_SIDE, Config, UserError
from faceinpaint.inpainter import Inpainter
from faceinpaint.masks import FAMILIES, centre
from faceinpaint.system import progress

METRICS = {"l1": metrics.l1, "psnr": metrics.psnr, "ssim": metrics.ssim}
AREAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # the paper's growing mask
TURNS = (-45, -30, -15, 0, 15, 30, 45)  # degrees: the paper's further work
LABELS = {"family": "{}", "area": "{:.0%}", "turn": "{:+d}°"}  # what the lines of each study's table are called
WITHOUT_MIRROR = "without_mirror"  # one look at the picture, in place of the mean over it and its mirror image
REAL = "training_faces"  # other real faces in place of restored ones: how near two sets of faces are by themselves
Restore = Callable[[np.ndarray, np.ndarray], np.ndarray]


def methods(inpainter: Inpainter) -> dict[str, Restore]:
    """What is compared, by name: functions of (images uint8, masks) that return restored images uint8."""
    single = partial(inpainter.restore, self_ensemble=False)
    return {"faceinpaint": inpainter.restore, WITHOUT_MIRROR: single} | BASELINES


def damaged_examples(faces, config: Config, family, framing=WHOLE_SIDE):
    """Unseen pictures and their fixed holes: images uint8 [N, size, size, 3], masks uint8 [N, size, size, 1].

    faces: uint8 [N, S, S, 3]; family: a name in `masks.FAMILIES`, or a function like those; framing: side of the
    square shown, in pixels of the 178x218 original.
    """
    image, mask, _ = pipeline.fixed_examples(faces, config, family, framing)
    return pipeline.to_uint8(image).numpy(), mask.numpy().astype(np.uint8)


def perceptual(side=WHOLE_SIDE) -> tuple[dict[str, Callable], Callable | None]:
    """LPIPS under its name, and the features that realism is measured by; {} and None, and a line that says why, when
    their weights cannot be had or pictures of `side` pixels are too small for them."""
    try:
        lpips.check_side(side)
        return {"lpips": lpips.load()}, lpips.load_features()
    except UserError as error:
        print(f"evaluating without LPIPS: {error}")
        return {}, None


def per_image(images, restored, masks, whole_metrics=METRICS) -> dict[str, np.ndarray]:
    """Each metric of each image, float [N]: whole under the metric's name, hole only under `hole_` and its name."""
    image, result, mask = pipeline.to_float(images), pipeline.to_float(restored), masks.astype(np.float32)
    whole = {name: np.asarray(metric(image, result)) for name, metric in whole_metrics.items()}
    return whole | {f"hole_{name}": np.asarray(metric(image, result, mask)) for name, metric in METRICS.items()}


def mean_and_interval(values, seed=0, resamples=1000) -> list[float]:
    """[mean, low, high]: the mean over images and its 95 % bootstrap percentile interval (Efron and Tibshirani 1993,
    "An introduction to the bootstrap", chapter 13).

    values: float [N]; resamples: how often N of them are drawn, with replacement, by `seed`.

    Images without a value are left out: an empty hole has no hole-only metric, and an image restored to the last bit
    has an infinite PSNR. Where all are, all three are NaN.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return [np.nan] * 3
    draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    means = values[draws].mean(axis=1)
    return [float(values.mean()), *(float(bound) for bound in np.percentile(means, [2.5, 97.5]))]


def realism(images, others, features: Callable) -> dict[str, list[float]]:
    """Fréchet distance of two sets of N pictures, by AlexNet's last convolution: N is in its name, for distances of
    other N cannot be compared. images, others: uint8 [N, H, W, 3]; features: see `lpips.load_features`."""
    pair = [np.asarray(features(pipeline.to_float(pictures))) for pictures in (images, others)]
    return {f"frechet_alexnet_{len(images)}": [metrics.frechet_distance(*pair)]}


def measure(restorers: dict[str, Restore], images, masks, whole_metrics=METRICS, features=None, **labels) -> list[dict]:
    """One row for each method, several methods at work at a time: `labels`, its name, the number of images, the mean
    hole area, each metric as [mean, low, high], with `features` the `realism`, and under "values" each image's."""

    def row(name):
        restored = restorers[name](images, masks)
        values = per_image(images, restored, masks, whole_metrics)
        summary = {metric: mean_and_interval(value) for metric, value in values.items()}
        summary |= realism(images, restored, features) if features else {}
        about = {**labels, "method": name, "n": len(images), "hole_area": float(masks.mean())}
        return about | summary | {"values": values}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(row, restorers))


def cases(framings=(WHOLE_SIDE, 128), families=tuple(FAMILIES), areas=AREAS, turns=TURNS) -> list[dict]:
    """What is measured, a dict for each case: its labels, and under "family" what `damaged_examples` draws.

    A head is turned only where the whole of it is shown, and its hole is the square in the middle, which stays where
    it is.
    """
    by_family = [{"study": "family", "framing": f, "family": name} for f in framings for name in families]
    by_area = [{"study": "area", "framing": WHOLE_SIDE, "area": a, "family": partial(centre, area=a)} for a in areas]
    by_turn = [{"study": "turn", "framing": WHOLE_SIDE, "turn": turn, "family": "centre"} for turn in turns]
    return by_family + by_area + by_turn


def evaluate_methods(restorers: dict[str, Restore], faces, config: Config, chosen=None, training=()) -> list[dict]:
    """Rows for `chosen` of the `cases`, all unless given, on `faces` uint8 [N, S, S, 3], with its progress.

    Keys: study, framing, family or area or turn, method, n, hole_area and l1, psnr (dB), ssim, lpips (where its
    weights can be had), hole_l1, hole_psnr, hole_ssim, each [mean, low, high] with the 95 % bootstrap interval; values,
    the same of each image; in the study of families frechet_alexnet_N. Where there are N `training` faces, N of them,
    drawn by the seed, stand beside the methods as `REAL`, with that distance alone.
    """
    lpips_metric, features = perceptual(config.size)
    drawn = np.random.default_rng(config.seed).permutation(len(training))[: len(faces)]
    real = np.stack([training[i] for i in np.sort(drawn)]) if features and len(drawn) == len(faces) else None
    rows, todo = [], progress.shown(chosen or cases(), unit="table")
    for case in todo:
        labels = {key: value for key, value in case.items() if not callable(value)}
        todo.set_description_str(_line(labels), refresh=False)
        turned = pipeline.turned(faces, np.full(len(faces), case["turn"])) if case.get("turn") else faces
        images, masks = damaged_examples(turned, config, case["family"], case["framing"])
        seen = features if case["study"] == "family" else None
        rows += measure(restorers, images, masks, METRICS | lpips_metric, seen, **labels)
        if seen and real is not None:
            others, _ = damaged_examples(real, config, case["family"], case["framing"])
            rows.append({**labels, "method": REAL, "n": len(real), **realism(images, others, features)})
    return rows


def evaluate(inpainter: Inpainter, data="auto", chosen=None, part="validation") -> list[dict]:
    """Rows as `evaluate_methods` gives them, of `inpainter` and the `BASELINES` on the validation faces of `data`, or
    on those of another `part`. Raises `UserError` as `celeba.prepare` does."""
    faces = unseen_faces(data, inpainter.config, part)
    return evaluate_methods(methods(inpainter), getattr(faces, part), inpainter.config, chosen, faces.train)


def unseen_faces(data, config: Config, part: str) -> Faces:
    """The faces of `data`. Raises `UserError` when none is in `part`, and as `celeba.prepare`."""
    prepared = prepare(data, config)
    if not len(getattr(prepared, part)):
        raise UserError(f"{prepared.description}: no {part} face is there; add images")
    return prepared


def _line(row: dict) -> str:
    """What a row's line is called in its study's table."""
    study = row["study"]
    return LABELS[study].format(row[study])


def table(rows: list[dict], metric="hole_psnr", framing=WHOLE_SIDE, study="family", interval=False) -> str:
    """A Markdown table of one metric in one study: a line for each case, a column for each method, the best bold, and
    what prints the same. With `interval` none is bold, and each mean has its 95 % interval."""
    rows = [row for row in rows if (row["framing"], row["study"]) == (framing, study) and metric in row]
    columns = list(dict.fromkeys(row["method"] for row in rows))
    lines = []
    for line in dict.fromkeys(map(_line, rows)):
        means = {row["method"]: row[metric] for row in rows if _line(row) == line}
        cells = [_with_interval(value, metric) for value in means.values()] if interval else _cells(means, metric)
        lines.append([line, *cells])
    return markdown([study, *columns], lines)


def markdown(head: list[str], lines: list[list[str]], texts=1) -> str:
    """A table of `lines` under their `head`: the first `texts` columns of words, the others of numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(line)} |" for line in lines)])


def _digits(metric: str) -> int:
    return 2 if metric.endswith("psnr") or metric.startswith("frechet") else 3


def _cells(values: dict[str, list[float]], metric: str) -> list[str]:
    best = min if "l1" in metric or metric.startswith(("lpips", "frechet")) else max
    texts = {name: f"{mean:.{_digits(metric)}f}" for name, (mean, *_) in values.items()}
    top = texts[best((name for name in values if name != REAL), key=lambda name: values[name][0])]
    return [f"**{text}**" if text == top and name != REAL else text for name, text in texts.items()]


def _with_interval(value: list[float], metric: str) -> str:
    mean, low, high = (f"{number:+.{_digits(metric)}f}" for number in value)
    return f"{mean} ({low} to {high})"
