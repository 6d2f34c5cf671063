"""Photographs: holes painted at CelebA's own 178 pixels, restored by `restore_photo` exactly as a user's photo is.

Beside it the classical methods, and the truth itself passed through a picture of 64 and of 128 pixels, which no network
of that size can surpass. Several runs are compared on the same faces, whatever the size of their networks.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from faceinpaint import baselines, figures, lite
from faceinpaint.evaluation import markdown, perceptual
from faceinpaint.photo.alignment import centred_face
from faceinpaint.photo.repair import restore_photo
from faceinpaint.runs import folder
from faceinpaint.studies import damage, measures
from faceinpaint.studies.results import as_json, celeba_faces, command, differences, measured_on, named, without_values
from faceinpaint.system import files, progress

SHOWN = 3  # faces on the contact sheet for each hole
IRIS = 8, 6  # half axes of what the colour of an eye is measured in
DIGITS = {"psnr": 2, "lpips": 4, "high": 2}  # of the table


def passed_through(image, hole, size):
    """`image` uint8 [H, W, 3] with its `hole` as a picture of `size` pixels has it."""
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return np.where(hole[..., None], cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), image)


def repaired(image, hole, restorer, face=None, **options):
    """`image` uint8 [H, W, 3] with its `hole`, in which there is nothing to be seen, repaired as a user's photo is.

    face: its landmarks; unless given, the eyes of a picture cut as CelebA's are; options: of `restore_photo`.
    """
    damaged = np.where(hole[..., None], np.uint8(128), image)
    face = centred_face(*hole.shape) if face is None else face
    return restore_photo(damaged, hole, restorer, [face], **options)[0]


def networks(restorers: dict, **options) -> dict[str, Callable]:
    """Functions of (image uint8 [H, W, 3], hole bool [H, W]) → the restored image, by name.

    restorers: name → `Inpainter` or `LiteInpainter`; options: of `restore_photo`.
    """
    return {name: partial(repaired, restorer=restorer, **options) for name, restorer in restorers.items()}


# What stands beside the networks: functions like theirs.
BESIDE = {name: baselines.BASELINES[name] for name in ("telea", "navier_stokes", "biharmonic")}
BESIDE |= {f"truth through {size} px": partial(passed_through, size=size) for size in (64, 128)}


def colour_errors(images, restored) -> dict[str, np.ndarray]:
    """How far the mean colour of the left eye is from its truth, and from its partner's: levels of 255, float [N]."""
    eye, partner = (damage.ellipse(centre, IRIS) for centre in (damage.LEFT, damage.RIGHT))
    drawn, true, other = (
        np.array([picture[where].mean(axis=0) for picture in pictures])
        for pictures, where in ((restored, eye), (images, eye), (images, partner))
    )
    return {"colour": np.abs(drawn - true).mean(axis=1), "partner": np.abs(drawn - other).mean(axis=1)}


def rows_of(compared: dict, smooth: dict, faces, name, whole_metrics) -> list[dict]:
    """A row for each method and the hole `name`, of `faces` uint8 [N, 178, 178, 3].

    Keys: hole, method, n, and as [mean, low, high] psnr (dB, in the hole), lpips (whole picture), high
    (`measures.high_frequencies`) and for one eye colour and partner; values, the same of each face.

    compared: functions as `networks` gives them; smooth: those of them that lay grain over a grainy photo, without it:
    of their pictures the high frequencies are.
    """
    holes, rows = damage.holes(name, len(faces)), []
    for method, restore in compared.items():
        restored = [restore(*one) for one in zip(faces, holes, strict=True)]
        found = measures.values(faces, restored, holes, whole_metrics)
        if method in smooth:
            without = [smooth[method](*one) for one in zip(faces, holes, strict=True)]
            found["high"] = measures.values(faces, without, holes, {})["high"]
        if name == "one eye":
            found |= colour_errors(faces, restored)
        rows.append({"hole": name, "method": method, "n": len(faces), **measures.means(found), "values": found})
    return rows


def sheet(compared: dict, faces):
    """A row for each hole and some faces: damaged, restored by each method, original. uint8 [height, width, 3]."""
    names = list(damage.HOLES)
    pictures, titles = [], [names[number % len(names)] for number in range(min(len(faces), SHOWN * len(names)))]
    for number, (image, name) in enumerate(zip(faces, titles, strict=False)):
        hole = damage.holes(name, number + 1)[number]
        restored = [restore(image, hole) for restore in compared.values()]
        pictures.append([figures.damaged(image, hole[..., None]), *restored, image])
    columns = [name.removeprefix("truth ") for name in compared]
    return figures.tiles(pictures, ["damaged", *columns, "original"], titles)


def table(rows: list[dict], interval=False) -> str:
    """The rows as a Markdown table: a line for each hole, a column for each method: PSNR, LPIPS and high frequencies.
    With `interval` each mean has its 95 % interval."""
    columns = list(dict.fromkeys(row["method"] for row in rows))
    metrics = [name for name in DIGITS if name in rows[0]]
    lines = []
    for hole in dict.fromkeys(row["hole"] for row in rows):
        cells = []
        for row in (row for row in rows if row["hole"] == hole):
            cells.append(" / ".join(number(row[name], DIGITS[name], interval) for name in metrics))
        lines.append([hole, *cells])
    return markdown([f"hole ({' / '.join(metrics)})", *columns], lines)


def number(value, digits, interval) -> str:
    """[mean, low, high] as the mean alone, or with its interval."""
    mean, low, high = value
    return f"{mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})" if interval else f"{mean:.{digits}f}"


def write(runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """The study, as `studies.STUDIES` has it; beside `out`, as .png, a contact sheet. For several runs `out` receives
    the "differences" of all methods from the first, face by face.

    Raises `UserError` for a run that was not exported, for runs of one name, and as `celeba_faces`.
    """
    folders = named(runs or [folder.finest()])
    trained = {name: folder.record_in(run).to_dict() for name, run in folders.items()}
    faces = celeba_faces(data, part)
    pictures = getattr(faces, part)[:first]
    restorers, (whole_metrics, _) = {name: lite.load(run) for name, run in folders.items()}, perceptual()
    compared, smooth = networks(restorers) | BESIDE, networks(restorers, with_grain=False)
    names = progress.shown(damage.HOLES, unit="hole")
    rows = [row for name in names for row in rows_of(compared, smooth, pictures, name, whole_metrics)]
    metrics = [*DIGITS, "colour", "partner"]
    paired = differences(rows, next(iter(folders)), ["hole"], metrics) if len(folders) > 1 else []
    about = {"command": command("photo", runs, data, part, first, out), **measured_on(faces, part)}
    lists = {"rows": without_values(rows)} | ({"differences": paired} if paired else {})
    files.write_text(out, as_json(about | {"trained": trained} | lists))
    files.write_image(out.with_suffix(".png"), sheet(compared, pictures))
    return "\n\n".join([table(rows), *([table(paired, interval=True)] if paired else [])])
