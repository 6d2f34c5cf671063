"""Photographs: holes painted at CelebA's own 178 pixels, restored by `restore_photo` exactly as a user's photo is.

Beside it the classical methods, and the truth itself passed through a picture of 64 and of 128 pixels, which no network
of that size can surpass.
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from faceinpaint import baselines, figures, lite
from faceinpaint.config import WHOLE_SIDE, Config, UserError
from faceinpaint.evaluation import mean_and_interval, perceptual, unseen_faces
from faceinpaint.photo.alignment import centred_face
from faceinpaint.photo.light import LUMA
from faceinpaint.photo.repair import restore_photo
from faceinpaint.pipeline import to_float
from faceinpaint.runs import WEIGHTS, folder
from faceinpaint.studies.results import as_json, command, measured_on
from faceinpaint.system import files, progress

SHOWN = 8  # faces on the contact sheet, one for each hole in turn
LEFT_EYE, RIGHT_EYE = (69, 91), (108, 91)
IRIS = 8, 6  # half axes of what the colour of an eye is measured in


def ellipse(centre, axes, shape=(WHOLE_SIDE, WHOLE_SIDE)):
    """bool of `shape`; centre: (x, y); axes: half of its width and height."""
    hole = np.zeros(shape, np.uint8)
    return cv2.ellipse(hole, centre, axes, 0, 0, 360, 1, -1).astype(bool)


def rectangle(top, bottom, left, right):
    """Rows from `top` to before `bottom`, columns alike: bool [178, 178]."""
    hole = np.zeros((WHOLE_SIDE, WHOLE_SIDE), bool)
    hole[top:bottom, left:right] = True
    return hole


def lines(seed, width, side=WHOLE_SIDE):
    """Four straight lines of `width` pixels, drawn by `seed` in a face of `side` pixels: bool [side, side]."""
    hole, scale = np.zeros((side, side), np.uint8), side / WHOLE_SIDE
    rng = np.random.default_rng(seed)
    for _ in range(4):
        start = rng.integers(20, 158, 2)
        end = start + rng.integers(-90, 91, 2)
        cv2.line(hole, *((int(x * scale), int(y * scale)) for x, y in (start, end)), 1, width)
    return hole.astype(bool)


EYE = ellipse(LEFT_EYE, (17, 12))
HALF_MOUTH = ellipse((77, 132), (14, 13)) & (np.arange(WHOLE_SIDE) < 89)
# name → the hole of the face of this number, bool [178, 178]
HOLES = {
    "one eye": lambda _: EYE,
    "both eyes": lambda _: EYE | ellipse(RIGHT_EYE, (17, 12)),
    "nose": lambda _: ellipse((88, 114), (15, 20)),
    "mouth": lambda _: ellipse((89, 132), (24, 13)),
    "half a mouth": lambda _: HALF_MOUTH,
    "cheek and eye": lambda _: rectangle(60, 150, 30, 86),
    "left half": lambda _: rectangle(0, WHOLE_SIDE, 0, 89),
    "centre": lambda _: rectangle(44, 133, 44, 133),
    "scratches, 3 px": partial(lines, width=3),
    "strokes, 12 px": partial(lines, width=12),
}


def passed_through(image, hole, size):
    """`image` uint8 [H, W, 3] with its `hole` as a picture of `size` pixels has it."""
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return np.where(hole[..., None], cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), image)


def methods(restorer) -> dict:
    """What is compared, by name: functions of (image uint8 [H, W, 3], hole bool [H, W]) → the restored image."""
    classical = {name: baselines.BASELINES[name] for name in ("telea", "navier_stokes", "biharmonic")}
    through = {f"truth through {size} px": partial(passed_through, size=size) for size in (64, 128)}

    def ours(image, hole):
        damaged = np.where(hole[..., None], np.uint8(128), image)
        return restore_photo(damaged, hole, restorer, [centred_face(*hole.shape)])[0]

    return {"faceinpaint": ours} | classical | through


def psnr(image, restored, where) -> float:
    """dB, over the pixels of the bool `where`."""
    return float(10 * np.log10(255**2 / np.square(image[where].astype(float) - restored[where]).mean()))


def detail(image, restored, hole) -> float:
    """How much of the original's detail the hole holds: the power of the luma's Laplacian, a pixel from the rim."""
    inner = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    power = [np.square(cv2.Laplacian(picture @ LUMA, cv2.CV_32F)[inner]).mean() for picture in (restored, image)]
    return float(power[0] / power[1])


def colour_errors(image, restored) -> dict[str, float]:
    """How far the mean colour of the left eye is from its truth, and from its partner's: levels of 255."""
    eye, partner = (ellipse(centre, IRIS) for centre in (LEFT_EYE, RIGHT_EYE))
    colour = restored[eye].mean(axis=0)
    others = {"colour": image[eye].mean(axis=0), "partner": image[partner].mean(axis=0)}
    return {name: float(np.abs(colour - other).mean()) for name, other in others.items()}


def rows_of(compared: dict, faces, name, whole_metrics) -> list[dict]:
    """A row for each method and the hole `name`: psnr (dB, in the hole), lpips (whole picture), detail, and for one eye
    colour and partner, each as [mean, low, high]. faces: uint8 [N, 178, 178, 3]."""
    holes, rows = [HOLES[name](number) for number in range(len(faces))], []
    for method, restore in compared.items():
        pairs = [(image, restore(image, hole), hole) for image, hole in zip(faces, holes, strict=True)]
        measured = {"psnr": [psnr(*pair) for pair in pairs], "detail": [detail(*pair) for pair in pairs]}
        if name == "one eye":
            colours = [colour_errors(image, restored) for image, restored, _ in pairs]
            measured |= {key: [errors[key] for errors in colours] for key in colours[0]}
        for metric, distance in whole_metrics.items():
            measured[metric] = np.concatenate([distance(*map(to_float, pair[:2])) for pair in _batches(pairs)])
        means = {metric: mean_and_interval(np.array(values)) for metric, values in measured.items()}
        rows.append({"study": "photo", "hole": name, "method": method, "n": len(faces), **means})
    return rows


def _batches(pairs, size=20):
    for start in range(0, len(pairs), size):
        yield [np.stack(pictures) for pictures in zip(*pairs[start : start + size], strict=True)]


def sheet(compared: dict, faces):
    """A row for each hole and some faces: damaged, restored by each method, original. uint8 [height, width, 3]."""
    pictures, names = [], list(HOLES)
    for number, image in enumerate(faces[: SHOWN * len(names)]):
        hole = HOLES[names[number % len(names)]](number)
        restored = [restore(image, hole) for restore in compared.values()]
        pictures.append([figures.damaged(image, hole[..., None]), *restored, image])
    titles = [names[number % len(names)] for number in range(len(pictures))]
    return figures.tiles(pictures, ["damaged", *compared, "original"], titles)


def table(rows: list[dict], metrics=("psnr", "lpips", "detail")) -> str:
    """The rows as a Markdown table: a line for each hole, a column for each method: PSNR, LPIPS and detail."""
    columns = list(dict.fromkeys(row["method"] for row in rows))
    lines = [f"| hole ({' / '.join(metrics)}) | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for hole in dict.fromkeys(row["hole"] for row in rows):
        cells = []
        for row in (row for row in rows if row["hole"] == hole):
            digits = {"psnr": 2, "lpips": 4, "detail": 2}
            cells.append(" / ".join(f"{row[name][0]:.{digits[name]}f}" for name in metrics if name in row))
        lines.append(f"| {hole} | {' | '.join(cells)} |")
    return "\n".join(lines)


def only_run(runs: list[str] | None, study) -> str | None:
    """The one run of a study of photographs. Raises `UserError` for several."""
    run, *more = runs or [None]
    if more:
        raise UserError(f"--study {study}: is of one run; name one with --run")
    return run


def write(runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """The study, as `studies.STUDIES` has it; beside `out`, as .png, a contact sheet. Raises `UserError` for several
    runs, for one that was not exported, and for images of another size than CelebA's."""
    run = only_run(runs, "photo")
    faces = unseen_faces(data, Config(size=64), part)
    pictures = getattr(faces, part)[:first]
    if pictures.shape[1] != WHOLE_SIDE:
        raise UserError(f"--data {data}: pictures of {pictures.shape[1]} pixels; this study wants CelebA's of 178x218")
    compared, (whole_metrics, _) = methods(lite.load(run)), perceptual()
    names = progress.shown(HOLES, unit="hole")
    rows = [row for name in names for row in rows_of(compared, pictures, name, whole_metrics)]
    about = {"command": command("photo", runs, data, part, first, out), **measured_on(faces, part)}
    about |= {"trained": {"faceinpaint": folder.record_in(Path(run or WEIGHTS)).to_dict()}, "rows": rows}
    files.write_text(out, as_json(about))
    files.write_image(out.with_suffix(".png"), sheet(compared, pictures))
    return table(rows)
