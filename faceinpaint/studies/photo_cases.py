"""Photographs as people have them: the visible cases, each with the figure that says whether it is mended.

Every case takes whole CelebA pictures of 178x218, damages them as a print or a scan is damaged, and has them repaired
as a user's photo is. `BOUNDS` says what is to be reached.
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from faceinpaint import baselines, celeba, figures, lite
from faceinpaint.config import WHOLE_SIDE
from faceinpaint.evaluation import markdown, perceptual
from faceinpaint.photo.light import LUMA
from faceinpaint.photo.repair import restore_photo
from faceinpaint.photo.rim import depth
from faceinpaint.photo.spill import spilled, widened
from faceinpaint.photo.upright import upright
from faceinpaint.runs import folder
from faceinpaint.studies.damage import ellipse, lines, specks
from faceinpaint.studies.measures import means, perceived, psnr
from faceinpaint.studies.results import as_json, celeba_faces, command, measured_on
from faceinpaint.system import files, progress

EYES = np.array([(69.0, 111.0), (108.0, 111.0)])
SHAPE = 218, 178
LARGE_FACES = 12  # faces of the cases that take seconds each
WIDTHS, SIDES = (1, 2, 3, 4, 6), (178, 400, 800, 1600)  # of scratches and of the faces they lie over, pixels
SEPIA = np.array([1, 0.86, 0.65]), np.array([18, 8, 0])  # colour = grey * first + second
GROUNDS = (170, 30, 40), (60, 90, 160), (200, 190, 170), (90, 90, 90)

# (case, figure): the least and the most that it may be on average; what was lost or gained is against the network alone
BOUNDS = {
    ("rim", "first eighth / core"): (0, 2),
    ("grey", "off the tone"): (0, 1),
    ("sepia", "off the tone"): (0, 1),
    ("grain", "inside / outside"): (0.8, 1.25),
    ("coarse grain", "restored / undamaged"): (0.8, 1.25),
    ("dust", "costs, dB"): (-1, 0.2),
    ("tight mask", "rim / around"): (0, 2),
    ("white damage in a JPEG", "costs, dB"): (-1, 4),
    ("torn corner", "off the ground"): (0, 6),
}


def whitened(photo, hole):
    return np.where(hole[..., None], np.uint8(255), photo)


def enlarged(photo, scale):
    """`photo` and its eyes, `scale` times as large."""
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), (EYES + 0.5) * scale - 0.5


def with_grain(photo, number):
    """`photo` with as much grain as an ordinary scan of this `number`."""
    return np.clip(photo + np.random.default_rng(number).normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


def as_jpeg(photo):
    """`photo` as a JPEG of quality 90 has it."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def eye_and_mouth(scale=1):
    """The hole of the list of cases: the right eye and the mouth, bool [218, 178] times `scale`."""
    shape = tuple(side * scale for side in SHAPE)
    parts = (((108, 111), (16, 11)), ((89, 152), (26, 13)))
    eye, mouth = (ellipse(*(tuple(scale * value for value in pair) for pair in part), shape) for part in parts)
    return eye | mouth


def _roughness(picture):
    """Absolute Laplacian of the luma: a line that is lighter or darker than both of its sides stands out."""
    return np.abs(cv2.Laplacian((picture @ LUMA).astype(np.float32), cv2.CV_32F))


def rim(photo, number, repair):
    """A line between rim and core, in a face of 890 pixels: the roughness by depth, its first eighth and its roughest
    other eighth over the core's."""
    photo, eyes = enlarged(photo, 5)
    hole = eye_and_mouth(5)
    rough, deep = _roughness(repair(whitened(photo, hole), hole, eyes)), depth(hole)
    eighth = np.ceil(8 * deep / deep.max()).astype(int)
    means = [rough[eighth == part].mean() for part in range(1, 9)]
    return {"first eighth / core": means[0] / means[-1], "roughest other / core": max(means[1:]) / means[-1]}


def _toned(photo, number, repair, tone):
    """How far new pixels are off the photo's tone, a line in colour space, at most; and their PSNR."""
    slope, offset = tone
    grey = np.rint(photo @ LUMA)[..., None]
    toned, hole = np.rint(np.clip(grey * slope + offset, 0, 255)).astype(np.uint8), eye_and_mouth()
    restored = repair(whitened(toned, hole), hole, EYES)
    inside = restored[hole & ((restored > 0) & (restored < 254)).all(axis=2)] - offset
    along = (inside @ slope)[:, None] / (slope @ slope) * slope
    return {"off the tone": np.linalg.norm(inside - along, axis=1).max(), "PSNR": psnr(toned, restored, hole)}


def _fine(photo, blur):
    """What of the luma of `photo` is finer than a Gaussian of `blur` pixels."""
    luma = (photo @ LUMA).astype(np.float32)
    return luma - cv2.GaussianBlur(luma, (0, 0), blur)


def grain(photo, number, repair, sigma):
    """What is finer than a Gaussian of 2 pixels: its deviation in the hole over that around it. The less grain, the
    more of it is the eye itself, in an undamaged photo too, so that the lesser one has no bound."""
    noise = np.random.default_rng(number).normal(0, sigma, photo.shape)
    grainy, hole = np.rint(np.clip(photo + noise, 0, 255)).astype(np.uint8), eye_and_mouth()
    fine = _fine(repair(whitened(grainy, hole), hole, EYES), 2)
    around = (depth(~hole) > 0) & (depth(~hole) < 12)
    return {"inside / outside": fine[depth(hole) > 2].std() / fine[around].std()}


def coarse_grain(photo, number, repair):
    """A large scan, its grain some pixels wide, with a hole in a cheek. What is finer than a Gaussian of 5 pixels: its
    deviation in the hole over the undamaged photo's there."""
    photo, eyes = enlarged(photo, 4)
    noise = cv2.GaussianBlur(np.random.default_rng(number).normal(0, 1, photo.shape), (0, 0), 2.5)
    grainy = np.rint(np.clip(photo + 12 * noise / noise.std(), 0, 255)).astype(np.uint8)
    hole = ellipse((252, 540), (60, 45), grainy.shape[:2])
    pictures = repair(whitened(grainy, hole), hole, eyes), grainy
    restored, undamaged = (_fine(picture, 5)[depth(hole) > 5].std() for picture in pictures)
    return {"restored / undamaged": restored / undamaged}


def _exposed(photo, number, repair, gain, offset):
    """PSNR of a photo whose contrast is `gain` of what it was."""
    exposed, hole = np.rint(np.clip(photo * gain + offset, 0, 255)).astype(np.uint8), eye_and_mouth()
    return {"PSNR": psnr(exposed, repair(whitened(exposed, hole), hole, EYES), hole)}


def dust(photo, number, repair):
    """What 1,500 specks over a face of 1,602 pixels cost eye and mouth, dB."""
    photo, eyes = enlarged(photo, 9)
    hole = eye_and_mouth(9)
    dusty = hole | specks(number, 1500, 4, hole.shape)
    clean, other = (psnr(photo, repair(whitened(photo, mask), mask, eyes), hole) for mask in (hole, dusty))
    return {"costs, dB": clean - other, "PSNR": other}


def _scratches(number, width, sigma=0.0):
    """Scratches over a face of 712 pixels, their edges blurred: how much of them is in each pixel, float32
    [872, 712, 1]."""
    drawn = lines(number, width, 4 * SHAPE[1]).astype(np.float32)
    soft = cv2.GaussianBlur(drawn, (0, 0), sigma) if sigma else drawn
    return cv2.copyMakeBorder(soft, 80, 80, 0, 0, cv2.BORDER_CONSTANT)[..., None]


def tight_mask(photo, number, repair):
    """White scratches with soft edges, marked where they are more than half white: the roughness where they end, over
    the undamaged photo's there, and PSNR of all that is damaged."""
    photo, eyes = enlarged(photo, 4)
    soft = _scratches(number, 8, 2)
    damaged = np.rint(photo * (1 - soft) + 255 * soft).astype(np.uint8)
    restored = repair(damaged, soft[..., 0] > 0.5, eyes, widen=True)
    edge = (soft[..., 0] > 0.02) & (soft[..., 0] < 0.6)
    rough = [_roughness(picture)[edge].mean() for picture in (restored, photo)]
    return {"rim / around": rough[0] / rough[1], "PSNR": psnr(photo, restored, soft[..., 0] > 0.02)}


def white_in_jpeg(photo, number, repair):
    """White scratches 6 pixels wide in a grainy photo that was saved as JPEG after that, marked to the pixel: what the
    file costs in them against one that loses nothing, dB; and PSNR."""
    photo, eyes = enlarged(photo, 4)
    photo, hole = with_grain(photo, number), _scratches(number, 6)[..., 0] > 0
    damaged = whitened(photo, hole)
    clean, other = (psnr(photo, repair(one, hole, eyes, widen=True), hole) for one in (damaged, as_jpeg(damaged)))
    return {"costs, dB": clean - other, "PSNR": other}


def torn_corner(photo, number, repair):
    """A corner torn off a portrait before a plain ground: how far that is off its colour in the hole."""
    head = ellipse((89, 125), (62, 92), SHAPE)
    head[190:, 30:149] = True
    share = cv2.GaussianBlur(head.astype(np.float32), (0, 0), 1.5)[..., None]
    ground = np.array(GROUNDS[number % len(GROUNDS)])
    portrait = np.rint(photo * share + ground * (1 - share)).astype(np.uint8)
    corner = np.array([(178, 0), (60, 0), (110, 120), (178, 218)], np.int32)
    hole = cv2.fillPoly(np.zeros(SHAPE, np.uint8), [corner], 1).astype(bool)
    off = np.abs(repair(whitened(portrait, hole), hole, EYES).astype(float) - ground).max(axis=2)
    return {"off the ground": off[hole & (share[..., 0] < 0.003)].mean()}


# name → what measures a photo uint8 [218, 178, 3] of this number, repaired by `repair(photo, hole, eyes)`
CASES = {
    "ordinary": partial(_exposed, gain=1, offset=0),
    "rim": rim,
    "grey": partial(_toned, tone=(np.ones(3), np.zeros(3))),
    "sepia": partial(_toned, tone=SEPIA),
    "grain": partial(grain, sigma=28),
    "less grain": partial(grain, sigma=10),
    "coarse grain": coarse_grain,
    "faded": partial(_exposed, gain=0.35, offset=165),
    "dark": partial(_exposed, gain=0.12, offset=0),
    "dust": dust,
    "tight mask": tight_mask,
    "white damage in a JPEG": white_in_jpeg,
    "torn corner": torn_corner,
}
SLOW = {"rim", "coarse grain", "dust", "tight mask", "white damage in a JPEG"}


def repairer(restorer):
    """`repair(photo, hole, eyes, widen=False)` → the repaired photo, as the command does it."""

    def repair(photo, hole, eyes, widen=False):
        hole = widened(hole, spilled(photo, hole)) if widen else hole
        return restore_photo(photo, hole, restorer, [eyes])[0]

    return repair


def case_rows(photos, repair) -> list[dict]:
    """A row for each case: its figures as [mean, low, high]. photos: uint8 [N, 218, 178, 3]."""
    rows = []
    for name, case in progress.shown(CASES.items(), unit="case"):
        some = photos[:LARGE_FACES] if name in SLOW else photos
        found = [case(photo, number, repair) for number, photo in enumerate(some)]
        rows.append({"case": name, "n": len(some), **means({key: [one[key] for one in found] for key in found[0]})})
    return rows


def orientation_rows(photos, restorer) -> list[dict]:
    """How often photos are told for upright, and the same upside-down for that, by their eyes alone, given left first:
    a row each, "told" as [mean, low, high]. photos: uint8 [N, 218, 178, 3]."""
    rows, hole = [], eye_and_mouth()
    turned = np.subtract(SHAPE[::-1], 1) - EYES[::-1]
    for name, step, eyes in (("upright", 1, EYES), ("upside-down", -1, turned)):
        faces = [
            upright(whitened(photo, hole)[::step, ::step], hole[::step, ::step], eyes, restorer) for photo in photos
        ]
        told = [float((nose[1] > eyes[0, 1]) == (step == 1)) for *_, nose in faces]
        rows.append({"case": name, "n": len(photos), **means({"told": told})})
    return rows


def at_side(photo, side):
    """The centre of `photo` [218, 178, 3] at `side` pixels."""
    return cv2.resize(photo[20:198], (side, side), interpolation=cv2.INTER_CUBIC)


def scan(photo, number):
    """`photo` with grain and JPEG where it is an enlarged one, or anything smooth would win."""
    return photo if len(photo) < 400 else as_jpeg(with_grain(photo, number))


def scratch_rows(photos, repair, whole_metrics) -> list[dict]:
    """A row for each width of scratches, side of the face and method: psnr in the hole and lpips as [mean, low, high].
    "without grain" is the truth before its grain and JPEG, which is all that could be known."""
    rows = []
    for side, width in progress.shown([(side, width) for side in SIDES for width in WIDTHS], unit="size"):
        clean = [at_side(photo, side) for photo in (photos if side < 400 else photos[:LARGE_FACES])]
        pictures = [scan(photo, number) for number, photo in enumerate(clean)]
        holes = [lines(number, width, side) for number in range(len(clean))]
        for method, restored in _scratches_repaired(clean, pictures, holes, repair):
            measured = {"psnr": [psnr(*one) for one in zip(pictures, restored, holes, strict=True)]}
            measured |= perceived(pictures, restored, whole_metrics)
            rows.append({"side": side, "width": width, "method": method, "n": len(clean), **means(measured)})
    return rows


def _scratches_repaired(clean, pictures, holes, repair):
    """Yields each method's name and its restored pictures."""
    eyes = (EYES - (0, 20) + 0.5) * len(pictures[0]) / SHAPE[1] - 0.5
    pairs = list(zip(pictures, holes, strict=True))
    yield "faceinpaint", [repair(whitened(*pair), pair[1], eyes) for pair in pairs]
    for name in ("telea", "navier_stokes", "biharmonic"):
        yield name, [baselines.BASELINES[name](*pair) for pair in pairs]
    if len(pictures[0]) >= 400:
        yield "without grain", [np.where(h[..., None], c, p) for c, (p, h) in zip(clean, pairs, strict=True)]


def before_and_after(photos, repair, names) -> list[list]:
    """The photo of each of these cases as it is damaged and repaired, one face for each: pairs of uint8 [H, W, 3]."""
    pairs = []

    def seen(photo, hole, eyes, **options):
        restored = repair(photo, hole, eyes, **options)
        pairs.append([photo, restored])
        return restored

    for number, name in enumerate(names):
        pairs_before = len(pairs)
        CASES[name](photos[number % len(photos)], number, seen)
        del pairs[pairs_before:-1]  # a case may repair twice: first without what it is about
    return pairs


def sheet(photos, repair):
    """Each case before and after: uint8 [height, width, 3]."""
    return figures.tiles(before_and_after(photos, repair, CASES), ["damaged", "repaired"], list(CASES))


def strip(photos, repair, names):
    """The faces in some cases, damaged above and repaired below: uint8 [height, width, 3]."""
    pairs = before_and_after(photos, repair, names)
    rows = [[celeba.centre_square(picture, 2 * WHOLE_SIDE) for picture in row] for row in zip(*pairs, strict=True)]
    return figures.tiles(rows, names, ["damaged", "repaired"])


def table(rows: list[dict]) -> str:
    """The cases as a Markdown table: each figure, and where it has a bound whether it keeps it."""
    lines = []
    for row in rows:
        for figure in (key for key in row if key not in ("case", "n")):
            low, high = BOUNDS.get((row["case"], figure), (None, None))
            bound = "" if high is None else f"{low} to {high}{'' if low <= row[figure][0] <= high else ': not kept'}"
            lines.append([row["case"], figure, f"{row[figure][0]:.2f}", bound])
    return markdown(["case", "figure", "measured", "bound"], lines, texts=2)


def scratch_table(rows: list[dict]) -> str:
    """The scratches as a Markdown table: PSNR / LPIPS of each method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = []
    for side, width in dict.fromkeys((row["side"], row["width"]) for row in rows):
        of = [row for row in rows if (row["side"], row["width"]) == (side, width)]
        cells = [" / ".join(f"{row[m][0]:.{d}f}" for m, d in (("psnr", 2), ("lpips", 4)) if m in row) for row in of]
        lines.append([f"{side}, {width}", *cells])
    return markdown(["face, width", *methods], lines)


def write(runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """The study, as `studies.STUDIES` has it; beside `out`, as .png, a contact sheet. Raises `UserError` for a run that
    was not exported, and as `results.celeba_faces`."""
    (run,) = runs or [None]
    trained = {"faceinpaint": folder.record_in(Path(run or folder.finest())).to_dict()}
    faces = celeba_faces(data, part)
    photos = celeba.originals(faces, part, data)[:first]
    restorer, (whole_metrics, _) = lite.load(run), perceptual()
    repair = repairer(restorer)
    rows, scratches = case_rows(photos, repair), scratch_rows(photos, repair, whole_metrics)
    rows += orientation_rows(photos, restorer)
    about = {"command": command("cases", runs, data, part, first, out), **measured_on(faces, part)}
    files.write_text(out, as_json(about | {"trained": trained, "rows": rows, "scratches": scratches}))
    files.write_image(out.with_suffix(".png"), sheet(photos, repair))
    return f"{table(rows)}\n\n{scratch_table(scratches)}"
