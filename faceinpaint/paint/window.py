"""`python -m faceinpaint paint`: a window of the desktop in which damage is painted with the mouse, the restored face
beside it. No TensorFlow here."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from faceinpaint import lite
from faceinpaint.config import UserError
from faceinpaint.paint.desk import SCREEN, Desk
from faceinpaint.paint.painting import Painting
from faceinpaint.paint.x11 import Screen
from faceinpaint.photo.command import check_output, face_finder
from faceinpaint.photo.read import Picture, read, read_mask
from faceinpaint.photo.classical import eight_bits
from faceinpaint.photo.restore import restore_photo
from faceinpaint.photo.write import FORMATS, check_holds, write
from faceinpaint.system.files import explained, replacing
from faceinpaint.system.stderr import captured_stderr

LARGEST = (1760, 960)  # a window larger than this is no help
USED = 0.9  # of the screen
PATIENCE = 15  # milliseconds to wait for a key before the picture is brought up to date
# Qt, with which OpenCV draws on X11: it brings this platform alone and would end the process with another, it would
# complain of fonts, and without XInput 2 the wheel can be taken from it.
QT_SETTINGS = {"QT_QPA_PLATFORM": "xcb", "QT_LOGGING_RULES": "*.warning=false", "QT_XCB_NO_XI2": "1"}
ON_X11 = sys.platform not in ("win32", "darwin")


class Work:
    """The files of one painting: a photo, its mask and eyes in `mask_path` (a PNG), the result at `out`."""

    def __init__(self, photo: Picture, out: Path, restorer):
        self.photo, self.out, self.restorer = photo, out, restorer
        self.mask_path = out.with_name(f"{out.stem}-mask.png")
        self.painting = Painting(photo.shape)

    def open(self, mask_path: Path | None = None, eyes=()):
        """Goes on from a mask: `mask_path`, or what an earlier painting left."""
        path = mask_path or self.mask_path
        if mask_path or path.is_file():
            mask = read_mask(path, self.photo)
            self.painting = Painting(self.photo.shape, mask, eyes or _eyes_in(path))
        else:
            self.painting = Painting(self.photo.shape, eyes=eyes)

    def load(self) -> str:
        """Takes the mask on disk, as a step that can be undone."""
        try:
            self.painting.load(read_mask(self.mask_path, self.photo))
        except UserError as error:
            return self._shown(error)
        return f"{self.mask_path.name} loaded; u brings the other back"

    def save_now(self) -> str:
        """Saves while the painting goes on, whether or not it succeeds."""
        try:
            return self.save()[0]
        except UserError as error:
            return f"not saved: {self._shown(error).partition(';')[0]}"

    def _shown(self, error) -> str:
        """A line for the window, which has no room for the folder."""
        return str(error).removeprefix(f"{self.out.parent}{os.sep}")

    def save(self) -> list[str]:
        """Writes mask and result, each whole or not at all; gives what the user should know, a line each. Where nothing
        is painted, the mask of before is removed, or it would be back the next time; the result stays."""
        painting = self.painting
        painting.end()
        if not painting.hole_area:
            return self._save_nothing()
        texts = PngImagePlugin.PngInfo()
        texts.add_text("eyes", " ".join(_as_text(eyes) for eyes in painting.faces))
        with replacing(self.mask_path) as temporary:
            Image.fromarray(painting.mask).save(temporary, "PNG", pnginfo=texts)
        pixels = self.photo.colour()
        restored, notes = restore_photo(pixels, painting.mask, self.restorer, painting.faces)
        lost = write(self.out, self.photo, self.photo.with_hole(restored, painting.mask != 0))
        return [f"saved: {self.out.name} and {self.mask_path.name}", *notes, *lost]

    def _save_nothing(self) -> list[str]:
        if not self.mask_path.is_file():
            return ["nothing is painted, so nothing is saved"]
        with explained(self.mask_path):
            self.mask_path.unlink()
        return [f"nothing is painted: {self.mask_path.name} is removed, {self.out.name} left as it is"]


def _as_text(eyes) -> str:
    return ",".join(f"{value:.1f}" for value in np.ravel(eyes))


def _eyes_in(mask_path: Path) -> list:
    """The eyes that `Work.save` kept in a mask, as points (x, y)."""
    with Image.open(mask_path) as mask:
        words = getattr(mask, "text", {}).get("eyes", "").split()
    return [point for word in words for point in np.array(word.split(","), np.float64).reshape(2, 2)]


def _turn_wheel(screen: Screen, desk: Desk):
    for x, y, up, control in screen.turns():
        turned = (120 if up else -120) << 16
        desk.mouse(cv2.EVENT_MOUSEWHEEL, x, y, turned | (cv2.EVENT_FLAG_CTRLKEY if control else 0))


def show(desk: Desk, title: str, screen: Screen | None = None):
    """The desk in a window, until that is closed. screen: where the window is on X11."""
    if screen:
        os.environ |= QT_SETTINGS
        screen.forget_window()
    with captured_stderr():
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
    try:
        cv2.imshow(title, desk.picture()[..., ::-1])
        cv2.setMouseCallback(title, desk.mouse)
        while not desk.closed:
            code = cv2.waitKeyEx(PATIENCE)
            if cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
                return
            if code != -1:
                desk.key(code)
            if screen and desk.touched:
                screen.take_wheel()
                _turn_wheel(screen, desk)
            if desk.changed:
                cv2.imshow(title, desk.picture()[..., ::-1])
    finally:
        cv2.destroyAllWindows()


def _painted(work: Work, desk: Desk, title: str, screen: Screen | None) -> list[str]:
    """Shows the desk and saves. When that fails the desk comes back, once, for the reason can often be mended."""
    show(desk, title, screen)
    try:
        return work.save()
    except UserError:
        desk.message, desk.closed, desk.changed = f"{work.save_now()}; closing again gives up", False, True
    show(desk, title, screen)
    return work.save()


def default_out(photo: Path) -> Path:
    """Where the restored `photo` goes unless told: beside it, as the same kind of picture."""
    return photo.with_name(f"{photo.stem}-restored{photo.suffix if photo.suffix.lower() in FORMATS else '.png'}")


def paint(photo: Path, out: Path | None = None, mask: Path | None = None, run=None, eyes=None):
    """The command `paint`. Raises `UserError` for what the user can mend; what is painted is saved however it ends."""
    screen = Screen() if ON_X11 else None
    out = out or default_out(photo)
    picture = read(photo)
    work = Work(picture, out, lite.load(run))
    check_output(out, photo, *([mask] if mask else []))
    check_output(work.mask_path, photo)
    check_holds(out, picture)
    pixels = picture.colour()
    faces = face_finder(eyes, "none")(pixels, np.zeros(picture.shape, bool)) if eyes else []
    work.open(mask, [point for face in faces for point in face])
    sides = zip(screen.size if screen else SCREEN, LARGEST, strict=True)
    room = tuple(round(min(USED * side, most)) for side, most in sides)
    desk = Desk(eight_bits(pixels), work.restorer, work.painting, room, work.save_now, work.load)
    lines = None
    try:
        lines = _painted(work, desk, f"faceinpaint: {photo.name}", screen)
    finally:
        if screen:
            screen.close()
        for line in (*picture.notes, *(lines or work.save())):
            print(f"faceinpaint: {photo}: {line}", file=sys.stderr)
    if work.painting.hole_area:
        named = "".join(f" --eyes {_as_text(face)}" for face in work.painting.faces)
        print(f"{out}: restored; again: python -m faceinpaint restore {photo} {work.mask_path} -o {out}{named}")
