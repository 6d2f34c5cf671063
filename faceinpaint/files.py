"""Files that appear whole or not at all, and one training at a time in a run directory. No TensorFlow."""

import os
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from faceinpaint.config import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def explained(path: Path):
    """Turns a failure to write `path` (a full disk, mostly) into one line that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: {reason}; what was finished is kept: mend this and give the same command") from error


@contextmanager
def replacing(path: Path):
    """A name to write to; what was written takes `path`'s place only when all of it is on the disk.

    Raises `UserError` when it cannot be written: what was at `path` is then as before, and nothing lies beside it.
    """
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with explained(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())  # or a power cut could leave the name without the content
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: Path):
    """Removes what killed processes left of `replacing` anywhere in `folder`."""
    for left in folder.rglob(".*.partial*"):
        left.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes):
    """`content` as a file that appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str):
    """`text` as a file that appears whole or not at all."""
    write_bytes(path, text.encode())


def write_image(path: Path, image):
    """`image`, uint8 RGB [H, W, 3], as a file that appears whole or not at all."""
    write_bytes(path, cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())  # cv2.imwrite hides a full disk


@contextmanager
def locked(folder: Path):
    """Held by one process at a time for each `folder`; `UserError` for the others. The system lifts the lock with the
    process, however that ends: the file `.lock` that stays behind stops nobody. Where there are no such locks (Windows,
    some network disks) everybody passes."""
    with (folder / ".lock").open("a") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{folder}: a training is running there; wait for it, or use another --run") from error
        except OSError:
            pass
        yield


def row_reader(array: np.ndarray):
    """Two functions of row numbers [B] of `array` [N, ...]: one returns these rows as a new array, the other says that
    they will be asked for soon.

    Rows of a memory-mapped array are read from the file itself: of a map, every page that was ever touched counts as
    memory of the process, in time all of the file. The system fetches what it is told of while others are read: many
    rows at a time, as disks need it to be fast.
    """
    if not isinstance(array, np.memmap) or not hasattr(os, "preadv"):  # Windows
        return array.__getitem__, lambda numbers: None
    whole = array
    while isinstance(whole.base, np.memmap):  # `array` may be a part of what was mapped
        whole = whole.base
    start, size = whole.offset + array.ctypes.data - whole.ctypes.data, array.strides[0]
    file = Path(whole.filename).open("rb", buffering=0)  # noqa: SIM115 - closed when nobody can read any more

    def read(numbers):
        rows = np.empty((len(numbers), *array.shape[1:]), array.dtype)
        for row, number in zip(rows, numbers, strict=True):
            if os.preadv(file.fileno(), [row], start + int(number) * size) < row.nbytes:
                raise OSError(f"{whole.filename}: shorter than it was")
        return rows

    def announce(numbers):
        for number in numbers if hasattr(os, "posix_fadvise") else ():  # not on macOS
            os.posix_fadvise(file.fileno(), start + int(number) * size, size, os.POSIX_FADV_WILLNEED)

    return read, announce
