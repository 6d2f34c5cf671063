"""From files to files: `python -m faceinpaint restore`. No TensorFlow here, unless faces are looked for."""

import os
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from faceinpaint import lite
from faceinpaint.config import UserError
from faceinpaint.photo.alignment import centred_face
from faceinpaint.photo.read import read, read_mask
from faceinpaint.photo.restore import restore_photo
from faceinpaint.photo.write import FORMATS, LOSSY, check_holds, kind_of, write
from faceinpaint.system.files import explained

CLOSEST_EYES = 4  # pixels; a smaller face has nothing to repair from
LOSSY_NOTE = "this kind of picture loses a little when it is written, outside the hole too; a .png keeps every pixel"


def _say(line):
    tqdm.write(f"faceinpaint: {line}", file=sys.stderr)


def check_output(out: Path, *inputs: Path):
    """Refuses an output that would replace an input or that cannot be written."""
    kind_of(out)
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise UserError(f"{out}: is {path}, which is never written over; give another -o")
    if out.is_dir():
        raise UserError(f"{out}: a folder; give a file's name")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}; make it, or give another -o")
    if not os.access(out.parent, os.W_OK):
        raise UserError(f"{out}: {out.parent} cannot be written to; allow it, or give another -o")


def _marked(texts: list[str], pixels, hole, restorer=None) -> list[np.ndarray]:
    """The eyes [2, 2] of each face that `--eyes` names in `texts`, the left one in the picture first."""
    height, width = hole.shape
    faces = []
    for text in texts:
        try:
            eyes = np.array([float(number) for number in text.split(",")]).reshape(2, 2)
        except ValueError as error:
            raise UserError(f"--eyes {text}: not four numbers; give both eyes' centres, X1,Y1,X2,Y2") from error
        if not ((eyes >= 0) & (eyes <= (width - 1, height - 1))).all():  # numbers that are not finite as well
            raise UserError(f"--eyes {text}: outside the photo of {width}x{height} pixels; give both eyes' centres")
        if np.linalg.norm(eyes[0] - eyes[1]) < CLOSEST_EYES:
            raise UserError(f"--eyes {text}: less than {CLOSEST_EYES} pixels apart; give both eyes' centres")
        faces.append(eyes[np.argsort(eyes[:, 0], kind="stable")])
    return faces


def _centred(pixels, hole, restorer=None) -> list[np.ndarray]:
    return [centred_face(*hole.shape)]


def face_finder(eyes: list[str] | None, align: str) -> Callable:
    """`find(pixels [H, W, 3], hole [H, W], restorer)` → the landmarks of each face, as the options ask for; only the
    search for faces needs the restorer."""
    if eyes:
        return partial(_marked, eyes)
    if align == "none":
        return _centred
    from faceinpaint.photo import detect

    detect.check_installed()
    return detect.find_faces


def restore_file(photo_path: Path, mask_path: Path, out: Path, load: Callable, find_faces: Callable):
    """Restores the picture `photo_path` where the picture `mask_path` is white and writes it to `out`.

    load: called without arguments, gives an `Inpainter` or a `LiteInpainter`; find_faces: see `face_finder`.
    What the user should know goes to stderr, a line each.
    Raises `UserError` when a file cannot be used; nothing is written then.
    """
    check_output(out, photo_path, mask_path)
    photo = read(photo_path)
    hole = read_mask(mask_path, photo)
    check_holds(out, photo)
    pixels, restorer = photo.colour(), load()
    restored, notes = restore_photo(pixels, hole, restorer, find_faces(pixels, hole, restorer))
    lost = write(out, photo, photo.with_hole(restored, hole))
    for note in (*photo.notes, *notes, *lost):
        _say(f"{photo_path}: {note}")


def _mask_for(photo: Path, masks: Path) -> Path:
    """The mask in the folder `masks` that has the photo's name, whatever its suffix."""
    found = sorted(path for path in masks.iterdir() if path.stem == photo.stem and path.suffix.lower() in FORMATS)
    if len(found) != 1:
        many = f"{len(found)} masks of this name" if found else "no mask of this name"
        raise UserError(f"{photo}: {many} in {masks}; exactly one is needed, such as {photo.stem}.png")
    return found[0]


def restore_folder(photos: Path, masks: Path, out: Path, load: Callable, find_faces: Callable):
    """Restores each picture of the folder `photos` with the mask of the same name into the folder `out`.

    A file that fails is said on stderr and the rest goes on. Raises `UserError` at the end when any did.
    """
    names = sorted(path for path in photos.iterdir() if path.suffix.lower() in FORMATS)
    if not names:
        raise UserError(f"{photos}: holds no picture; give the folder with the photos")
    if not out.parent.is_dir() or (out.exists() and not out.is_dir()):
        raise UserError(f"{out}: not a folder, nor one that can be made; give another -o")
    with explained(out):
        out.mkdir(exist_ok=True)
    load()  # without it nothing can be done
    if any(kind_of(path) in LOSSY for path in names):
        _say(f"{out}: {LOSSY_NOTE}")
    failed = 0
    for path in tqdm(names, unit="photo", disable=None, dynamic_ncols=True):
        try:
            restore_file(path, _mask_for(path, masks), out / path.name, load, find_faces)
        except (UserError, OSError) as error:
            failed += 1
            _say(f"{path}: {error.strerror}" if isinstance(error, OSError) else error)
    print(f"{out}: {len(names) - failed} of {len(names)} photos restored")
    if failed:
        raise UserError(f"{photos}: {failed} of {len(names)} photos not restored, for the reasons above; mend these")


def restore(photo: Path, mask: Path, out: Path, run=None, eyes=None, align="auto"):
    """The command `restore`: one picture, or each in a folder. Raises `UserError` for what the user can mend."""
    load = cache(partial(lite.load, run))
    if photo.is_dir():
        if not mask.is_dir():
            raise UserError(f"{mask}: not a folder, but {photo} is one; give the folder with the masks of its photos")
        if eyes:
            raise UserError("--eyes: names the eyes of one photo; for a folder use --align auto or none")
        return restore_folder(photo, mask, out, load, face_finder(None, align))
    if mask.is_dir():
        raise UserError(f"{mask}: a folder; give the mask of {photo}")
    out = out / photo.name if out.is_dir() else out
    restore_file(photo, mask, out, load, face_finder(eyes, align))
    if kind_of(out) in LOSSY:
        _say(f"{out}: {LOSSY_NOTE}")
    print(f"{out}: restored")
    return None
