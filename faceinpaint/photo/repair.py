"""A person's own photograph: faces turned to CelebA's alignment, restored, and the hole alone put back.

The order of work, for each face:
    1. the hole is filled classically, at the photo's own resolution; where it is thin, up to a pixel and a half of the
       network's picture, that stays
    2. levels and tone of the known pixels are brought to what the network knows       (light)
    3. the face is cut out and restored; levels and tone are undone
    4. the mismatch at the rim is carried inwards                                      (rim.fitted)
    5. the sharpness of the surroundings is taken over, where they are blurred         (sharpness)
    6. a plain ground is continued                                                     (ground)
    7. the face is put back, enlarged to the photo's resolution
    8. at the rim the surroundings' own continuation takes over                        (rim.joined)
    9. what the face's other half, or another photo, still shows gives the detail      (other_half)
   10. the grain of the surroundings is taken over                                     (grain)
No TensorFlow here. `read` and `write` know the files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from faceinpaint.classical import around
from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo import classical, grain, ground, notes, reference, rim, sharpness
from faceinpaint.photo.alignment import WHOLE_FRAME, Alignment, Square, enlarged, outside, resampled
from faceinpaint.photo.light import Levels, Tone
from faceinpaint.photo.other_half import Detail, Source, with_detail
from faceinpaint.photo.upright import way_round

MARGIN = 0.1  # of the square's side: what is known at least on every side of a hole, where the whole frame allows it
SAMPLE = 40_000  # pixels of the photo show its tone
MIN_KNOWN = 0.25  # of such a pixel
THIN = 1.5  # of the network's pixels, where it sees the whole frame: what is narrower is filled classically
FINER = 2  # the mismatch at the rim is read at this many times the network's pixels


def closest_square(points, config) -> Square:
    """The closest square, of those trained with, that shows the hole and a `MARGIN` around it.

    points: the hole's pixels in the whole frame [N, 2], (x, y). The whole frame when no closer one does.
    """
    first, last = points.min(axis=0), points.max(axis=0)
    middle = WHOLE_SIDE / 2
    closest, widest = (min(side, WHOLE_SIDE) for side in config.framing)
    for side in range(int(closest), int(widest)):
        shift = min(config.framing_shift, middle - side / 2)
        corner = np.clip((first + last) / 2, middle - shift, middle + shift) - side / 2
        if (first - MARGIN * side >= corner).all() and (last + MARGIN * side <= corner + side).all():
            return Square((float(corner[0]), float(corner[1])), float(side))
    return Square(((WHOLE_SIDE - widest) / 2,) * 2, float(widest))


@dataclass(frozen=True)
class Repair:
    """What one face repairs of the hole, in a part of the photo.

    Attributes:
        alignment: of the face, in the photo's pixels.
        inside: the part, two slices.
        hole: all that is too wide to be filled classically, bool [H, W].
        own: what of that is repaired by this face, bool [H, W].
        square: what the network is to see.
        pixel: the side of one of the network's pixels, in the photo's.
    """

    alignment: Alignment
    inside: tuple[slice, slice]
    hole: np.ndarray
    own: np.ndarray
    square: Square
    pixel: float

    @property
    def within(self) -> Alignment:
        """The alignment in the part's pixels."""
        return self.alignment.moved([side.start for side in self.inside])


def _distance(alignment, box):
    """How far each pixel of the photo's `box` lies from the middle of a face, the longer way, in its whole frame."""
    x, y = alignment.grid(box)
    return np.maximum(np.abs(x - WHOLE_SIDE / 2), np.abs(y - WHOLE_SIDE / 2))


def _widest_thin(alignment, config) -> float:
    """How wide a hole may be to count as thin, in the photo's pixels: `THIN`."""
    return THIN * alignment.footprint(WHOLE_FRAME, config.size)


def _part_of(hole, alignment, width):
    """The part of the photo, two slices, in which the face's whole frame has some of the `hole` that is at least
    `width` pixels wide, and what of the hole there is so, bool; None where nothing is."""
    corners = alignment.corners(WHOLE_FRAME)
    first, last = np.floor(corners.min(axis=0)) - 1, np.ceil(corners.max(axis=0)) + 2
    (left, top), (right, bottom) = (np.clip(corner, 0, hole.shape[::-1]).astype(int) for corner in (first, last))
    near = np.s_[top:bottom, left:right]
    if not hole[near].any():
        return None
    thick = classical.thick_part(hole[near], width)
    if not thick.any():
        return None
    part = around(thick, int(4 * width) + 4)
    thick = thick[part]
    corner = [side.start + one.start for side, one in zip(near, part, strict=True)]
    return tuple(slice(start, start + length) for start, length in zip(corner, thick.shape, strict=True)), thick


def repairs_of(hole, alignments, config) -> Iterator[Repair]:
    """What each face repairs of `hole`, bool [H, W] of the photo: what lies in its whole frame and is not thin; where
    two overlap, the nearer one."""
    for number, alignment in enumerate(alignments):
        part = _part_of(hole, alignment, _widest_thin(alignment, config))
        if part is None:
            continue
        inside, thick = part
        distances = np.stack([_distance(other, inside) for other in alignments])
        own = thick & (distances.argmin(axis=0) == number) & (distances[number] <= WHOLE_SIDE / 2)
        if own.any():
            x, y = alignment.grid(inside)
            square = closest_square(np.stack([x[own], y[own]], axis=1), config)
            yield Repair(alignment, inside, thick, own, square, alignment.footprint(square, config.size))


def side_of(repair: Repair, restorer) -> int:
    """The side of the picture that the network is to see: `finest`, if `restorer` has it, where the photo has as many
    pixels, else its `config.size`."""
    size = restorer.config.size
    finest = getattr(restorer, "finest", size)
    return finest if repair.pixel * size >= finest else size


def draw(photo, repair: Repair, restorer):
    """The face as the network draws it, in the photo's own light: yields each step's name and picture, float32
    [size, size, 3] in [0, 255]; the last one, of `FINER` times `config.size`, is what is put back.

    photo: uint8 or uint16 [H, W, 3], its hole filled classically.
    """
    size, scale = side_of(repair, restorer), np.float32(255 / np.iinfo(photo.dtype).max)
    beyond = outside(photo.shape, repair.alignment, repair.square, size)
    mask = (hidden(repair, size) > 1e-4) | beyond
    cut = resampled(photo, repair.alignment, repair.square, size) * scale
    tone, levels = Tone.of(cut[~mask]), Levels.of(cut[~mask])
    seen = levels.apply(cut)
    yield "what the network sees", seen
    seen = np.rint(np.clip(seen, 0, 255)).astype(np.uint8)
    restored = tone.put(levels.undo(restorer.restore(seen, mask).astype(np.float32)))
    yield "restored, levels and tone undone", restored
    finer = FINER * restorer.config.size
    restored = cv2.resize(restored, (finer, finer), interpolation=cv2.INTER_CUBIC)
    photo = resampled(photo, repair.alignment, repair.square, finer) * scale
    drawn, beyond = (part.repeat(finer // size, axis=0).repeat(finer // size, axis=1) for part in (mask, beyond))
    known = (1 - hidden(repair, finer)) * ~beyond
    fitted = rim.fitted(restored, photo, known * drawn * (known > MIN_KNOWN), FINER)
    yield "mismatch at the rim carried inwards", fitted
    blurred = sharpness.as_blurred(fitted, photo, known)
    yield "as sharp as its surroundings", blurred
    yield "plain ground continued", ground.with_ground(blurred, photo, known, repair.square, FINER)


def hidden(repair: Repair, size) -> np.ndarray:
    """How much of each of the `size` x `size` pixels of the face's square is hole: float32."""
    return resampled(repair.hole, repair.within, repair.square, size)


def put_back(photo, repair: Repair, drawing):
    """The `photo`, float32 in [0, 255], with the `drawing` in it: yields each step's name and picture."""
    height, width = repair.own.shape
    restored = enlarged(drawing, repair.within, repair.square, (0, 0, width, height))
    yield "put back", np.where(repair.own[..., None], restored, photo)
    restored = rim.joined(photo, restored, rim.depth(repair.hole), repair.pixel)
    yield "joined at the rim", np.where(repair.own[..., None], restored, photo)


def _area(repair: Repair, shape, size) -> float:
    """How much of what the network sees of a photo of `shape`, at `size` pixels, is hole."""
    inside = ~outside(shape, repair.alignment, repair.square, size)
    return float((hidden(repair, size) > 1e-4)[inside].sum() / max(inside.sum(), 1))


def _finish(pixels, hole, with_grain):
    """Lays the photo's grain over all of its `hole`, and puts that on the photo's tone, if it has one, in place."""
    step = int(np.ceil(np.sqrt(hole.size / SAMPLE)))
    tone = Tone.of(classical.as_float(pixels[::step, ::step][~hole[::step, ::step]]))
    for tile, wide in classical.tiles(hole):
        part = classical.as_float(pixels[wide])
        finished = grain.grained(part, hole[wide], [side.start for side in wide]) if with_grain else part
        finished = tone.put(finished)
        if finished is not part:
            finished = classical.as_pixels(finished[classical.within(tile, wide)], pixels.dtype)
            pixels[tile][hole[tile]] = finished[hole[tile]]


def _ways_round(pixels, hole, faces, restorer) -> tuple[list[np.ndarray], list[bool]]:
    """The landmarks of each face, and whether it may be upside-down, as `way_round` has them."""
    found = [way_round(pixels, hole, landmarks, restorer) for landmarks in faces]
    return [landmarks for landmarks, _ in found], [doubt for _, doubt in found]


def sources_for(repair: Repair, pixels, hole, other_half, references) -> tuple[Source, list[Source]]:
    """The photo that is repaired, and where detail for it may come from."""
    here = Source(pixels, hole, repair.alignment, mirrored=False)
    own = [replace(here, mirrored=True)] if other_half else []
    return here, own + [source for other in references for source in reference.sources_of(other, here)]


def steps(photo, repair: Repair, restorer, sources, details: list):
    """What is done to one face: yields each step's name and picture, the last one what the photo is to hold in `own`.

    photo: filled classically; sources: of `sources_for`; details: receives what `with_detail` found. That changes the
    picture yielded before it in place.
    """
    for name, drawing in draw(photo, repair, restorer):
        yield name, drawing
    for name, restored in put_back(classical.as_float(photo[repair.inside]), repair, drawing):
        yield name, restored
    details += with_detail(restored, repair.own, repair.within, *sources)
    yield "detail of the other half", restored


def _repair_face(pixels, repair: Repair, restorer, sources) -> tuple[list[Detail], list[str]]:
    """Repairs one face in place; returns the details that were added, and what `notes.of_eyes` says."""
    *_, (_, restored) = steps(pixels, repair, restorer, sources, details := [])
    pixels[repair.inside][repair.own] = classical.as_pixels(restored, pixels.dtype)[repair.own]
    return details, notes.of_eyes(sources[0], details)


def restore_in_place(pixels, hole, restorer, faces, other_half=True, references=(), with_grain=True) -> list[str]:
    """As `restore_photo`, but `pixels` themselves are changed; hole: bool [H, W]. Returns the notes."""
    found, doubts = _ways_round(pixels, hole, faces, restorer)
    alignments = [Alignment.of(landmarks[:2] if len(landmarks) == 3 else landmarks) for landmarks in found]
    classical.fill(pixels, hole)
    widths = [_widest_thin(alignment, restorer.config) for alignment in alignments]
    left_over = classical.thick_part(hole, min(widths, default=min(hole.shape) / WHOLE_SIDE))
    thick, areas, details, unaided = left_over.sum(), [], [], []
    for repair in repairs_of(hole, alignments, restorer.config):
        sources = sources_for(repair, pixels, hole, other_half, references)
        added, advice = _repair_face(pixels, repair, restorer, sources)
        areas.append(_area(repair, hole.shape, restorer.config.size))
        details += added
        unaided += advice
        left_over[repair.inside][repair.own] = False
    if areas:
        classical.fill(pixels, left_over)
    _finish(pixels, hole, with_grain)
    turned = [round(np.rad2deg(np.angle(alignment.turn))) for alignment in alignments]
    told = notes.of_turns(turned, doubts) + notes.of_details(details, [other.name for other in references]) + unaided
    told += notes.of_hole(thick, left_over.sum(), areas, bool(alignments))
    return list(dict.fromkeys(told))  # two faces may have the same to tell


def restore_photo(
    pixels, mask, restorer, faces, other_half=True, references=(), with_grain=True
) -> tuple[np.ndarray, list[str]]:
    """Repairs the hole of a photograph and leaves every other pixel as it is.

    Args:
        pixels: uint8 or uint16 [H, W, 3] RGB, of any size.
        mask: [H, W], nonzero = hole.
        restorer: an `Inpainter` or a `LiteInpainter`.
        faces: for each face its eyes [2, 2], of which `way_round` finds out which way round they are, its eyes and its
            nose [3, 2], or its five landmarks [5, 2] (eyes, nose, corners of the mouth, left in the upright picture
            first), (x, y) in photo pixels; `centred_face(H, W)` for a picture cut as CelebA's are.
        other_half: whether detail may be taken from the face's undamaged side.
        references: `Reference`s, other photos of the person, from which detail may be taken as well.
        with_grain: whether the grain of the surroundings is laid over what is restored.

    Returns:
        A new array of the same type and shape, and notes for the user, a line each: where detail comes from, what was
        continued from its surroundings because it lies outside every face, what is larger than trained.
    """
    restored = pixels.copy()
    told = restore_in_place(restored, np.asarray(mask) != 0, restorer, faces, other_half, references, with_grain)
    return restored, told
