"""The desk at which damage is painted: mouse and keys in, the picture to show out. No window here, so that any window,
and a test, can drive it; `paint` opens one."""

from functools import cached_property

import cv2
import numpy as np

from faceinpaint.paint import preview
from faceinpaint.paint.painting import Painting, View

SCREEN = (1280, 800)  # width and height of what the picture fits into, unless told
STEP = 1.15  # the brush grows and the photo comes closer by this factor
BUTTONS = {
    cv2.EVENT_LBUTTONDOWN: cv2.EVENT_FLAG_LBUTTON,
    cv2.EVENT_RBUTTONDOWN: cv2.EVENT_FLAG_RBUTTON,
    cv2.EVENT_MBUTTONDOWN: cv2.EVENT_FLAG_MBUTTON,
    cv2.EVENT_LBUTTONDBLCLK: cv2.EVENT_FLAG_LBUTTON,  # what a quick second press is
    cv2.EVENT_RBUTTONDBLCLK: cv2.EVENT_FLAG_RBUTTON,
}
RELEASES = (cv2.EVENT_LBUTTONUP, cv2.EVENT_RBUTTONUP, cv2.EVENT_MBUTTONUP)
# The codes of `cv2.waitKeyEx`, which are each system's own, for the arrows: on X11, Windows and macOS.
ARROWS = {65361: "left", 65362: "up", 65363: "right", 65364: "down", 0x250000: "left", 0x260000: "up",
          0x270000: "right", 0x280000: "down", 63234: "left", 63232: "up", 63235: "right", 63233: "down"}  # fmt: skip
DIRECTIONS = {"left": (60, 0), "up": (0, 60), "right": (-60, 0), "down": (0, -60)}  # the photo moves the other way
NO_EYES = "no eyes marked, so filled by a classical method: press e and click both eyes"
HINT = "left button: paint   right button: erase   wheel: size of the brush   h: all keys"
GREETING = "Click both eyes of the face, or where they were; then paint the damage"


class Desk:
    """The painting with what is on the screen: fed with the mouse and keys of any window, it gives the picture to show.

    pixels: uint8 RGB [H, W, 3]; restorer: as `photo.restore_photo` takes it; screen: (width, height) to fit into;
    save, load: called for the keys of these names, give a line to show.
    """

    def __init__(self, pixels, restorer, painting: Painting, screen=SCREEN, save=str, load=str):
        room = (screen[0] - 3 * preview.GAP) // 2, screen[1] - preview.TITLE - preview.STATUS
        self.painting, self.view = painting, View.whole(pixels.shape[:2], room[::-1])
        self.message, self.closed, self.changed = GREETING, False, True
        self.tool = "paint" if painting.faces else "eyes"
        self._restorer, self._levels, self._patch = restorer, preview.pyramid(pixels), None
        self._held, self._panel, self._at, self._help, self._stale = 0, 0, None, False, True
        self._save, self._load = save, load

    @cached_property
    def _actions(self):
        bigger, smaller = (lambda factor=factor: self._size(factor) for factor in (STEP, 1 / STEP))
        closer, farther = (lambda factor=factor: self._zoom(factor) for factor in (STEP**2, STEP**-2))
        actions = {
            "u": self._undo, "r": self._redo, "c": self._clear, "x": self._switch, "e": self._mark, "f": self._forget,
            "[": smaller, ",": smaller, "]": bigger, ".": bigger, "+": closer, "=": closer, "-": farther,
            "0": lambda: self._zoom(0), "h": self._turn_help, "?": self._turn_help, "s": self._say_saved,
            "l": self._say_loaded, "q": self._close, "\x1b": self._close,
        }  # fmt: skip
        return actions | {name: lambda way=way: self._move(*way) for name, way in DIRECTIONS.items()}

    def key(self, code):
        """A key, as `cv2.waitKeyEx` gives it."""
        name = ARROWS.get(code) or chr(code & 0xFF).lower()
        if name in self._actions and not self.painting.drawing:
            self._help = self._help and name in "h?"
            self._actions[name]()
            self.changed = True

    def mouse(self, event, x, y, flags, _=None):
        """What the mouse did, as `cv2.setMouseCallback` tells: (x, y) in the picture's pixels."""
        before, self._at = self._at, self._in_panel(x, y)
        if self._held and (event in RELEASES or (event == cv2.EVENT_MOUSEMOVE and not flags & self._held)):
            self._release()
        elif event in BUTTONS and not self._held:
            self._press(BUTTONS[event])
        elif event == cv2.EVENT_MOUSEMOVE and self.painting.drawing:
            self.painting.move(*self._point)
        elif event == cv2.EVENT_MOUSEMOVE and self._held == cv2.EVENT_FLAG_MBUTTON:
            self._move(self._at[0] - before[0], self._at[1] - before[1])
        elif event == cv2.EVENT_MOUSEWHEEL:
            factor = STEP if flags > 0 else 1 / STEP
            self._zoom(factor) if flags & cv2.EVENT_FLAG_CTRLKEY else self._size(factor)
        self.changed = True

    def picture(self) -> np.ndarray:
        """What to show now: uint8 RGB."""
        if self._stale and not self.painting.drawing:
            self._patch = preview.restored_patch(self._levels, self.painting, self._restorer)
            self._stale = False
            if self._patch and self._patch.notes:
                self.message = self._patch.notes[0] if self.painting.faces else NO_EYES
        pair = preview.panels(self._levels, self.view, self.painting, self._patch)
        if self._at is not None and self.tool != "eyes":
            for panel in pair:
                at, radius = (round(self._at[0]), round(self._at[1])), round(self.painting.brush * self.view.scale / 2)
                cv2.circle(panel, at, max(1, radius), preview.INK, 1, cv2.LINE_AA)
        picture = preview.canvas(pair, ("photo", "restored"), (self._status(), self.message or HINT))
        self.changed = False
        return preview.help_page(picture) if self._help else picture

    def _status(self):
        doing = {"eyes": "marking eyes", "paint": "painting", "erase": "erasing"}[self.tool]
        area, faces = self.painting.hole_area, len(self.painting.faces)
        return (
            f"{doing}   hole {area:.2%}   brush {self.painting.brush:.0f} px   zoom {self.view.scale:.0%}   "
            f"faces {faces}"
        )

    def _in_panel(self, x, y):
        """(x, y) of the picture in the panel it lies in, while a button is held in the one where it was pressed."""
        corners = preview.panel_corners(self.view.panel)
        if not self._held:
            self._panel = x >= corners[1][0] - preview.GAP // 2
        left, top = corners[self._panel]
        return x - left, y - top

    @property
    def touched(self) -> bool:
        """Whether the mouse has been here."""
        return self._at is not None

    @property
    def _point(self):
        return self.view.to_photo(*self._at)

    def _press(self, button):
        x, y = self._point
        height, width = self.view.photo
        if button == cv2.EVENT_FLAG_LBUTTON and self.tool == "eyes":
            if 0 <= x <= width - 1 and 0 <= y <= height - 1:
                self._click_eye(x, y)
            return
        self._held = button
        if button != cv2.EVENT_FLAG_MBUTTON:
            self.message = ""
            self.painting.begin(x, y, erase=button == cv2.EVENT_FLAG_RBUTTON or self.tool == "erase")

    def _release(self):
        self._stale |= self.painting.drawing
        self.painting.end()
        self._held = 0

    def _click_eye(self, x, y):
        if not self.painting.mark_eye(x, y):
            self.message = "too close to the other eye: click the second one"
        elif len(self.painting.eyes) % 2:
            self.message = "now the other eye"
        else:
            self.tool, self.message, self._stale = "paint", "paint the damage with the left button", True

    def _undo(self):
        self.message, self._stale = "" if self.painting.undo() else "nothing to undo", True

    def _redo(self):
        self.message, self._stale = "" if self.painting.redo() else "nothing to redo", True

    def _clear(self):
        self.painting.clear()
        self.message, self._stale = "mask cleared; u brings it back", True

    def _mark(self):
        self.tool, self.message = "eyes", GREETING

    def _forget(self):
        self.painting.forget_eyes()
        self._stale = True
        self._mark()

    def _switch(self):
        self.tool, self.message = ("paint" if self.tool == "erase" else "erase"), ""

    def _size(self, factor):
        brush = self.painting.brush
        wanted = max(brush + 1, brush * factor) if factor > 1 else min(brush - 1, brush * factor)
        self.painting.brush = int(np.clip(round(wanted), 1, max(self.view.photo)))

    def _zoom(self, factor):
        height, width = self.view.panel
        self.view = self.view.zoomed(factor, *(self._at or (width / 2, height / 2)))

    def _move(self, right, down):
        self.view = self.view.moved(right, down)

    def _turn_help(self):
        self._help = not self._help

    def _say_saved(self):
        self.message = self._save()

    def _say_loaded(self):
        self.message, self._stale = self._load(), True

    def _close(self):
        self.closed = True
