"""The plain ground behind a face, continued into the hole. The network has seen few of them and draws others.

Pictures are float32 [S, S, 3] RGB in [0, 255], of the face's square.
"""

import cv2
import numpy as np

from faceinpaint.photo.rim import depth, fitted

HEAD = (89.0, 100.0), (52.0, 74.0)  # centre and half axes of an ellipse in the whole frame: ground, if any, is outside
WITH_HAIR = 1.3  # times as wide, and there is hardly ever hair outside
ALIKE = 18.0  # levels of 255 between two pixels of one ground, before its gradient is known
PLAIN = 5.0  # levels: a ground that deviates more from an even gradient is not plain
WIDE = 0.05  # of the square's edge is hole, at least
MIN_GROUND = 0.58  # of what is known outside the head is ground
DRAWN = 10.0  # levels: nearer to the ground than that, the network has drawn it itself
KNOWN = 0.4  # of the ground so drawn: then the network knows it, and where it ends


def _outside_head(square, size, widened=1.0):
    step = square.side / size
    x, y = ((np.arange(size) + 0.5) * step + corner for corner in square.corner)
    (x0, y0), (half_width, half_height) = HEAD
    return np.square((x - x0) / half_width) + np.square((y[:, None] - y0) / half_height) > widened**2


def _commonest(colours):
    """Which of `colours` [N, 3] are like the one that the most others are like: bool [N]."""
    some = colours[:: max(1, len(colours) // 200)]
    alike = np.abs(some[:, None] - some).max(axis=2) < ALIKE
    return np.abs(colours - some[alike.sum(axis=0).argmax()]).max(axis=1) < ALIKE


def plain_ground(photo, known, square):
    """The even gradient of colour that a plain ground is, everywhere in the square [S, S, 3], and where it is known to
    be seen, bool [S, S]; None where the ground is not plain. known: bool [S, S].

    A plane is fitted to the commonest colour outside the head, twice, by least squares.
    """
    size = len(photo)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    places = np.stack([rows, columns, np.ones_like(rows)], axis=-1).astype(np.float32)
    outside = known & _outside_head(square, size)
    if outside.sum() < size:
        return None
    colours, at = photo[outside], places[outside]
    alike = _commonest(colours)
    for _ in range(2):
        plane = np.linalg.lstsq(at[alike], colours[alike], rcond=None)[0]
        off = np.abs(colours - at @ plane).max(axis=1)
        deviation = np.sqrt(np.square(off[alike]).mean())
        alike = off < max(3 * min(deviation, PLAIN), 4.0)
    if alike.mean() < MIN_GROUND or deviation > PLAIN:
        return None
    ground = places @ plane
    seen = known & (np.abs(photo - ground).max(axis=2) < max(3 * deviation, 6.0))
    return ground, _reaching_the_edge(seen)


def _reaching_the_edge(seen):
    """The parts of `seen`, bool [S, S], that touch the square's edge: skin of the ground's colour is none of it."""
    _, labels = cv2.connectedComponents(seen.astype(np.uint8), connectivity=4)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return seen & np.isin(labels, np.setdiff1d(edge, 0))


def with_ground(restored, photo, known, square, pixel):
    """`restored` with the plain ground of the `photo` where a hole that reaches the square's edge shows ground, unless
    the network has drawn it itself: where the face's other side, mirrored, shows it, corrected at the rim by what is
    seen there; outside head and hair where that side is lost as well.

    known: the share of each pixel that is known, float32 [S, S]; pixel: one of the network's, in these.
    """
    whole = known > 0.99
    edge = np.concatenate([known[0], known[-1], known[:, 0], known[:, -1]])
    found = plain_ground(photo, whole, square) if (edge < 0.5).mean() > WIDE else None
    if found is None:
        return restored
    ground, seen = found
    mirrored_known = whole[:, ::-1]
    guess = np.where(mirrored_known, seen[:, ::-1], _outside_head(square, len(photo), WITH_HAIR))
    guess &= _outside_head(square, len(photo))
    expected = guess & (known < 0.01)
    drawn = (np.abs(restored - ground).max(axis=2) < DRAWN)[expected]
    if drawn.sum() > KNOWN * drawn.size:
        return restored
    guess, label = (np.repeat(part[..., None], 3, axis=2).astype(np.float32) for part in (guess, seen))
    rim = (whole & (depth(whole) <= pixel)).astype(np.float32)
    share = np.clip(2 * cv2.GaussianBlur(fitted(guess, label, rim, pixel), (0, 0), pixel / 2) - 0.5, 0, 1)
    return np.where((depth(~whole) > 0)[..., None], share * ground + (1 - share) * restored, restored)
