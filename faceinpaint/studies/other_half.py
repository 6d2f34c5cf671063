"""What detail from the face's other half, and from another photo of the same person, adds to a repaired photograph.

Holes are drawn at CelebA's own 178 pixels, as the whole frame has them, and the same photographs restored without and
with it: PSNR in the hole, LPIPS of the whole picture and the share of the original's high-frequency power that is in
the hole. Large photographs, where `PHOTOS` names a folder of them, count by the LPIPS of the hole's surroundings.
"""

import itertools
import os
import time
from pathlib import Path

import cv2
import numpy as np

from faceinpaint import lite
from faceinpaint.config import WHOLE_SIDE
from faceinpaint.evaluation import markdown, mean_and_interval, perceptual
from faceinpaint.photo.alignment import WHOLE_FRAME, centred_face, resampled
from faceinpaint.photo.reference import Reference
from faceinpaint.photo.upright import with_nose
from faceinpaint.studies.damage import HOLES, LEFT_EYE, RIGHT_EYE, around, ellipse, holes, placed
from faceinpaint.studies.measures import values
from faceinpaint.studies.photo import DIGITS, number, repaired
from faceinpaint.studies.results import as_json, celeba_faces, command, measured_on
from faceinpaint.system import files, progress

PHOTOS = "FACEINPAINT_PHOTOS"  # an environment variable: a folder of faces of 1,024 pixels, aligned as FFHQ's are
FFHQ_EYES, FFHQ_SIDE = np.array([(380.0, 483.0), (640.0, 483.0)]), 1024
FACES, FEWER, PLACED, ON_SHEET = 100, 30, 200, 40  # faces that lose an eye; that lose else; placements; on a sheet
EYES = centred_face(WHOLE_SIDE, WHOLE_SIDE)

# Photos of one person in CelebA's validation part, found by a face embedding (dlib's ResNet, closer than .42) and
# looked at. The first two of each line refer to each other, a third to the first.
PEOPLE = """
171621 180908|162947 165031|164210 172739|163136 182029|177330 181659|163061 167291|167461 168507 168372|168976 180404
178251 180285|168017 171480|170650 181142|175166 166859 181128|165719 180430|171417 173769|178348 180131|166427 173737
164612 178267|167620 169956|162834 166425|178542 179038|164175 169588|179046 179332|173639 180479|177765 180520
171638 176474|173529 174932|164359 175973|163908 178357
"""


WITH_REFERENCES = ("both eyes", "nose", "mouth", "centre")


def upright_repaired(image, hole, restorer, eyes=EYES, **options):
    """As `photo.repaired`, of a face that is known to be upright."""
    return repaired(image, hole, restorer, with_nose(eyes), **options)


def compared(before, after, **labels) -> dict:
    """A row: `labels`, and of each metric "without", "with" and "difference" as [mean, low, high]; of the shares of
    high frequencies the medians."""
    row = labels | {"n": len(before["psnr"])}
    for name in before:
        pair = {"without": before[name], "with": after[name], "difference": after[name] - before[name]}
        row[name] = {key: float(np.median(value)) if name == "high" else mean_and_interval(value)
                     for key, value in pair.items()}  # fmt: skip
    return row


def by_hole(faces, restorer, distance) -> list[dict]:
    """A row for each of `HOLES`, of `faces` uint8 [N, 178, 178, 3]."""
    rows = []
    for name in progress.shown(HOLES, unit="hole"):
        some = faces if name == "one eye" else faces[:FEWER]
        lost = holes(name, len(some))
        pairs = list(zip(some, lost, strict=True))
        before, after = (
            [upright_repaired(*pair, restorer, other_half=half) for pair in pairs] for half in (False, True)
        )
        measured = (values(some, restored, lost, distance) for restored in (before, after))
        same = np.mean([np.array_equal(*both) for both in zip(before, after, strict=True)])
        rows.append(compared(*measured, hole=name, source="other half") | {"unchanged": float(same)})
    return rows


def by_reference(faces: dict, restorer, distance) -> list[dict]:
    """A row for each of the holes that have no other half, of those `faces` (name → picture) that have a second one."""
    groups = [[f"{name}.jpg" for name in line.split()] for line in PEOPLE.replace("\n", "|").split("|") if line]
    groups = [[name for name in group if name in faces] for group in groups]
    people = [(group[0], group[1:]) for group in groups if len(group) > 1]
    people += [(group[1], group[:1]) for group in groups if len(group) > 1]
    rows = []
    for hole in WITH_REFERENCES if people else ():
        images, lost = [faces[name] for name, _ in people], holes(hole, len(people))
        references = [[Reference(faces[other], EYES, other) for other in others] for _, others in people]
        before = [upright_repaired(image, HOLES[hole], restorer) for image in images]
        after = [upright_repaired(image, HOLES[hole], restorer, references=known)
                 for image, known in zip(images, references, strict=True)]  # fmt: skip
        measured = (values(images, restored, lost, distance) for restored in (before, after))
        rows.append(compared(*measured, hole=hole, source="another photo"))
    return rows


def by_placement(faces, restorer, distance, count) -> dict:
    """A row of `count` random placements, each measured in the face's whole frame of 178 pixels."""
    rng, kept, lost = np.random.default_rng(2019), ([], [], []), []
    for index in progress.shown(range(count), unit="placement"):
        image, where, hole = placed(faces[index % len(faces)], rng)
        eyes = np.stack([where.turn * (x + 1j * y) + where.shift for x, y in EYES + 0.5])
        eyes = np.stack([eyes.real, eyes.imag], axis=-1)
        pictures = (image, *(upright_repaired(image, hole, restorer, eyes, other_half=half) for half in (False, True)))
        for one, picture in zip(kept, pictures, strict=True):
            one.append(np.rint(resampled(picture, where, WHOLE_FRAME, WHOLE_SIDE)).astype(np.uint8))
        lost.append(resampled(hole, where, WHOLE_FRAME, WHOLE_SIDE) > 0.5)
    image, before, after = kept
    measured = (values(image, restored, lost, distance) for restored in (before, after))
    return compared(*measured, hole="placements", source="other half")


def large_photos() -> list[np.ndarray]:
    """The pictures in the folder that `PHOTOS` names, uint8 [1024, 1024, 3]: none where it names none."""
    folder = os.environ.get(PHOTOS)
    paths = sorted(Path(folder).glob("*.jpg")) if folder else []
    return [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in paths]


def by_large_photo(photos, restorer, distance) -> tuple[list[dict], list]:
    """Rows for a lost eye, left and right in turn, and for the left half; and the pictures of a sheet: of each lost eye
    the surroundings as they were, restored without and with it."""
    shape = (FFHQ_SIDE, FFHQ_SIDE)
    eyes = [ellipse(eye, (113, 80), shape) for eye in FFHQ_EYES.astype(int)]
    rows, sheet = [], []
    for name, lost in {"one eye, large": eyes, "left half, large": [np.indices(shape)[1] < 510]}.items():
        kept = [], [], [], []
        for hole, image in itertools.product(lost, photos):
            before, after = (
                upright_repaired(image, hole, restorer, FFHQ_EYES, other_half=half) for half in (False, True)
            )
            part = around(hole) if lost is eyes else np.s_[:]
            for one, picture in zip(kept, (image, before, after, hole), strict=True):
                one.append(picture[part])
        images, before, after, parts = kept
        measured = (values(images, restored, parts, distance, 3.0) for restored in (before, after))
        rows.append(compared(*measured, hole=name, source="other half"))
        sheet += zip(images, before, after, strict=True)
    return rows, sheet


def milliseconds(restorer, image) -> list[dict]:
    """Rows of what restoring a lost eye and a lost half takes without and with it, the best of three, in ms: `image`
    uint8 [178, 178, 3] enlarged."""
    rows = []
    for side, name in itertools.product((178, 512, 1024, 3464), ("one eye", "left half")):
        large, hole = (cv2.resize(picture, (side, side)) for picture in (image, HOLES[name].view(np.uint8)))
        taken = {}
        for key, half in {"without": False, "with": True}.items():
            begun = [time.perf_counter()]
            for _ in range(3):
                upright_repaired(large, hole > 0, restorer, centred_face(side, side), other_half=half)
                begun.append(time.perf_counter())
            taken[key] = 1000 * float(np.diff(begun).min())
        rows.append({"side": side, "hole": name, **taken})
    return rows


def sheet(rows, zoom=1.0):
    """A contact sheet, two cases in a line: of each the pictures beside one another, uint8 [h, w, 3] all."""
    how = {"fx": zoom, "fy": zoom, "interpolation": cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC}
    cases = [cv2.resize(np.hstack(row), None, **how) for row in rows]
    cases = [cv2.copyMakeBorder(case, 2, 2, 6, 6, cv2.BORDER_CONSTANT, value=(255, 255, 255)) for case in cases]
    cases += [np.full_like(cases[0], 255)] * (len(cases) % 2)
    return np.vstack([np.hstack(pair) for pair in zip(cases[::2], cases[1::2], strict=True)])


def single_eyes(faces, restorer):
    """The eyes of some faces, drawn, not picked, left and right lost in turn: original, without and with it."""
    drawn = np.random.default_rng(0).choice(len(faces), min(ON_SHEET, len(faces)), replace=False)
    for place, index in enumerate(drawn):
        hole = (LEFT_EYE, RIGHT_EYE)[place % 2]
        pictures = [upright_repaired(faces[index], hole, restorer, other_half=half) for half in (False, True)]
        yield [picture[60:125, 38:140] for picture in (faces[index], *pictures)]


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table: PSNR in the hole in dB, LPIPS, and the median share of high frequencies."""
    names = [name for name in DIGITS if name in rows[0]]
    head = ["hole", "source", "n", *(key for name in names for key in (f"{name} without", "with", "difference"))]
    lines = [[row["hole"], row["source"], str(row["n"]), *(cell for name in names for cell in _cells(row[name], name))]
             for row in rows]  # fmt: skip
    return markdown(head, lines, texts=2)


def _cells(values: dict, name: str) -> list[str]:
    """Without, with and the difference, which has its interval; the shares of high frequencies are medians."""
    if name == "high":
        return [f"{median:.{DIGITS[name]}f}" for median in values.values()]
    return [number(value, DIGITS[name], interval=key == "difference") for key, value in values.items()]


def write(runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """The study, as `studies.STUDIES` has it, on the `first` faces (`FACES`, unless given; other holes than an eye's on
    `FEWER`). Beside `out`, as -eyes.jpg, single eyes as they were, without and with the other half, and as -large.jpg
    those of the large photographs. Raises `UserError` as `results.celeba_faces`."""
    (run,) = runs or [None]
    restorer, faces = lite.load(run), celeba_faces(data, part)
    pictures, (distance, _) = getattr(faces, part), perceptual()
    some = np.array(pictures[: first or FACES])
    photos = large_photos()
    large, large_sheet = by_large_photo(photos, restorer, distance) if photos else ([], [])
    rows = [
        *by_hole(some, restorer, distance),
        *by_reference(dict(zip(faces.names[part], pictures, strict=True)), restorer, distance),
        by_placement(some, restorer, distance, min(PLACED, 2 * len(some))),
        *large,
    ]
    about = {"command": command("other_half", runs, data, part, first, out), **measured_on(faces, part)}
    files.write_text(out, as_json(about | {"rows": rows, "milliseconds": milliseconds(restorer, some[0])}))
    files.write_image(out.with_name(f"{out.stem}-eyes.jpg"), sheet(single_eyes(pictures, restorer), 3))
    if large_sheet:
        files.write_image(out.with_name(f"{out.stem}-large.jpg"), sheet(large_sheet[: 2 * len(photos)], 0.8))
    return table(rows)
