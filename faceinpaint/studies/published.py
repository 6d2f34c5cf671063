"""The weights beside the best figures published for CelebA at 64x64, on the protocol of those figures.

The figures are of an unrefereed re-implementation of VAEAC (Ivanov et al. 2019) by students, `SOURCE`. Its loader
squeezes whole pictures of 178x218 to 64x64, so faces look broad; its files were reduced to 64x64 before that, by a
filter that it does not name; it measures the PSNR of the whole raw output, the known pixels not pasted back; it splits
images at random, so that a person can be in training and test; and it has one network for each mask. Here one set of
weights restores all masks, on unseen persons, and never saw squeezed faces. Raw output and pasted restorations are
measured, squeezed by area and by the bilinear filter of that loader's code.
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from faceinpaint import celeba, metrics, pipeline
from faceinpaint.config import UserError
from faceinpaint.evaluation import markdown, mean_and_interval
from faceinpaint.fills import FILLS
from faceinpaint.inpainter import Inpainter
from faceinpaint.masks import FAMILIES, damage_by_index, rectangle
from faceinpaint.runs import WEIGHTS, folder
from faceinpaint.studies.results import as_json, celeba_faces, command, measured_on
from faceinpaint.system import files, progress
from faceinpaint.variations import load

SOURCE = "https://github.com/rohitrango/Variational-Autoencoder-with-Arbitrary-Conditioning"
SIZE = 64  # pixels


def _box(top: int, bottom: int, left: int, right: int):
    """The family of one rectangle: rows from `top` to before `bottom`, columns alike."""
    return partial(rectangle, rows=(top, bottom - 1), columns=(left, right - 1))


FILTERS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR}
# PSNR in dB over the whole image. O1 to O6 are the masks of Generative Face Completion (Li et al. 2017), halved to 64
# pixels, half-open rows and columns as there; O2, the right half, looks mistyped there and is left out.
PUBLISHED = {
    "centre": (25.02, FAMILIES["centre"]),
    "pattern": (24.60, FAMILIES["pattern"]),
    "pixels": (24.93, FAMILIES["pixels"]),
    "half": (17.48, FAMILIES["half"]),
    "O1": (27.59, _box(26, 57, 16, 35)),
    "O3": (30.32, _box(26, 36, 14, 49)),
    "O4": (31.38, _box(26, 36, 14, 33)),
    "O5": (32.28, _box(26, 36, 30, 49)),
    "O6": (28.20, _box(43, 61, 20, 43)),
}


def squeezed(pictures, filter_name: str) -> np.ndarray:
    """Whole pictures uint8 [N, H, W, 3] → [N, 64, 64, 3], their proportions not kept."""
    return np.stack([cv2.resize(picture, (SIZE, SIZE), interpolation=FILTERS[filter_name]) for picture in pictures])


def raw_output(inpainter: Inpainter, images, masks, batch_size=64) -> np.ndarray:
    """The generator's output, known pixels and all: uint8 as `images` [N, 64, 64, 3]; masks: float [N, 64, 64, 1]."""
    outputs = []
    for start in range(0, len(images), batch_size):
        image, mask = pipeline.to_float(images[start : start + batch_size]), masks[start : start + batch_size]
        filled_image = FILLS[inpainter.config.fill](image, mask, tf.constant([inpainter.config.seed, start]))
        outputs.append(pipeline.to_uint8(inpainter.generate(filled_image, mask)).numpy())
    return np.concatenate(outputs)


def measure(inpainter: Inpainter, pictures) -> list[dict]:
    """A row for each mask and filter, on whole `pictures` uint8 [N, 218, 178, 3].

    Keys: family, filter, n, published (dB), and PSNR over the whole image in dB as [mean, low, high]: raw, pasted, and
    how far each is above the published figure, raw_above and pasted_above.
    """
    rows = []
    frames = pipeline.centred_frames(len(pictures))
    for family, (published, draw) in progress.shown(PUBLISHED.items(), total=len(PUBLISHED), unit="mask"):
        masks = damage_by_index(draw, np.arange(len(pictures)), frames, SIZE, inpainter.config.seed).numpy()
        for name in FILTERS:
            images = squeezed(pictures, name)
            raw = raw_output(inpainter, images, masks)
            psnr = {"raw": _psnr(images, raw), "pasted": _psnr(images, np.where(masks > 0, raw, images))}
            above = {f"{kind}_above": [value - published for value in mean] for kind, mean in psnr.items()}
            about = {"family": family, "filter": name, "n": len(pictures), "hole_area": float(masks.mean())}
            rows.append(about | {"published": published} | psnr | above)
    return rows


def _psnr(images, restored) -> list[float]:
    return mean_and_interval(metrics.psnr(pipeline.to_float(images), pipeline.to_float(restored)).numpy())


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table: a line for each mask, dB."""
    kinds = [(name, kind) for name in FILTERS for kind in ("raw", "pasted")]
    lines = []
    for family in dict.fromkeys(row["family"] for row in rows):
        row_of = {row["filter"]: row for row in rows if row["family"] == family}
        cells = [f"{row_of['area']['published']:.2f}"]
        for name, kind in kinds:
            text, above = f"{row_of[name][kind][0]:.2f}", row_of[name][f"{kind}_above"][0]
            cells.append(f"**{text}**" if above > 0 else text)
        lines.append([family, *cells])
    return markdown(["mask", "published", *(f"{kind}, {name}" for name, kind in kinds)], lines)


def write(runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """The study, as `studies.STUDIES` has it. Raises `UserError` for networks of another size than 64 pixels, and as
    `results.celeba_faces`."""
    (run,) = runs or [None]
    inpainter = load(run)
    if inpainter.config.size != SIZE:
        raise UserError(f"--study published: is of networks of {SIZE} pixels; --run has {inpainter.config.size}")
    faces = celeba_faces(data, part)
    pictures = celeba.originals(faces, part, data)[:first]
    written = {
        "command": command("published", runs, data, part, first, out),
        "source": SOURCE,
        **measured_on(faces, part),
        "trained": {"faceinpaint": folder.record_in(Path(run or WEIGHTS)).to_dict()},
        "rows": measure(inpainter, pictures),
    }
    files.write_text(out, as_json(written))
    return table(written["rows"])
