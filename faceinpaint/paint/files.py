"""The files of a painting: the photo, the mask with the eyes, the result."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from faceinpaint.paint.painting import Painting
from faceinpaint.photo.read import Picture, read_mask
from faceinpaint.photo.repair import restore_photo
from faceinpaint.photo.write import write
from faceinpaint.system.files import explained, replacing


def as_text(points) -> str:
    return ",".join(f"{value:.1f}" for value in np.ravel(points))


def _eyes_in(mask_path: Path) -> list:
    """The eyes that `Work.save` kept in a mask, as points (x, y)."""
    with Image.open(mask_path) as mask:
        words = getattr(mask, "text", {}).get("eyes", "").replace(",", " ").split()
    return np.array(words, np.float64).reshape(-1, 2).tolist()


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

    @property
    def mask_path(self) -> Path:
        return self.out.with_name(f"{self.out.stem}-mask.png")

    def open(self, mask_path: Path | None = None, faces=()):
        """Begins with a mask: `mask_path`, or what an earlier painting left; faces: their eyes [2, 2], or their eyes
        and nose [3, 2]."""
        path, mask = mask_path or self.mask_path, None
        eyes = [eye for face in faces for eye in face[:2]]
        if mask_path or path.is_file():
            mask, eyes = read_mask(path, self.photo, None if mask_path else "white"), eyes or _eyes_in(path)
        self.painting = Painting(self.photo.shape, mask, eyes)
        for face in faces:
            if len(face) == 3:
                self.painting.settle(face)

    def load(self):
        """Takes the mask on disk, as a step that can be undone."""
        self.painting.load(read_mask(self.mask_path, self.photo, "white"))

    def save(self) -> list[str]:
        """Writes mask and result, each whole or not at all; gives what the user should know, a line each. Where nothing
        is painted, the mask of before is removed, or it would be back the next time; the result stays."""
        mask, eyes = self.painting.mask, self.painting.eyes
        if self._saved[0] is not mask or self._saved[1] != eyes:
            self._saved = mask, eyes, self._write(mask, self.painting.faces) if mask.any() else self._remove()
        return self._saved[2]

    def _write(self, mask, faces) -> list[str]:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("eyes", " ".join(as_text(face[:2]) for face in faces))
        with replacing(self.mask_path) as temporary:
            Image.fromarray(mask).save(temporary, "PNG", pnginfo=texts)
        restored, notes = restore_photo(self.photo.colour(), mask, self.restorer, faces, **self.options)
        lost = write(self.out, self.photo, self.photo.with_hole(restored, mask != 0))
        return [f"saved: {self.out.name} and {self.mask_path.name}", *notes, *lost]

    def _remove(self) -> list[str]:
        if not self.mask_path.is_file():
            return ["nothing is painted, so nothing is saved"]
        with explained(self.mask_path):
            self.mask_path.unlink()
        return [f"nothing is painted: {self.mask_path.name} is removed, {self.out.name} left as it is"]
