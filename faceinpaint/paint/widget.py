"""The canvas in a notebook, by anywidget: no restart, and no extension of Jupyter to install."""

from pathlib import Path

import anywidget
import numpy as np

from faceinpaint.paint.painting import Painting
from faceinpaint.paint.session import Session


class Canvas(anywidget.AnyWidget):
    """The photo to paint on, and the restored one. `painting.mask` is what was drawn, `painting.faces` the eyes.

    photo: uint8 or uint16 RGB [H, W, 3]; restorer, options: as `restore_photo` takes them.
    eyes: points (x, y), two for each face; brush: its diameter, in photo pixels.
    mask: [H, W], nonzero = hole, to begin with: where nobody paints, it stays. One of another photo's size is left out.
    """

    _esm, _css = (Path(__file__).with_name(name) for name in ("canvas.js", "canvas.css"))

    def __init__(self, photo, restorer, eyes=(), mask=None, brush=None, **options):
        super().__init__()
        shape = np.shape(photo)[:2]
        self.painting = Painting(shape, mask if np.shape(mask) == shape else None, eyes, brush)
        session = Session(photo, self.painting, restorer, self.send, **options)
        self.on_msg(lambda _, message, __: session.receive(message))
