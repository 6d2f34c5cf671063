"""A photograph, its mask and its restored face as the page shows them. Pure functions."""

from base64 import b64encode
from io import BytesIO
from types import SimpleNamespace

import cv2
import numpy as np
from PIL import Image

from faceinpaint.paint.painting import box_around, inside
from faceinpaint.photo.alignment import WHOLE_FRAME, Alignment
from faceinpaint.photo.repair import restore_photo

SHOWN, DRAWN = 12e6, 3e6  # pixels at most of the photo on the page, and of what is drawn over it
REDUCED = 544  # pixels along what is restored while the hand moves: a face with its surroundings, 512 its own
PAINTED = (230, 0, 120)  # the colour of the hole on the page


def restoring_box(box, faces, shape):
    """`box`, in which a mask of `shape` was painted, with its surroundings and the squares of the faces it touches."""
    squares = [Alignment.of(face[:2]).corners(WHOLE_FRAME) for face in faces]
    touched = [square for square in squares if (square.min(0) < box[2:]).all() and (square.max(0) > box[:2]).all()]
    margin = 16 + max(box[2] - box[0], box[3] - box[1]) // 16
    return box_around(np.concatenate([np.reshape(box, (2, 2)), *touched]), margin, shape)


def _reduced(picture, longest):
    """`picture` averaged to at most `longest` pixels along its longer side."""
    while max(picture.shape[:2]) >= 2 * longest and min(picture.shape[:2]) > 1:  # exact halves are quick
        even = picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]
        picture = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    factor = max(picture.shape[:2]) / longest
    size = [max(1, round(length / factor)) for length in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if factor > 1 else picture


def restored_part(pixels, mask, faces, restorer, box, longest, **options):
    """What `restore_photo` makes of the hole inside `box`, of a copy reduced to `longest` pixels: soon, whatever
    the photo's size. uint8 [H, W, 3], the size as reduced, and notes for the user.

    pixels: uint8 RGB; mask: uint8, nonzero = hole; faces, restorer, options: as `restore_photo` has them.
    """
    small, hole = _reduced(pixels[inside(box)], longest), _reduced(mask[inside(box)], longest) > 0
    ratio = np.array(small.shape[1::-1]) / (box[2] - box[0], box[3] - box[1])
    faces = [(face + 0.5 - box[:2]) * ratio - 0.5 for face in faces]
    if (ratio < 1).any():  # what is reduced is wanted soon: without its `finest`
        restorer = SimpleNamespace(config=restorer.config, restore=restorer.restore)
    return restore_photo(small, hole, restorer, faces, **options)


def _image(box, kind, content) -> dict:
    """An image for the page to draw over `box`, which is there [left, top, width, height]."""
    url = f"data:image/{kind};base64,{b64encode(content).decode()}"
    return {"box": (*box[:2], box[2] - box[0], box[3] - box[1]), "image": url}


def jpeg(pixels, box, step) -> dict:
    """The image of `pixels`, uint8 RGB, which show `box`, with at most a pixel for `step` of the photo's."""
    shown = _reduced(pixels, max(box[2] - box[0], box[3] - box[1]) / step)[..., ::-1]
    return _image(box, "jpeg", cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])


def mask_png(mask, box, step) -> dict:
    """The image of what is painted inside `box`, a pixel for `step` of the photo's: coloured where any of them is hole,
    transparent elsewhere. The box is widened to whole pixels."""
    left, top, right, bottom = (edge // step * step for edge in (*box[:2], box[2] + step - 1, box[3] + step - 1))
    size = (right - left) // step, (bottom - top) // step
    part = cv2.resize(mask[top:bottom, left:right], size, interpolation=cv2.INTER_AREA) > 0
    image, file = Image.fromarray(part.astype(np.uint8)), BytesIO()
    image.putpalette((0, 0, 0, *PAINTED))
    image.save(file, "PNG", bits=1, transparency=0, compress_level=1)
    return _image((left, top, right, bottom), "png", file.getvalue())
