"""Repair damaged faces with a U-Net GAN in Keras.

    history = faceinpaint.train(faceinpaint.preset("paper"), data="auto", run_dir="runs/paper")
    inpainter = faceinpaint.load("runs/paper")
    restored = inpainter.restore(images, masks)  # uint8 RGB [N, H, W, 3]; nonzero in a mask is the hole
    rows = faceinpaint.evaluate(inpainter, data="auto")

Importing this package is cheap. What needs TensorFlow is loaded when it is first asked for.
"""

import importlib.util
import os
import sys
from contextlib import contextmanager
from types import ModuleType

from faceinpaint.config import MEGAPIXELS, Config, UserError, preset

os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras reads it once, at its import; ~/.keras/keras.json may name another
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MEGAPIXELS * 10**6))  # OpenCV reads it once, at its import

_LAZY = {"prepare": "celeba", "Inpainter": "inpainter", "load": "inpainter", "train": "train", "evaluate": "evaluate"}

__all__ = ["Config", "UserError", "preset", *_LAZY]


def __getattr__(name: str):
    """The package's functions and modules, imported when first asked for: any may be what loads TensorFlow."""
    path = f"{__name__}.{_LAZY.get(name, name)}"
    if not importlib.util.find_spec(path):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    with quiet_start():
        module = importlib.import_module(path)
    return getattr(module, name) if name in _LAZY else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package's class. Importing `faceinpaint.train` puts that module where the function of the same name is
    expected, whoever imports it and whenever: here the function takes its place."""

    def __setattr__(self, name, value):
        if name in _LAZY and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


@contextmanager
def quiet_start():
    """Keeps TensorFlow's start-up lines off the screen: they come from C++ before its own log level applies, so file
    descriptor 2 is closed to them. Python's errors pass. With TF_CPP_MIN_LOG_LEVEL set they are all shown."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # what matters arrives as a Python exception
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices()  # the rest of the lines, about drivers
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
