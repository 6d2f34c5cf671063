"""A person's own photograph: faces turned to CelebA's alignment, restored, and the hole alone put back.

No TensorFlow here. `photo_read` and `photo_write` know the files.
"""

import cv2
import numpy as np

from faceinpaint import baselines
from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo.alignment import Alignment, Frame, enlarged, outside, resampled

MARGIN = 0.1  # of the frame's side: what is known at least on every side of a hole, where the whole frame allows it
MOST_OUTSIDE = 0.5  # of the hole outside every face: more looks like a face that was missed
LARGEST_HOLE = 0.5  # fraction of the network's picture; training draws no larger connected hole (masks.TRAINING_MIX)


def framing_of(points, config) -> Frame:
    """The closest frame, of those trained with, that shows the hole and a `MARGIN` around it.

    points: the hole's pixels in the whole frame [N, 2], (x, y). The whole frame when no closer one does.
    """
    first, last = points.min(axis=0), points.max(axis=0)
    middle = WHOLE_SIDE / 2
    closest, widest = (min(side, WHOLE_SIDE) for side in config.framing)
    for side in range(int(closest), int(widest)):
        shift = min(config.framing_shift, middle - side / 2)
        corner = np.clip((first + last) / 2, middle - shift, middle + shift) - side / 2
        if (first - MARGIN * side >= corner).all() and (last + MARGIN * side <= corner + side).all():
            return Frame((float(corner[0]), float(corner[1])), float(side))
    return Frame(((WHOLE_SIDE - widest) / 2,) * 2, float(widest))


def _holes_of(hole, alignments):
    """Which hole pixels each face repairs: those in its whole frame, the nearer face's where two overlap.

    Yields (alignment, its pixels (x, y) [N, 2], the same in its whole frame [N, 2]), of faces that the hole touches.
    """
    rows, columns = np.nonzero(hole)
    pixels = np.stack([columns, rows], axis=1)
    if not alignments:
        return
    in_frame = [alignment.to_frame(pixels) for alignment in alignments]
    distance = np.array([np.abs(points - WHOLE_SIDE / 2).max(axis=1) for points in in_frame])
    nearest = distance.argmin(axis=0)
    for face, (alignment, points) in enumerate(zip(alignments, in_frame, strict=True)):
        own = (nearest == face) & (distance[face] <= WHOLE_SIDE / 2)
        if own.any():
            yield alignment, pixels[own], points[own]


def _box(pixels, margin, shape):
    """(left, top, right, bottom) around `pixels` (x, y) [N, 2] with a `margin`, inside a picture of `shape`."""
    left, top = np.maximum(pixels.min(axis=0) - margin, 0)
    right, bottom = np.minimum(pixels.max(axis=0) + margin + 1, (shape[1], shape[0]))
    return int(left), int(top), int(right), int(bottom)


def eight_bits(pixels):
    """`pixels`, uint8 or uint16, as uint8."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)


def _telea(pixels, hole):
    """`pixels` [H, W, 3], uint8 or uint16, its hole filled by `baselines.telea`: float32, computed with 8 bits."""
    return baselines.telea(eight_bits(pixels)[None], hole[None])[0] * np.float32(np.iinfo(pixels.dtype).max / 255)


def _pasted(photo, hole, own, generated, band):
    """`photo` with `generated` in `own`, a part of its `hole`, feathered: over a `band` of pixels from the rim inwards
    the photo's surroundings, continued by Telea's method, fade out. So the rim fits, and a scratch thinner than one of
    the network's pixels keeps the photo's detail.

    photo: uint8 or uint16 [H, W, 3]; hole, own: bool [H, W]; generated: float32 [H, W, 3], of the photo's range.
    """
    generated = np.clip(generated, 0, np.iinfo(photo.dtype).max)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    core = np.where(own[..., None], np.rint(generated).astype(photo.dtype), photo)
    surroundings = _telea(core, hole & ~(own & (depth >= band)))
    share = np.clip(depth / band, 0, 1)[..., None]
    blended = np.rint(share * generated + (1 - share) * surroundings)
    return np.where(own[..., None], blended.astype(photo.dtype), photo)


def _restored_face(photo, hole, face, restorer):
    """One face's part of the hole, restored: where in the photo (two slices), which pixels there (bool), the restored
    photo there, and how much of the network's picture was hole. face: as `_holes_of` yields."""
    alignment, pixels, points = face
    size, highest = restorer.config.size, np.iinfo(photo.dtype).max
    frame = framing_of(points, restorer.config)
    image = resampled(photo, alignment, frame, size) * (255 / highest)
    mask = (resampled(hole, alignment, frame, size) > 1e-4) | outside(hole.shape, alignment, frame, size)
    restored = restorer.restore(np.rint(image).astype(np.uint8), mask)
    band = max(1.0, alignment.footprint(frame, size))
    box = left, top, right, bottom = _box(pixels, int(band) + 4, hole.shape)
    own = np.zeros((bottom - top, right - left), bool)
    own[pixels[:, 1] - top, pixels[:, 0] - left] = True
    generated = enlarged(restored, alignment, frame, box) * np.float32(highest / 255)
    inside = np.s_[top:bottom, left:right]
    return inside, own, _pasted(photo[inside], hole[inside], own, generated, band), float(mask.mean())


def _fill_classically(pixels, hole):
    """Fills `hole` of `pixels` [H, W, 3], in place, by Telea's method."""
    rows, columns = np.nonzero(hole)
    left, top, right, bottom = _box(np.stack([columns, rows], axis=1), 16, hole.shape)
    inside = np.s_[top:bottom, left:right]
    filled = np.rint(_telea(pixels[inside], hole[inside])).astype(pixels.dtype)
    pixels[inside][hole[inside]] = filled[hole[inside]]


def _outside_note(share, any_face) -> str:
    if not any_face:
        return "no face found: filled by Telea's classical method; name the eyes: --eyes X1,Y1,X2,Y2"
    advice = "; for another face, name its eyes with --eyes" if share > MOST_OUTSIDE else ""
    return f"{max(share, 0.01):.0%} of the hole is outside the face: filled by Telea's classical method{advice}"


def restore_photo(pixels, mask, restorer, faces) -> tuple[np.ndarray, list[str]]:
    """Repairs the hole of a photograph and leaves every other pixel as it is.

    pixels: uint8 or uint16 [H, W, 3] RGB, of any size; mask: [H, W], nonzero = hole; restorer: an `Inpainter` or a
    `LiteInpainter`; faces: for each face its eyes [2, 2] or its five landmarks [5, 2] (eyes, nose, corners of the
    mouth, left in the picture first), (x, y) in photo pixels; `centred_face(H, W)` for a picture cut as CelebA's are.
    Returns a new array of the same type and shape, and notes for the user, a line each: what was filled by a classical
    method because it lies outside every face, what is larger than trained.
    """
    hole = np.asarray(mask) != 0
    restored, left_over, notes = pixels.copy(), hole.copy(), []
    for face in _holes_of(hole, [Alignment.of(landmarks) for landmarks in faces]):
        inside, own, part, area = _restored_face(pixels, hole, face, restorer)
        restored[inside][own] = part[own]
        left_over[inside][own] = False
        if area > LARGEST_HOLE:
            notes.append(
                f"{area:.0%} of the face's square is hole, more than the {LARGEST_HOLE:.0%} trained with: "
                "expect a likeness at best; mask only the damage"
            )
    if left_over.any():
        _fill_classically(restored, left_over)
        notes.append(_outside_note(left_over.sum() / hole.sum(), bool(faces)))
    return restored, notes
