"""Which system a config names: the paper's, or one of those that it is compared with.

What lives here: networks, losses and changed training steps of these other systems, a file for each. What the paper's
experiment itself needs does not.
"""

import warnings
from pathlib import Path

from faceinpaint.config import Config, UserError, read
from faceinpaint.inpainter import Inpainter
from faceinpaint.runs import folder
from faceinpaint.variations.coarse_to_fine import CoarseToFine

__all__ = ["SYSTEMS", "build", "load"]

SYSTEMS = {"paper": Inpainter, "coarse_to_fine": CoarseToFine}


def build(config: Config) -> Inpainter:
    """The system that `config` names, untrained. Raises `UserError` when there is none of this name."""
    if config.system not in SYSTEMS:
        raise UserError(f"system '{config.system}': choose one of {', '.join(SYSTEMS)}")
    return SYSTEMS[config.system](config)


def load(run: str | Path | None = None) -> Inpainter:
    """The trained `Inpainter` of a run directory, of the weights that come with the package by default.

    Of the .keras file its weights alone are read: whatever code it may hold is not run.
    Raises `UserError` when there is none or it is damaged.
    """
    remedy = f"train one with: python -m faceinpaint train --run {run}"
    path = folder.trained_file(run, "generator.keras", remedy)
    inpainter = build(read(path.with_name("config.json")))
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # where the file lacks a layer
            inpainter.averaged_generator.load_weights(path)
    except Exception as error:  # Keras raises many kinds for a damaged or foreign file
        again = "delete it and train again (a finished run makes it anew from its checkpoint)"
        raise UserError(f"{path}: not a generator of this config ({type(error).__name__}); {again}") from error
    return inpainter
