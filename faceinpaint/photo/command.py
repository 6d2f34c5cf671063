"""From files to files: `python -m faceinpaint restore`. No TensorFlow here, unless faces are looked for."""

import os
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint import lite
from faceinpaint.config import UserError
from faceinpaint.photo import detect, kinds
from faceinpaint.photo.alignment import centred_face
from faceinpaint.photo.read import Picture, read, read_mask
from faceinpaint.photo.reference import Reference
from faceinpaint.photo.repair import restore_in_place
from faceinpaint.photo.spill import spilled, widened
from faceinpaint.photo.upright import upright, with_nose
from faceinpaint.photo.write import FORMATS, LOSSY, check_holds, kind_of, write
from faceinpaint.system.files import explained

MIN_EYES_APART = 4  # pixels; a smaller face has nothing to repair from
BEYOND = 0.5  # of the photo: how far outside of it an eye may lie
MAX_NAMED = 8  # files of a folder that are no pictures
LOSSY_NOTE = "this kind of picture loses a little when it is written, outside the hole too; a .png keeps every pixel"


@dataclass(frozen=True)
class Drawn:
    """How a mask is to be understood: the colour of the `damage`, "white" or "black", or None for white unless that is
    most of the photo; `exact`: to its last pixel, or wider where the damage shows beyond it."""

    damage: str | None = None
    exact: bool = False


AS_DRAWN = Drawn()


def _say(line):
    tqdm.write(f"faceinpaint: {line}", file=sys.stderr)


def same_file(one: Path, other: Path) -> bool:
    """Whether two names are those of one file that is there."""
    return one.exists() and other.exists() and one.samefile(other)


def check_output(out: Path, *inputs: Path):
    """Refuses an output that would replace an input or that cannot be written."""
    kind_of(out)
    for path in inputs:
        if same_file(out, path):
            raise UserError(f"{out}: is {path}, which is never written over; give another -o")
    if out.is_dir():
        raise UserError(f"{out}: a folder; give a file's name")
    if out.exists() and not os.access(out, os.W_OK):
        raise UserError(f"{out}: cannot be written over; allow it, or give another -o")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}; make it, or give another -o")
    if not os.access(out.parent, os.W_OK):
        raise UserError(f"{out}: {out.parent} cannot be written to; allow it, or give another -o")


def check_references(photo: Path, references):
    """Refuses the photo itself as a reference."""
    for path in references:
        if same_file(photo, path):
            raise UserError(f"{path}: --reference is the photo itself, and would bring its damage back; give another")


def near(points, shape) -> bool:
    """Whether all `points` (x, y) lie in a photo of `shape` (H, W), or no farther outside than `BEYOND`."""
    size = np.array(shape[::-1])
    return ((points > -BEYOND * size) & (points < (1 + BEYOND) * size)).all()  # not finite ones do not


def _marked(texts: list[str], pixels, hole, restorer=None, option="--eyes") -> list[np.ndarray]:
    """The eyes [2, 2] of each face that the `option` names in `texts`, or the eyes and the nose [3, 2]. An eye may lie
    beyond the edge of a torn photo."""
    size = np.array(hole.shape[::-1])
    faces = []
    for text in texts:
        try:
            points = np.array([float(number) for number in text.split(",")])
            points = points.reshape({4: 2, 6: 3}[len(points)], 2)
        except (ValueError, KeyError) as error:
            raise UserError(f"{option} {text}: not four numbers; give both eyes' centres, X1,Y1,X2,Y2") from error
        if not near(points, hole.shape):
            raise UserError(
                f"{option} {text}: far outside the photo of {size[0]}x{size[1]} pixels; give both eyes' centres"
            )
        if np.linalg.norm(points[0] - points[1]) < MIN_EYES_APART:
            raise UserError(f"{option} {text}: less than {MIN_EYES_APART} pixels apart; give both eyes' centres")
        faces.append(points)
    return faces


def _centred(pixels, hole, restorer=None) -> list[np.ndarray]:
    return [with_nose(centred_face(*hole.shape))]


def face_finder(eyes: list[str] | None, align: str) -> Callable:
    """`find(pixels [H, W, 3], hole [H, W], restorer)` → the landmarks of each face, as the options ask for; only the
    search for faces needs the restorer."""
    if eyes:
        return partial(_marked, eyes)
    return _centred if align == "none" else detect.find_faces


def read_references(paths: list[Path], eyes: list[str] | None, align: str, load: Callable) -> list[Reference]:
    """The photos `paths` of the person who is restored.

    eyes: of each in turn, as `--reference-eyes` has them; without, the faces are found as `align` says, and the largest
    counts; load: see `restore_file`. Raises `UserError` for a file that cannot be used.
    """
    if eyes and not paths:
        raise UserError("--reference-eyes: names eyes in a --reference, but there is none; give the photo as well")
    if not paths:
        return []
    if eyes and len(eyes) != len(paths):
        raise UserError(f"--reference-eyes: {len(eyes)} for {len(paths)} photos; give it once for each, in their order")
    return [_reference(path, text, align, load) for path, text in zip(paths, eyes or [None] * len(paths), strict=True)]


def _reference(path: Path, eyes: str | None, align: str, load: Callable) -> Reference:
    """The largest face in the picture `path`, or the one of these `eyes`."""
    pixels = read(path).colour()
    if not eyes and align == "auto":
        detect.check_installed(f"{path}: finding its face", "--reference-eyes X1,Y1,X2,Y2")
    find_faces = partial(_marked, [eyes], option="--reference-eyes") if eyes else face_finder(None, align)
    hole, restorer = np.zeros(pixels.shape[:2], bool), load()
    faces = find_faces(pixels, hole, restorer)
    if not faces:
        raise UserError(f"{path}: no face found in it; name its eyes with --reference-eyes X1,Y1,X2,Y2")
    largest = max(faces, key=lambda face: np.linalg.norm(face[1] - face[0]))
    return Reference(pixels, upright(pixels, hole, largest, restorer)[:2], path.name)


def decisions(photo: Picture, hole, reach=0) -> list[str]:
    """What was decided about the damage, a line each. reach: of it beyond the mask, as `spilled` has it."""
    notes = []
    if reach == np.inf:
        notes.append("the damage goes on beyond the mask, and no end of it was found: paint a little beyond it")
    elif reach:
        notes.append(
            f"the damage shows up to {reach:.0f} pixel{'s' * (reach > 1)} beyond the mask: mended as well; to keep to "
            "the mask, --exact-mask"
        )
    if photo.erased(hole):
        notes.append("transparent in the hole: opaque there now")
    return notes


def restore_file(
    photo_path: Path, mask_path: Path, out: Path, load: Callable, find_faces: Callable, drawn=AS_DRAWN, spared=(),
    **options,
):  # fmt: skip
    """Restores the picture `photo_path` where the picture `mask_path` is white and writes it to `out`.

    load: called without arguments, gives an `Inpainter` or a `LiteInpainter`; find_faces: see `face_finder`; drawn: how
    the mask is to be understood; spared: the files of references, which are neither the photo nor written over;
    options: of `restore_photo`. What the user should know goes to stderr, a line each.
    Raises `UserError` when a file cannot be used; nothing is written then.
    """
    check_output(out, photo_path, mask_path, *spared)
    check_references(photo_path, spared)
    photo = read(photo_path)
    hole = read_mask(mask_path, photo, drawn.damage)
    check_holds(out, photo)
    pixels, restorer = photo.colour(), load()
    reach = 0 if drawn.exact else spilled(pixels, hole)
    hole = widened(hole, reach)
    decided = decisions(photo, hole, reach)
    notes = restore_in_place(pixels, hole, restorer, find_faces(pixels, hole, restorer), **options)
    photo = replace(photo, stored=photo.with_hole(pixels, hole))
    lost = write(out, photo, photo.stored)
    for note in (*photo.notes, *decided, *notes, *lost):
        _say(f"{photo_path}: {note}")


def _same_name(name: str) -> str:
    """What two names have alike that look alike: letters with accents can be composed in two ways."""
    return unicodedata.normalize("NFC", name)


def _mask_for(photo: Path, masks: Path) -> Path:
    """The mask in the folder `masks` that has the photo's name, whatever its suffix."""
    found = sorted(path for path in _pictures(masks) if _same_name(path.stem) == _same_name(photo.stem))
    if len(found) != 1:
        many = f"{len(found)} masks of this name" if found else "no mask of this name"
        raise UserError(f"{photo}: {many} in {masks}; exactly one is needed, such as {photo.stem}.png")
    return found[0]


def _pictures(folder: Path) -> list[Path]:
    """The pictures in `folder` by their names, those included that are not readable here, so that they are named;
    without the shadows that macOS lays beside files."""
    paths = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    return [path for path in paths if path.suffix.lower() in FORMATS.keys() | kinds.SUFFIXES]


def restore_folder(photos: Path, masks: Path, out: Path, load: Callable, align: str, drawn=AS_DRAWN, **options):
    """Restores each picture of the folder `photos` with the mask of the same name into the folder `out`.

    align: see `face_finder`; the others: see `restore_file`. A file that fails is said on stderr and the rest goes on.
    Raises `UserError` at the end when any did.
    """
    names = _pictures(photos)
    if not names:
        raise UserError(f"{photos}: holds no picture; give the folder with the photos")
    others = [path.name for path in photos.iterdir() if path not in names and not path.name.startswith(".")]
    if others:
        _say(
            f"{photos}: passed over, for their names are no pictures': {', '.join(sorted(others)[:MAX_NAMED])}"
            + (f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else "")
        )
    if not out.parent.is_dir() or (out.exists() and not out.is_dir()):
        raise UserError(f"{out}: not a folder, nor one that can be made; give another -o")
    if same_file(out, masks):
        raise UserError(f"{out}: the folder of the masks; give another -o")
    load()  # without these nothing can be done
    if align == "auto":
        detect.check_installed()
    with explained(out):
        out.mkdir(exist_ok=True)
    if any(FORMATS.get(path.suffix.lower()) in LOSSY for path in names):
        _say(f"{out}: {LOSSY_NOTE}")
    failed = 0
    for path in tqdm(names, unit="photo", disable=None, dynamic_ncols=True):
        try:
            _restore_one(path, masks, out / path.name, load, face_finder(None, align), drawn, **options)
        except (UserError, OSError) as error:
            failed += 1
            _say(f"{path}: {error.strerror}" if isinstance(error, OSError) else error)
    print(f"{out}: {len(names) - failed} of {len(names)} photos restored")
    if failed:
        raise UserError(f"{photos}: {failed} of {len(names)} photos not restored, for the reasons above; mend these")


def _restore_one(path: Path, masks: Path, *arguments, **options):
    """One of a folder's photos; what is not readable here is said before its mask is asked for."""
    if path.suffix.lower() not in FORMATS:
        read(path)
        raise UserError(f"{path}: '{path.suffix}' names no kind of picture that can be written; save it as PNG")
    restore_file(path, _mask_for(path, masks), *arguments, **options)


def restore(photo: Path, mask: Path, out: Path, run=None, eyes=None, align="auto", drawn=AS_DRAWN, other_half=True,
            references=(), reference_eyes=None):  # fmt: skip
    """The command `restore`: one picture, or each in a folder. Raises `UserError` for what the user can mend."""
    load = cache(partial(lite.load, run))
    if eyes and align == "none":
        raise UserError("--eyes and --align none: two answers to where the face is; give one of them")
    if not photo.exists():
        raise UserError(f"{photo}: no such file or folder; check its name")
    options = {"other_half": other_half, "references": read_references(references, reference_eyes, align, load)}
    options["spared"] = references
    if photo.is_dir():
        if not mask.is_dir():
            raise UserError(f"{mask}: not a folder, but {photo} is one; give the folder with the masks of its photos")
        if eyes:
            raise UserError("--eyes: names the eyes of one photo; for a folder use --align auto or none")
        restore_folder(photo, mask, out, load, align, drawn, **options)
        return
    if mask.is_dir():
        raise UserError(f"{mask}: a folder; give the mask of {photo}")
    out = out / photo.name if out.is_dir() else out
    restore_file(photo, mask, out, load, face_finder(eyes, align), drawn, **options)
    if kind_of(out) in LOSSY:
        _say(f"{out}: {LOSSY_NOTE}")
    print(f"{out}: restored")
