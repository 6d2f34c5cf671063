"""The painting of `paint` in a notebook: the same strokes on matplotlib's mouse events, the restored photo beside."""

import builtins
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backend_bases import MouseButton

from faceinpaint.paint.painting import Painting, View
from faceinpaint.paint.preview import panels, pyramid, restored_patch

WIDTH = 8  # inches, of both pictures
SHARPNESS = 600  # pixels along the longer side of each picture


def _answer_to_mouse() -> bool:
    """In a notebook figures answer to the mouse where ipympl is installed: whether they do."""
    shell = getattr(builtins, "get_ipython", lambda: None)()  # which IPython puts there
    if not (shell and find_spec("ipympl")):
        return False
    shell.run_line_magic("matplotlib", "widget")
    return True


class Canvas:
    """A figure of the photo, to paint on, and the restored photo, which follows when the button is let go. The right
    button erases. `painting.mask` is what was drawn."""

    def __init__(self, photo, restorer, painting: Painting):
        self.painting, self._restorer, self._levels = painting, restorer, pyramid(photo)
        self._view = View.whole(photo.shape[:2], (SHARPNESS, SHARPNESS))
        self._patch = restored_patch(self._levels, painting, restorer)
        height = WIDTH / 2 * self._view.panel[0] / self._view.panel[1] + 0.4
        self.figure, self._axes = plt.subplots(1, 2, figsize=(WIDTH, height), layout="constrained")
        pair = panels(self._levels, self._view, painting, self._patch)
        self._shown = [axes.imshow(panel) for axes, panel in zip(self._axes, pair, strict=True)]
        for axes in self._axes:
            axes.axis("off")
        self._axes[1].set_title("restored", fontsize=9)
        for part in ("header", "footer", "toolbar"):  # of ipympl's figures: nothing here needs them
            setattr(self.figure.canvas, f"{part}_visible", False)
        self._say()
        for name, answer in (
            ("button_press", self._press),
            ("motion_notify", self._move),
            ("button_release", self._release),
            ("figure_leave", self._release),  # outside the figure nothing tells that the button is let go
        ):
            self.figure.canvas.mpl_connect(f"{name}_event", answer)

    def _say(self):
        self._axes[0].set_title(f"photo, {self.painting.hole_area:.1%} hole", fontsize=9)

    def _draw(self):
        for shown, panel in zip(self._shown, panels(self._levels, self._view, self.painting, self._patch), strict=True):
            shown.set_data(panel)
        self._say()
        self.figure.canvas.draw_idle()

    def _press(self, event):
        if event.inaxes in self._axes and event.button in (MouseButton.LEFT, MouseButton.RIGHT):
            self._pressed_in = event.inaxes
            self.painting.begin(*self._view.to_photo(event.xdata, event.ydata), erase=event.button == MouseButton.RIGHT)
            self._draw()

    def _move(self, event):
        if self.painting.drawing and event.inaxes is self._pressed_in:  # the other picture begins at another edge
            self.painting.move(*self._view.to_photo(event.xdata, event.ydata))
            self._draw()

    def _release(self, event):
        if self.painting.drawing:
            self.painting.end()
            self._patch = restored_patch(self._levels, self.painting, self._restorer)
            self._draw()


def notebook_canvas(photo, restorer, eyes, mask=None, brush=None) -> Canvas:
    """A `Canvas` to paint on in a notebook, with ipympl, which begins with `mask`: without ipympl, or when nobody
    paints, that one stays, so that nothing waits for a person. It goes on after `%matplotlib inline`.

    photo: uint8 RGB [H, W, 3]; restorer: as `photo.restore_photo` takes it; eyes: points (x, y), two for each face;
    mask: [H, W], nonzero = hole, left out when it is of another photo's size; brush: its diameter in photo pixels.
    """
    shape = np.shape(photo)[:2]
    painting = Painting(shape, mask if np.shape(mask) == shape else None, eyes, brush)
    if not _answer_to_mouse():
        return Canvas(photo, restorer, painting)
    with plt.ioff():
        made = Canvas(photo, restorer, painting)
        plt.show()  # and pyplot forgets it, so that `%matplotlib inline` neither shows it again nor closes it
    return made
