"""The files of a painting: the photo, the mask with the eyes, the result."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

import numpy as np
from PIL import Image, PngImagePlugin

from faceinpaint.config import UserError
from faceinpaint.paint.painting import Painting, as_points
from faceinpaint.photo.command import LOSSY_NOTE, decisions, same_file
from faceinpaint.photo.read import Picture, read_mask
from faceinpaint.photo.repair import restore_photo
from faceinpaint.photo.write import LOSSY, kind_of, write
from faceinpaint.system.files import explained, replacing


def as_text(points) -> str:
    return ",".join(f"{value:.1f}" for value in np.ravel(points))


def _eyes_in(mask_path: Path) -> list:
    """The eyes that `Work.save` kept in a mask, as points (x, y); none where that text is damaged."""
    with Image.open(mask_path) as mask:
        words = getattr(mask, "text", {}).get("eyes", "").replace(",", " ").split()
    with suppress(ValueError):
        return as_points(words).tolist()
    return []


@dataclass
class Work:
    """A photo, the result at `out`, its mask and eyes in `mask_path`, a PNG beside it. restorer, options: as
    `restore_photo` takes them."""

    photo: Picture
    out: Path
    restorer: object
    options: dict
    painting: Painting = None
    _saved: tuple = (None, (), ())  # mask and eyes, and what was to be said
    own: bool = True  # whether the mask at `mask_path` was opened or written here
    _saving: RLock = field(default_factory=RLock)

    @property
    def mask_path(self) -> Path:
        return self.out.with_name(f"{self.out.stem}-mask.png")

    def open(self, mask_path: Path | None = None, faces=()):
        """Begins with a mask: `mask_path`, or what an earlier painting left; faces: their eyes [2, 2], or their eyes
        and nose [3, 2]."""
        self.own = not mask_path or same_file(mask_path, self.mask_path)
        path, mask = self.mask_path if self.own else mask_path, None
        eyes = [eye for face in faces for eye in face[:2]]
        if not self.own or path.is_file():
            mask, eyes = self._saved_mask() if self.own else read_mask(path, self.photo), eyes or _eyes_in(path)
        self.painting = Painting(self.photo.shape, mask, eyes)
        for face in faces:
            if len(face) == 3:
                self.painting.settle(face)

    def _saved_mask(self):
        """The hole in the mask on disk. Raises `UserError` when it cannot be that of this photo."""
        try:
            return read_mask(self.mask_path, self.photo, "white", whole=True)
        except UserError as error:
            reason = str(error).partition(";")[0]
            raise UserError(f"{reason}; if it is another photo's, move it away, or give another -o") from error

    def load(self):
        """Takes the mask on disk, as a step that can be undone. Raises ValueError where there is none."""
        if not self.mask_path.is_file():
            raise ValueError("nothing has been saved yet")
        self.painting.load(self._saved_mask())

    def save(self) -> list[str]:
        """Writes mask and result, each whole or not at all; gives what the user should know, a line each. Where nothing
        is painted, the mask of before is removed, or it would be back the next time; the result stays. One at a time
        saves."""
        with self._saving:
            mask, eyes = self.painting.mask, self.painting.eyes
            if self._unsaved:
                self._saved = mask, eyes, self._write(mask, self.painting.faces) if mask.any() else self._remove()
            return self._saved[2]

    def keep(self, path: Path | None = None):
        """Writes the mask alone, at once, with the eyes: here, or to `path`; nothing where that is done."""
        with self._saving:
            if self._unsaved and self.painting.mask.any():
                self._write_mask(self.painting.mask, self.painting.faces, path or self.mask_path)

    @property
    def _unsaved(self) -> bool:
        return self._saved[0] is not self.painting.mask or self._saved[1] != self.painting.eyes

    def _write_mask(self, mask, faces, path):
        texts = PngImagePlugin.PngInfo()
        texts.add_text("eyes", " ".join(as_text(face[:2]) for face in faces))
        with replacing(path) as temporary:
            Image.fromarray(mask).save(temporary, "PNG", pnginfo=texts)
        self.own = True

    def _write(self, mask, faces) -> list[str]:
        self._write_mask(mask, faces, self.mask_path)
        restored, notes = restore_photo(self.photo.colour(), mask, self.restorer, faces, **self.options)
        lost = write(self.out, self.photo, self.photo.with_hole(restored, mask != 0))
        loss = [LOSSY_NOTE] if kind_of(self.out) in LOSSY else []
        decided = decisions(self.photo, mask != 0)
        return [f"saved: {self.out.name} and {self.mask_path.name}", *decided, *notes, *lost, *loss]

    def _remove(self) -> list[str]:
        if not (self.own and self.mask_path.is_file()):
            return ["nothing is painted, so nothing is saved"]
        with explained(self.mask_path):
            self.mask_path.unlink()
        return [f"nothing is painted: {self.mask_path.name} is removed, {self.out.name} left as it is"]
