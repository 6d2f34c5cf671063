"""Encoded images → pictures: decoded, cut to their centre square, resampled, on every core."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

AHEAD = 128  # images that are in memory at a time
JPEG = b"\xff\xd8"  # how its files begin; they have no transparency


def centre_square(image: np.ndarray, side: int) -> np.ndarray:
    """The centre square of `image` [H, W, 3], resampled to [side, side, 3]: by area where it shrinks, else cubic."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    top, left = (height - shorter) // 2, (width - shorter) // 2
    square = image[top : top + shorter, left : left + shorter]
    if shorter == side:
        return square
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if shorter > side else cv2.INTER_CUBIC)


def decode(encoded: bytes | None) -> np.ndarray | None:
    """An encoded image as RGB uint8 [H, W, 3], turned as its EXIF orientation says, or, if it has transparency, as it
    is stored, on white; None when it cannot be read."""
    if not encoded:
        return None
    stored = np.frombuffer(encoded, np.uint8)
    try:
        picture = cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB)
        opaque = picture is None or encoded.startswith(JPEG)
        return picture if opaque else _on_white(picture, cv2.imdecode(stored, cv2.IMREAD_UNCHANGED))
    except cv2.error:
        return None


def _on_white(picture, whole):
    """`picture` itself, unless `whole`, BGRA [H, W, 4], has transparency: the colours under it are not seen."""
    if whole.shape[2:] != (4,) or whole.dtype.kind != "u":
        return picture
    opaque = np.iinfo(whole.dtype).max
    if whole.dtype == np.uint8 and whole[..., 3].min() == opaque:
        return picture
    colours, alpha = np.split(whole / np.float32(opaque), [3], axis=2)
    return np.rint(255 * (colours[..., ::-1] * alpha + 1 - alpha)).astype(np.uint8)


def in_parallel(function, items: Iterable) -> Iterator:
    """`function` of each of `items`, in order, on every core, never more than `AHEAD` of them in memory."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running: deque = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) == AHEAD:
                yield running.popleft().result()
        yield from (future.result() for future in running)
