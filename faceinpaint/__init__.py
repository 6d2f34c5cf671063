"""Repair damaged faces with a U-Net GAN in Keras.

    history = faceinpaint.train(faceinpaint.preset("paper"), data="auto", run_dir="runs/paper")
    inpainter = faceinpaint.load("runs/paper")
    restored = inpainter.restore(images, masks)  # uint8 RGB [N, H, W, 3]; nonzero in a mask is the hole
    rows = faceinpaint.evaluate(inpainter, data="auto")

Importing this package is cheap. TensorFlow is loaded when one of these functions is first asked for.
"""

import importlib
import os

from faceinpaint.config import MEGAPIXELS, Config, UserError, preset
from faceinpaint.system.stderr import quiet_start

os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras reads it once, at its import; ~/.keras/keras.json may name another
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MEGAPIXELS * 10**6))  # OpenCV reads both once, at its import
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # what cannot be read is said here, in a line

_HOMES = {
    "prepare": "celeba",
    "Inpainter": "inpainter",
    "load": "variations",
    "train": "training",
    "evaluate": "evaluation",
}

__all__ = ["Config", "UserError", "preset", *_HOMES]


def __getattr__(name: str):
    """The public functions, imported from their modules when first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    with quiet_start():
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
