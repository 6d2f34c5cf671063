"""What OpenCV's windows lack on X11, through Xlib: is there a screen, and a wheel that is the program's alone."""

import ctypes
import os
import struct

from faceinpaint.config import UserError

BUTTON_PRESS, BUTTON_PRESS_MASK, ANY_MODIFIER, CONTROL, ASYNC = 4, 1 << 2, 1 << 15, 1 << 2, 1
ERRORS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
UP, DOWN = 4, 5  # the buttons that a wheel is on X11
NO_SCREEN = (
    "paint: {}, so there is no screen to open a window on; use a desktop, or draw the mask in any program and give it "
    "to restore"
)


def _xlib():
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError as error:
        raise UserError("paint: libX11 is missing; on Debian or Ubuntu: sudo apt-get install libx11-6") from error
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    return x11


class Screen:
    """A connection of our own to the X server. Raises `UserError` where none answers: OpenCV would end the process."""

    def __init__(self):
        if not os.environ.get("DISPLAY"):
            wayland = ", and WAYLAND_DISPLAY alone needs XWayland" if os.environ.get("WAYLAND_DISPLAY") else ""
            raise UserError(NO_SCREEN.format(f"DISPLAY is not set{wayland}"))
        self._x11 = _xlib()
        self._display = ctypes.c_void_p(self._x11.XOpenDisplay(None))
        if not self._display:
            raise UserError(NO_SCREEN.format(f"the X server of DISPLAY={os.environ['DISPLAY']} does not answer"))
        self.forget_window()
        self._errors = ERRORS(lambda display, error: 0)  # Xlib's own answer is to end the process
        self._x11.XSetErrorHandler(self._errors)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._x11.XDisplayWidth(self._display, 0), self._x11.XDisplayHeight(self._display, 0)

    def forget_window(self):
        """Another window is going to be opened: its wheel is still to be taken."""
        self._window = None

    def take_wheel(self):
        """Keeps the wheel, over the window that the mouse is in, from OpenCV, whose window would magnify itself and
        then move under the brush; `turns` tells of it instead."""
        if self._window:
            return
        child, numbers = ctypes.c_ulong(self._x11.XDefaultRootWindow(self._display)), (ctypes.c_int * 8)()
        at = [ctypes.byref(numbers, 4 * place) for place in range(5)]
        while child.value:
            self._window = child.value
            self._x11.XQueryPointer(
                self._display, ctypes.c_ulong(self._window), ctypes.byref(ctypes.c_ulong()), ctypes.byref(child), *at
            )
        for button in (UP, DOWN):
            self._x11.XGrabButton(
                self._display, button, ANY_MODIFIER, ctypes.c_ulong(self._window), 0, BUTTON_PRESS_MASK, ASYNC, ASYNC,
                ctypes.c_ulong(0), ctypes.c_ulong(0),
            )  # fmt: skip
        self._x11.XFlush(self._display)

    def turns(self):
        """The wheel's turns since the last call: yields (x, y, up, control), in pixels of the window."""
        while self._x11.XPending(self._display):
            event = ctypes.create_string_buffer(192)
            self._x11.XNextEvent(self._display, event)
            kind, x, y, state, button = (struct.unpack_from("i", event, place)[0] for place in (0, 64, 68, 80, 84))
            if kind == BUTTON_PRESS:
                yield x, y, button == UP, bool(state & CONTROL)

    def close(self):
        self._x11.XCloseDisplay(self._display)
