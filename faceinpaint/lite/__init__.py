"""The trained generator without TensorFlow: `generator.tflite` of a run directory, run by LiteRT.

Starting it takes a fraction of a second, importing TensorFlow several. `export` writes the file; that of an octave is
run by `octave`.
"""

from pathlib import Path
from threading import Lock

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from faceinpaint.config import Config, UserError, read
from faceinpaint.contract import checked
from faceinpaint.lite import octave
from faceinpaint.runs.folder import EXPORTED, trained_file
from faceinpaint.system.stderr import captured_stderr


class LiteInpainter:
    """`restore` of an exported generator: what `Inpainter.restore` gives, within rounding."""

    def __init__(self, path: Path, config: Config):
        """Raises ValueError or RuntimeError when `path` is no model that LiteRT can run, `UserError` when it is of
        another size than `config`."""
        self.config, self._alone = config, Lock()  # the interpreter is for one thread at a time
        self.finest = config.size * (2 if config.system == "octave" else 1)  # side of the largest picture
        with captured_stderr():  # LiteRT says which delegate it made
            interpreter = Interpreter(str(path))
            interpreter.allocate_tensors()
            names = interpreter.get_signature_list()
            self._functions = {name: interpreter.get_signature_runner(name) for name in names}
        sides = [runner.get_input_details()["image"]["shape"][1] for runner in self._functions.values()]
        if config.size not in sides:
            raise UserError(
                f"{path}: for pictures of {min(sides)} pixels, but config.json says {config.size}; restore it"
            )

    def _restored(self, image, mask):
        """image uint8 [size, size, 3] and mask float32 [size, size, 1] → restored, float32 in [-1, 1]."""
        image = image.astype(np.float32) / np.float32(127.5) - np.float32(1)
        with self._alone:
            if self.config.system == "octave":
                restored = octave.restored if len(image) == self.config.size else octave.twice_restored
                return restored(self._functions, image, mask)
            (run,) = self._functions.values()
            return run(image=image[None], mask=mask[None])["restored"][0]

    def restore(self, images, masks):
        """Repairs damaged images, one after the other: on a processor a batch is no faster.

        images: uint8 [N, H, W, 3] RGB or one [H, W, 3], H = W = `config.size` or `finest`; masks: [N, H, W] or [N, H,
        W, 1] (or without N), nonzero = hole → uint8 of the images' shape, known pixels bit-identical to `images`.
        Raises ValueError when type, shape or size is another, or the batch is empty.
        """
        images, masks, single = checked(images, masks, *dict.fromkeys((self.config.size, self.finest)))
        restored = np.stack([self._restored(image, mask) for image, mask in zip(images, masks, strict=True)])
        restored = np.rint(np.clip((restored + 1) * 127.5, 0, 255)).astype(np.uint8)
        restored = np.where(masks > 0, restored, images)
        return restored[0] if single else restored


def load(run: str | Path | None = None) -> LiteInpainter:
    """The trained generator of a run directory, of the weights that come with the package by default, ready to
    restore. Raises `UserError` when there is none, as before the last epoch of a training, or it is damaged."""
    again = (
        f"`python -m faceinpaint train --run {run}` with its other options writes it after the last epoch, "
        "but for the fills shuffle and patch, which LiteRT cannot draw"
    )
    path = trained_file(run, EXPORTED, again)
    config = read(path.with_name("config.json"))
    try:
        return LiteInpainter(path, config)
    except (ValueError, RuntimeError) as error:
        remedy = f"delete it, and {again}" if run else "install the package anew, or give a run with --run"
        raise UserError(f"{path}: not a generator that LiteRT can run; {remedy}") from error
