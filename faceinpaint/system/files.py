"""Files that appear whole or not at all, and one training at a time in a run directory. No TensorFlow."""

import hashlib
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2

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
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]  # the path's own may be as long as names can be
    temporary = path.with_name(f".{name}.partial{path.suffix}")
    try:
        with explained(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())  # or a power cut could leave the name without the content
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # a name may be too long for it to be there
            temporary.unlink()


def remove_partial(*folders: Path):
    """Removes what killed processes left of `replacing` in `folders`; what lies deeper is not looked at."""
    for folder in folders:
        for left in folder.glob(f".{'[0-9a-f]' * 16}.partial*"):
            left.unlink(missing_ok=True)


def without_folders(text: str) -> str:
    """`text` with every absolute path in it by its last name: where files lie on this machine concerns nobody."""
    return re.sub(r"(?<!\S)/\S*/(?=[^\s/])", "", text)


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
def alone(path: Path, told: str, mode="rb"):
    """Held by one process at a time for each file `path`, opened in `mode`; `UserError`, which says `told`, for the
    others. The system lifts the lock with the process, however that ends. Where there are no such locks (Windows, some
    network disks) everybody passes."""
    with path.open(mode) as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(told) from error
        except OSError:
            pass
        yield


def locked(folder: Path):
    """`alone` in a run directory, by its file `.lock`: that it stays behind stops nobody."""
    return alone(folder / ".lock", f"{folder}: a training is running there; wait for it, or use another --run", "ab")
