"""Grids: the same unseen faces, restored after each epoch, and the filmstrip and moving picture made of them."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from faceinpaint import figures, pipeline
from faceinpaint.celeba import Faces, shown_faces
from faceinpaint.config import Config
from faceinpaint.inpainter import composite
from faceinpaint.system.files import replacing, write_image

FAMILIES = ("centre", "half", "eyes", "nose", "mouth", "boxes", "strokes_20_40", "pixels")


def examples(faces: Faces, config: Config) -> list[tf.Tensor]:
    """image, mask and filled_image of the faces in every grid: one for each of `FAMILIES`.

    Where `faces` are CelebA's they are of the sample, whose pictures may be shown, and in no part of `faces`. Else they
    are validation faces.
    """
    shown = shown_faces(len(FAMILIES), unseen_by=faces)
    if shown is None:
        shown = faces.validation[: len(FAMILIES)]
    rows = [
        pipeline.fixed_examples(shown[i : i + 1], config, family, first=i)
        for i, family in enumerate(FAMILIES[: len(shown)])
    ]
    return [tf.concat(parts, axis=0) for parts in zip(*rows, strict=True)]


def drawn(inpainter, image, mask, filled_image) -> np.ndarray:
    """The grid of these examples as `inpainter` restores them: uint8 RGB [height, width, 3]."""
    generated = inpainter.generate(filled_image, mask)
    pictures = image, filled_image, generated, composite(image, generated, mask)
    shown, filled, generated, restored = (pipeline.to_uint8(picture).numpy() for picture in pictures)
    return figures.output_grid(shown, mask.numpy(), filled, generated, restored, FAMILIES[: len(shown)])


def path_of(folder: Path, epoch: int) -> Path:
    """The file of the grid after `epoch` in a run directory."""
    return folder / "grids" / f"epoch_{epoch:03d}.png"


def _read(path: Path, like: np.ndarray | None) -> np.ndarray | None:
    """The grid in `path`, uint8 RGB [H, W, 3], or None, said in a line, when it is damaged or not of `like`'s size."""
    try:
        with Image.open(path) as image:
            grid = np.asarray(image.convert("RGB"))
        if like is not None and grid.shape != like.shape:
            raise ValueError("another size")
        return grid
    except (OSError, SyntaxError, ValueError) as error:
        print(f"{path}: damaged ({error}); left out of the filmstrip")
        return None


def read_all(folder: Path, last: int) -> dict[int, np.ndarray]:
    """The grids in a run directory up to the epoch `last`, by epoch; damaged ones are left out, with a line."""
    grids: dict[int, np.ndarray] = {}
    for epoch in reversed(range(last + 1)):  # the last one is this program's, just drawn
        path = path_of(folder, epoch)
        if path.is_file() and (grid := _read(path, next(iter(grids.values()), None))) is not None:
            grids[epoch] = grid
    return dict(sorted(grids.items()))


def write_filmstrip(folder: Path, last: int):
    """The same faces at successive epochs, as a strip and as a moving picture, from the grids in a run directory."""
    grids = read_all(folder, last)
    chosen = {epoch: grids[epoch] for epoch in figures.filmstrip_epochs(last) if epoch in grids}
    if not chosen:
        print(f"{folder}: no filmstrip, for the grids that it shows are not there")
        return
    rows = len(figures.grid_column(next(iter(grids.values())), "image"))
    write_image(folder / "filmstrip.png", figures.filmstrip(chosen, FAMILIES[:rows]))
    frames = [Image.fromarray(grid).quantize() for grid in grids.values()]
    with replacing(folder / "progress.gif") as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=300, loop=0)
