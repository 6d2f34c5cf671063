"""Encoded images → pictures: decoded, cut to their centre square, resampled, on every core."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np


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
    """An encoded image as RGB uint8 [H, W, 3], turned as its EXIF orientation says; None when it cannot be read."""
    if not encoded:
        return None
    try:
        return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None


def in_parallel(function, items: Iterable, ahead: int = 128) -> Iterator:
    """`function` of each of `items`, in order, on every core, never more than `ahead` of them in memory."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running: deque = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) == ahead:
                yield running.popleft().result()
        yield from (future.result() for future in running)
