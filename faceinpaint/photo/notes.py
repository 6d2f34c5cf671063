"""What the user should know of a repair, a line each."""

import numpy as np

from faceinpaint.config import WHOLE_SIDE
from faceinpaint.photo.alignment import LANDMARKS
from faceinpaint.photo.other_half import FITS, Detail, Source, discs
from faceinpaint.photo.registration import MIN_KNOWN

MAX_HOLE = 0.5  # fraction of the network's picture; training draws no larger connected hole (masks.TRAINING_MIX)
MAX_TURN = 75  # degrees; a face turned by more is said
OPENING = 4.5  # around an eye's middle: an eye of which half of this is known is not lost
# What a part is called that shows these of `LANDMARKS`, and what its partner is called.
NAMES = {
    (0,): ("left eye", "right one"),
    (1,): ("right eye", "left one"),
    (0, 1): ("eyes", ""),
    (2,): ("nose", ""),
    (3,): ("left half of the mouth", "right half"),
    (4,): ("right half of the mouth", "left half"),
    (3, 4): ("mouth", ""),
}


def of_turns(turns, doubts) -> list[str]:
    """turns: of each face in the photo, degrees; doubts: whether it may be upside-down."""
    nose = "add its nose: --eyes X1,Y1,X2,Y2,X3,Y3"
    notes = [
        f"taken for a face turned by {abs(turn)}°, the likelier way; to say otherwise, {nose}"
        for turn in turns
        if abs(turn) > MAX_TURN
    ]
    return notes + [f"taken for upright, which is hard to tell here; if it is upside-down, {nose}"] * any(doubts)


def _of_detail(detail: Detail) -> str:
    """The line for the user: what was taken from where."""
    shown = tuple(i for i, (x, y) in enumerate(LANDMARKS.astype(int)) if detail.part[y, x])
    left = np.nonzero(detail.part)[1].mean() < WHOLE_SIDE / 2
    sides = ("left side of the face", "right side") if left else ("right side of the face", "left side")
    name, partner = NAMES.get(shown, sides if detail.source.name is None else ("face", ""))
    source = detail.source.name or f"the {partner}; --no-other-half leaves it out"
    return f"detail for the {name} was taken from {source}"


def of_details(details, names) -> list[str]:
    """Lines for the user: which of `details` are worth a word, and which other photos, of `names`, gave nothing."""
    notes = [_of_detail(detail) for detail in details if detail.fit > FITS]
    used = {detail.source.name for detail in details}
    return notes + [f"{name}: nothing was taken from it; it does not fit, or something else does better"
                    for name in names if name not in used]  # fmt: skip


def of_eyes(here: Source, details) -> list[str]:
    """A line for the user where both eyes of the photo that is repaired are lost, and none of its `details` is theirs.

    here: as `with_detail` takes it; details: what that returned.
    """
    _, known = here.framed
    eyes = [discs(eye[None], OPENING) for eye in LANDMARKS[:2]]
    lost = all(known[eye].mean() < MIN_KNOWN for eye in eyes)
    given = any(detail.fit > FITS and detail.part[eye].any() for detail in details for eye in eyes)
    advice = "both eyes are lost: detail for them can come from another photo of the person: --reference OTHER.jpg"
    return [advice] if lost and not given else []


def of_hole(hole, left_over, areas, any_face) -> list[str]:
    """What the user should know, a line each. hole, left_over: pixels too wide to be filled classically, and those of
    them that no face repairs; areas: of each face, how much of what the network sees was hole."""
    notes = [
        f"{area:.0%} of the face's square is hole, more than the {MAX_HOLE:.0%} trained with: "
        "expect a likeness at best; mask only the damage"
        for area in areas
        if area > MAX_HOLE
    ]
    if left_over and not any_face:
        notes.append("no face found: filled from the surroundings alone; name the eyes: --eyes X1,Y1,X2,Y2")
    elif left_over:
        notes.append(
            f"{max(left_over / hole, 0.01):.0%} of the hole is outside the face: filled from its surroundings; if that "
            "is another face, name its eyes with --eyes"
        )
    return notes
