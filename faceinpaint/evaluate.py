"""How good it is: every method on the same unseen faces and the same holes, one row for each family and method."""

import dataclasses
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint import celeba, figures, metrics, pipeline
from faceinpaint.baselines import BASELINES
from faceinpaint.config import Config, UserError
from faceinpaint.inpainter import Inpainter, load
from faceinpaint.masks import FAMILIES, WHOLE_SIDE, centre
from faceinpaint.train import read_environment, write_image, write_text

METRICS = {"l1": metrics.l1, "psnr": metrics.psnr, "ssim": metrics.ssim}
SHOWN = ("eyes", "nose", "mouth", "boxes", "strokes_20_40", "centre", "half", "pixels")  # in `showcase`
AREAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # the paper's growing mask
Restore = Callable[[np.ndarray, np.ndarray], np.ndarray]


def methods(inpainter: Inpainter) -> dict[str, Restore]:
    """Everything that is compared, by name: functions of (images uint8, masks) that return restored images uint8."""
    return {"faceinpaint": inpainter.restore, **BASELINES}


def damaged_examples(faces, config: Config, family, framing=WHOLE_SIDE):
    """Test pictures and their fixed holes: images uint8 [N, size, size, 3], masks uint8 [N, size, size, 1].

    faces: uint8 [N, S, S, 3]; family: a name in `masks.FAMILIES`, or a function like those; framing: side of the
    square shown, in pixels of the 178x218 original.
    """
    image, mask, _ = pipeline.fixed_examples(faces, config, family, framing)
    return pipeline.to_uint8(image).numpy(), mask.numpy().astype(np.uint8)


def per_image(images, restored, masks) -> dict[str, np.ndarray]:
    """Each metric of each image, float [N]: whole under the metric's name, hole only under `hole_` and its name."""
    image, result, mask = pipeline.to_float(images), pipeline.to_float(restored), masks.astype(np.float32)
    whole = {name: np.asarray(metric(image, result)) for name, metric in METRICS.items()}
    return whole | {f"hole_{name}": np.asarray(metric(image, result, mask)) for name, metric in METRICS.items()}


def mean_and_interval(values, seed=0, resamples=1000) -> list[float]:
    """[mean, low, high]: the mean over images and its 95 % bootstrap percentile interval (Efron 1979).

    Images without a value are left out: an empty hole has no hole-only metric, and an image restored to the last bit
    has an infinite PSNR.
    """
    values = values[np.isfinite(values)]
    draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    means = values[draws].mean(axis=1)
    return [float(values.mean()), *(float(bound) for bound in np.percentile(means, [2.5, 97.5]))]


def measure(restorers: dict[str, Restore], images, masks, **labels) -> list[dict]:
    """One row for each method: `labels`, its name, the number of images, the mean hole area, and each metric as
    [mean, low, high]."""
    rows = []
    for name, restore in restorers.items():
        values = per_image(images, restore(images, masks), masks)
        summary = {metric: mean_and_interval(value) for metric, value in values.items()}
        rows.append({**labels, "method": name, "n": len(images), "hole_area": float(masks.mean()), **summary})
    return rows


def evaluate(inpainter: Inpainter, data="auto", framings=(WHOLE_SIDE, 128), families=tuple(FAMILIES)) -> list[dict]:
    """Every method on the test faces of `data`, for each framing and family of holes.

    Returns rows with the keys framing, family, method, n, hole_area and l1, psnr (dB), ssim, hole_l1, hole_psnr,
    hole_ssim, each [mean, low, high] with the 95 % bootstrap interval. Raises `UserError` as `celeba.prepare` does.
    """
    prepared = celeba.prepare(data, inpainter.config)
    faces = prepared.test
    if not len(faces):
        raise UserError(f"{prepared.description}: no face is left for the test; add images")
    restorers, rows = methods(inpainter), []
    progress = tqdm([(framing, family) for framing in framings for family in families], unit="table", disable=None)
    for framing, family in progress:
        progress.set_description(f"{family} at {framing}")
        images, masks = damaged_examples(faces, inpainter.config, family, framing)
        rows += measure(restorers, images, masks, framing=framing, family=family)
    return rows


def evaluate_growth(inpainter: Inpainter, faces, areas=AREAS) -> list[dict]:
    """Rows like `evaluate`'s for a square hole in the middle that grows through `areas`, fractions of the image."""
    rows = []
    for area in areas:
        images, masks = damaged_examples(faces, inpainter.config, partial(centre, area=area))
        rows += measure(methods(inpainter), images, masks, framing=WHOLE_SIDE, family="growing", area=area)
    return rows


def showcase(inpainter: Inpainter, faces, seed=0):
    """Faces drawn by `seed`, not picked, each with another kind of damage: damaged, restored and original below one
    another. faces: uint8 [N, S, S, 3] → uint8 [height, width, 3]."""
    drawn = np.random.default_rng(seed).choice(len(faces), min(len(SHOWN), len(faces)), replace=False)
    examples = [damaged_examples(faces[[i]], inpainter.config, name) for i, name in zip(drawn, SHOWN, strict=False)]
    images, masks = (np.concatenate(stage) for stage in zip(*examples, strict=True))
    rows = [figures.damaged(images, masks), inpainter.restore(images, masks), images]
    return figures.tiles([list(row) for row in rows], SHOWN[: len(images)])


def write_evaluation(run: str | Path, data: str, out: Path) -> list[dict]:
    """`evaluate`s the run directory `run` and writes the rows to `out`, with the config and environment of the
    training and the command, and a `showcase` beside it as .png. Returns the rows. Raises `UserError` for a run
    without a trained generator and as `celeba.prepare` does."""
    inpainter = load(run)
    about = {
        "command": f"python -m faceinpaint evaluate --run {run} --data {data} --out {out}",
        "config": dataclasses.asdict(inpainter.config),
        "trained": read_environment(Path(run)),
    }
    rows = evaluate(inpainter, data)
    write_text(out, _as_json(about, rows))
    write_image(out.with_suffix(".png"), showcase(inpainter, celeba.prepare(data, inpainter.config).test))
    return rows


def _as_json(about: dict, rows: list[dict]) -> str:
    """`about` and a line for each of `rows`, their numbers kept to five decimals."""
    rounded = json.loads(json.dumps(rows), parse_float=lambda number: round(float(number), 5))
    lines = ",\n".join(json.dumps(row) for row in rounded)
    return f'{json.dumps(about, indent=1).removesuffix("}").rstrip()},\n "rows": [\n{lines}\n]}}\n'


def table(rows: list[dict], metric="hole_psnr", framing=WHOLE_SIDE) -> str:
    """A Markdown table of one metric: a line for each family, a column for each method, the best one bold."""
    rows = [row for row in rows if row["framing"] == framing]
    columns = list(dict.fromkeys(row["method"] for row in rows))
    lines = [f"| family | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    best = min if metric.endswith("l1") else max
    digits = 2 if metric.endswith("psnr") else 3
    for family in dict.fromkeys(row["family"] for row in rows):
        means = {row["method"]: row[metric][0] for row in rows if row["family"] == family}
        top = best(means.values())
        cells = [f"**{mean:.{digits}f}**" if mean == top else f"{mean:.{digits}f}" for mean in means.values()]
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_tables(text: str, rows: list[dict]) -> str:
    """`text` with every table between `<!-- table METRIC FRAMING -->` and `<!-- end -->` made anew from `rows`."""

    def made(match):
        return f"{match[1]}\n{table(rows, match[2], int(match[3]))}\n{match[4]}"

    return re.sub(r"(<!-- table (\w+) (\d+) -->)\n.*?(<!-- end -->)", made, text, flags=re.DOTALL)
