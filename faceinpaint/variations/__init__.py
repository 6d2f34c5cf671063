"""Which system a config names: the paper's, or another.

What lives here: networks, losses and changed training steps of the systems that the paper's is compared with, and of
those that go beyond it, a file for each. What the paper's experiment itself needs does not.
"""

import warnings
from pathlib import Path

from faceinpaint.config import Config, UserError, from_dict, read
from faceinpaint.fills import FILLS
from faceinpaint.inpainter import Inpainter
from faceinpaint.masks import MIXES
from faceinpaint.runs import folder
from faceinpaint.variations.blind import Blind
from faceinpaint.variations.coarse_to_fine import CoarseToFine
from faceinpaint.variations.context_encoder import ContextEncoder
from faceinpaint.variations.damaged_only import DamagedOnly
from faceinpaint.variations.nested import Nested
from faceinpaint.variations.octave import Octave
from faceinpaint.variations.perceptual import Perceptual
from faceinpaint.variations.sc_fegan import ScFegan
from faceinpaint.variations.wasserstein import Wasserstein

__all__ = ["SYSTEMS", "build", "check_start", "load"]

SYSTEMS = {
    "paper": Inpainter,
    "coarse_to_fine": CoarseToFine,
    "context_encoder": ContextEncoder,
    "damaged_only": DamagedOnly,
    "wasserstein": Wasserstein,
    "blind": Blind,
    "nested": Nested,
    "sc_fegan": ScFegan,
    "perceptual": Perceptual,
    "octave": Octave,
}


def _system(config: Config) -> type[Inpainter]:
    """The class of the system that `config` names. Raises `UserError` where it, its fill or its mix is unknown."""
    for name, known in (("system", SYSTEMS), ("fill", FILLS), ("mix", MIXES)):
        if getattr(config, name) not in known:
            raise UserError(f"{name} '{getattr(config, name)}': choose one of {', '.join(known)}")
    return SYSTEMS[config.system]


def build(config: Config) -> Inpainter:
    """The system that `config` names, untrained. Raises `UserError` when it, its fill or its mix is unknown."""
    return _system(config)(config)


def check_start(config: Config, start: dict | None):
    """Refuses to begin a run of `config` with a generator that does not fit, or of pictures too small for its system.

    start: what the environment of the run says of that from whose generator it begins; None for random weights.
    """
    system = _system(config)
    if config.size < system.min_size:
        raise UserError(f"size {config.size}: the system {config.system} is trained on {system.min_size} or more")
    wanted = system.start_of(config)
    if start is None:
        if wanted != config:
            raise UserError(
                f"{config.system}: begins with a generator of {wanted.size} pixels; name its run: --start RUN"
            )
        return
    asked = _generator_of(wanted)
    for key, there in _generator_of(from_dict(start["config"])).items():
        if there != asked[key]:
            raise UserError(f"--start {start['folder']}: {key} {there} there, {asked[key]} asked; give another run")


def _generator_of(config: Config) -> dict:
    """What two generators must have in common to exchange their weights."""
    network = _system(config).build_generator.__name__
    return {"network": network, "size": config.size, "generator_widths": config.generator_widths}


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
