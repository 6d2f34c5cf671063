"""How good it is: every method on the same unseen faces and the same holes, one row for each case and method.

Three studies: by `family` of damage, by `area` of a growing hole, and by `turn` of the head.
"""

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint import celeba, figures, lpips, metrics, pipeline
from faceinpaint.baselines import BASELINES
from faceinpaint.config import Config, UserError
from faceinpaint.inpainter import Inpainter
from faceinpaint.masks import FAMILIES, WHOLE_SIDE, centre
from faceinpaint.system.files import write_image, write_text
from faceinpaint.variations import load

METRICS = {"l1": metrics.l1, "psnr": metrics.psnr, "ssim": metrics.ssim}
SHOWN = ("eyes", "nose", "mouth", "boxes", "strokes_20_40", "centre", "half", "pixels")  # in `showcase`
AREAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # the paper's growing mask
TURNS = (-45, -30, -15, 0, 15, 30, 45)  # degrees: the paper's further work
LABELS = {"family": "{}", "area": "{:.0%}", "turn": "{:+d}°"}  # what the lines of each study's table are called
# The best published at 64x64 on CelebA, PSNR over the whole image in dB at framing 128: VAEAC (Ivanov et al. 2019) as
# implemented anew by rohitrango.
PUBLISHED = {"centre": 25.02, "pattern": 24.60, "pixels": 24.93, "half": 17.48, "published_eyes": 30.32,
             "published_mouth": 28.20}  # fmt: skip
Restore = Callable[[np.ndarray, np.ndarray], np.ndarray]


def methods(inpainter: Inpainter) -> dict[str, Restore]:
    """What is compared, by name: functions of (images uint8, masks) that return restored images uint8."""
    return {"faceinpaint": inpainter.restore} | BASELINES


def damaged_examples(faces, config: Config, family, framing=WHOLE_SIDE):
    """Test pictures and their fixed holes: images uint8 [N, size, size, 3], masks uint8 [N, size, size, 1].

    faces: uint8 [N, S, S, 3]; family: a name in `masks.FAMILIES`, or a function like those; framing: side of the
    square shown, in pixels of the 178x218 original.
    """
    image, mask, _ = pipeline.fixed_examples(faces, config, family, framing)
    return pipeline.to_uint8(image).numpy(), mask.numpy().astype(np.uint8)


def perceptual_metric() -> dict[str, Callable]:
    """LPIPS under its name, or nothing, and a line that says why, when its weights cannot be had."""
    try:
        return {"lpips": lpips.load()}
    except UserError as error:
        print(f"evaluating without LPIPS: {error}")
        return {}


def per_image(images, restored, masks, whole_metrics=METRICS) -> dict[str, np.ndarray]:
    """Each metric of each image, float [N]: whole under the metric's name, hole only under `hole_` and its name."""
    image, result, mask = pipeline.to_float(images), pipeline.to_float(restored), masks.astype(np.float32)
    whole = {name: np.asarray(metric(image, result)) for name, metric in whole_metrics.items()}
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


def measure(restorers: dict[str, Restore], images, masks, whole_metrics=METRICS, **labels) -> list[dict]:
    """One row for each method, several methods at work at a time: `labels`, its name, the number of images, the mean
    hole area, and each metric as [mean, low, high]."""

    def row(name):
        values = per_image(images, restorers[name](images, masks), masks, whole_metrics)
        summary = {metric: mean_and_interval(value) for metric, value in values.items()}
        return {**labels, "method": name, "n": len(images), "hole_area": float(masks.mean()), **summary}

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


def evaluate_methods(restorers: dict[str, Restore], faces, config: Config, chosen=None) -> list[dict]:
    """Rows for `chosen` of the `cases`, all unless given, on `faces` uint8 [N, S, S, 3], with a progress bar.

    Keys: study, framing, family or area or turn, method, n, hole_area and l1, psnr (dB), ssim, lpips (where its
    weights can be had), hole_l1, hole_psnr, hole_ssim, each [mean, low, high] with the 95 % bootstrap interval.
    """
    whole_metrics, rows = METRICS | perceptual_metric(), []
    progress = tqdm(chosen or cases(), unit="table", disable=None)
    for case in progress:
        labels = {key: value for key, value in case.items() if not callable(value)}
        progress.set_description(_line(labels))
        turned = pipeline.turned(faces, np.full(len(faces), case["turn"])) if case.get("turn") else faces
        images, masks = damaged_examples(turned, config, case["family"], case["framing"])
        rows += measure(restorers, images, masks, whole_metrics, **labels)
    return rows


def evaluate(inpainter: Inpainter, data="auto", chosen=None) -> list[dict]:
    """Rows as `evaluate_methods` gives them, of `inpainter` and the `BASELINES` on the test faces of `data`.

    Raises `UserError` as `celeba.prepare` does.
    """
    return evaluate_methods(methods(inpainter), test_faces(data, inpainter.config), inpainter.config, chosen)


def test_faces(data, config: Config) -> np.ndarray:
    """The test faces of `data`, uint8 [N, S, S, 3]. Raises `UserError` when there is none, and as `celeba.prepare`."""
    prepared = celeba.prepare(data, config)
    if not len(prepared.test):
        raise UserError(f"{prepared.description}: no face is left for the test; add images")
    return prepared.test


def showcase(restorers: dict[str, Restore], faces, config: Config, seed=0):
    """Faces drawn by `seed`, not picked, each with another kind of damage: damaged, restored by each of `restorers`
    and original below one another. faces: uint8 [N, S, S, 3] → uint8 [height, width, 3]."""
    drawn = np.random.default_rng(seed).choice(len(faces), min(len(SHOWN), len(faces)), replace=False)
    examples = [damaged_examples(faces[[i]], config, name) for i, name in zip(drawn, SHOWN, strict=False)]
    images, masks = (np.concatenate(stage) for stage in zip(*examples, strict=True))
    restored = {name: restore(images, masks) for name, restore in restorers.items()}
    rows = {"damaged": figures.damaged(images, masks)} | restored | {"original": images}
    return figures.tiles(list(rows.values()), SHOWN[: len(images)], list(rows))


def write_evaluation(runs: list[str] | None, data: str, out: Path, first: int | None = None) -> list[dict]:
    """Evaluates the run directories `runs` side by side, the weights that come with the package unless given, on the
    `first` test faces, on all unless given. Writes the rows to `out`, with the config, environment and history of each
    training and the command, and a `showcase` of them beside it as .png. Returns the rows.

    One run is called faceinpaint, several by their folders' names. Raises `UserError` for a run without a trained
    generator, for runs of one name or of different sizes and as `celeba.prepare` does.
    """
    folders = [Path(run) for run in runs or [runs.WEIGHTS]]
    names = ["faceinpaint"] if len(folders) == 1 else [folder.resolve().name for folder in folders]
    if len({*names, *BASELINES}) < len(names) + len(BASELINES):
        raise UserError(f"--run {' '.join(runs)}: two methods of one name; each run's folder needs a name of its own")
    inpainters = [load(folder) for folder in folders]
    config = inpainters[0].config
    if len({inpainter.config.size for inpainter in inpainters}) > 1:
        raise UserError(f"{', '.join(runs)}: networks of different sizes; evaluate them one by one")
    asked = (f"--run {' '.join(runs)} " if runs else "") + (f"--faces {first} " if first else "")
    about = {
        "command": f"python -m faceinpaint evaluate {asked}--data {data} --out {out}",
        "trained": {name: runs.record_in(folder).to_dict() for name, folder in zip(names, folders, strict=True)},
    }
    faces = test_faces(data, config)[:first]
    restorers = {name: inpainter.restore for name, inpainter in zip(names, inpainters, strict=True)}
    rows = evaluate_methods(restorers | BASELINES, faces, config)
    write_text(out, _as_json(about, rows))
    write_image(out.with_suffix(".png"), showcase(restorers, faces, config))
    return rows


def _as_json(about: dict, rows: list[dict]) -> str:
    """`about` and a line for each of `rows`, their numbers kept to five decimals."""
    rounded = json.loads(json.dumps(rows), parse_float=lambda number: round(float(number), 5))
    lines = ",\n".join(json.dumps(row) for row in rounded)
    return f'{json.dumps(about, indent=1).removesuffix("}").rstrip()},\n "rows": [\n{lines}\n]}}\n'


def _line(row: dict) -> str:
    """What a row's line is called in its study's table."""
    study = row["study"]
    return LABELS[study].format(row[study])


def table(rows: list[dict], metric="hole_psnr", framing=WHOLE_SIDE, study="family") -> str:
    """A Markdown table of one metric in one study: a line for each case, a column for each method, the best bold."""
    rows = [row for row in rows if (row["framing"], row["study"]) == (framing, study) and metric in row]
    columns = list(dict.fromkeys(row["method"] for row in rows))
    lines = [f"| {study} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    best = min if metric.endswith(("l1", "lpips")) else max
    digits = 2 if metric.endswith("psnr") else 3
    for line in dict.fromkeys(map(_line, rows)):
        means = {row["method"]: row[metric][0] for row in rows if _line(row) == line}
        top = best(means.values())
        cells = [f"**{mean:.{digits}f}**" if mean == top else f"{mean:.{digits}f}" for mean in means.values()]
        lines.append(f"| {line} | {' | '.join(cells)} |")
    return "\n".join(lines)


def published_table(rows: list[dict], framings=(128, WHOLE_SIDE)) -> str:
    """A Markdown table: the best published PSNR beside ours, and our LPIPS, over the whole image."""
    rows = [row for row in rows if (row["study"], row["method"]) == ("family", "faceinpaint")]
    ours = {(row["framing"], row["family"]): row for row in rows}
    heads = [f"{metric} at {framing}" for framing in framings for metric in ("PSNR", "LPIPS")]
    lines = [f"| family | published | {' | '.join(heads)} |", f"|---|{'---:|' * (1 + len(heads))}"]
    for family, published in PUBLISHED.items():
        cells = [f"{published:.2f}"]
        for row in (ours[framing, family] for framing in framings):
            cells += [f"{row['psnr'][0]:.2f}", f"{row['lpips'][0]:.4f}" if "lpips" in row else "-"]
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_tables(text: str, rows: list[dict], mark="table") -> str:
    """`text` with every table between `<!-- MARK METRIC FRAMING STUDY -->`, or, where the mark is "table",
    `<!-- published -->`, and `<!-- end -->` made from `rows`."""

    def made(match):
        asked = match[1].split()
        new = published_table(rows) if asked == ["published"] else table(rows, asked[1], int(asked[2]), asked[3])
        return f"<!-- {match[1]} -->\n{new}\n<!-- end -->"

    marks = rf"{mark} \w+ \d+ \w+" + ("|published" if mark == "table" else "")
    return re.sub(rf"<!-- ({marks}) -->\n.*?<!-- end -->", made, text, flags=re.DOTALL)
