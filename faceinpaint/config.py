"""One frozen dataclass says everything an experiment depends on, and presets name the experiments.

A run writes its `Config` to `config.json`; the same file makes the same run again. Nothing here imports TensorFlow.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

WHOLE_SIDE = 178  # CelebA's aligned images are 178 x 218; their centre square, rows 20 to 197, is the whole frame
MEGAPIXELS = 200  # no larger picture is opened: a small file can unpack to more than the memory there is
MAX_EPOCHS = 10**6
PRECISIONS = ("auto", "float32", "mixed_bfloat16")


class UserError(Exception):
    """What a user can mend. Its message is the one line printed: it names the file or option, then the remedy."""


@dataclass(frozen=True)
class Config:
    """The paper's experiment. Where the paper is silent, the comment gives the reason for our choice."""

    system: str = "paper"  # or another of variations.SYSTEMS

    # Faces. Sides are pixels; images are square.
    size: int = 64  # side of the network's picture; a multiple of 16, or of 2 to the power of the number of scales
    train_images: int = 19_000
    validation_images: int = 500  # not in the paper: choices are made on these, never on the test faces
    test_images: int = 1_000
    batch_size: int = 8  # four times the steps of 32: a lower LPIPS after equal epochs of few faces

    # Augmentation, drawn anew for every image and epoch.
    flip: bool = True
    framing: tuple[int, int] = (104, 178)  # side of the training square, pixels of the 178x218 original
    framing_shift: float = 3.0  # the square's centre moves by up to this many original pixels, each way
    rotation: float = 0.0  # degrees, up to this much to either side; 8 made upright faces worse, even of few faces
    colour: float = 0.0  # contrast changes by up to this fraction, brightness by up to as much on [-1, 1]

    # Damage and fill.
    mix: str = "training"  # of the holes that training draws; see masks.MIXES
    fill: str = "surround"  # the paper's "known values" instead of noise; see fills.FILLS

    # Networks. Widths are channels at each scale, from half of `size` down; every further scale halves the side.
    generator_widths: tuple[int, ...] = (64, 128, 256, 256)
    discriminator_widths: tuple[int, ...] = (32, 64, 128, 256)
    discriminator_dense: int = 128

    # Losses: generator_loss = reconstruction_weight * log L1 in the hole + adversarial_weight * balance * BCE.
    reconstruction_weight: float = 0.2  # the paper trains with BCE alone: preset `bce_only`
    adversarial_weight: float = 0.7
    adversarial_rise: float = 0.0  # share of the steps over which the adversarial weight rises from 0; 0: it does not

    # Optimisation. Adam for both networks; the rate falls to zero along half a cosine.
    epochs: int = 50
    min_epoch_images: int = 1_040  # of fewer faces an epoch shows each several times: small data need as many steps
    generator_rate: float = 5e-4
    discriminator_rate: float = 2e-4
    beta_1: float = 0.5
    average_share: float = 0.05  # half-life of the average of the generator's weights, as a share of the steps so far

    # Machine.
    precision: str = "auto"  # "float32", "mixed_bfloat16", or "auto": bfloat16 where the hardware multiplies it
    jit_compile: bool | None = None  # by XLA; None: on a GPU alone, for a CPU is faster with oneDNN
    seed: int = 0

    def __post_init__(self):
        side = 2 ** max(4, len(self.generator_widths), len(self.discriminator_widths))  # a pixel of the deepest scale's
        if self.size < side or self.size % side:
            raise UserError(f"size {self.size}: must be a multiple of {side}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed {self.seed}: must be from 0 to {2**32 - 1}")
        for name in ("batch_size", "epochs", "train_images"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} {getattr(self, name)}: must be at least 1")
        if self.epochs > MAX_EPOCHS:
            raise UserError(f"epochs {self.epochs}: must be at most {MAX_EPOCHS}")
        if self.precision not in PRECISIONS:
            raise UserError(f"precision '{self.precision}': choose one of {', '.join(PRECISIONS)}")


# What each preset changes from `paper`. One thing each, so that a difference in the result has one cause.
PRESETS: dict[str, dict] = {
    "paper": {},
    "bce_only": {"reconstruction_weight": 0.0, "adversarial_weight": 1.0, "discriminator_rate": 1e-3},  # rates.json
    **{f"{fill}_fill": {"fill": fill}
       for fill in ("noise", "mean", "constant", "uniform", "salt_and_pepper", "shuffle", "patch")},
    "rotated": {"rotation": 45.0},
    "perceptual": {"system": "perceptual"},
    # For trained weights, --start: more faces a step, and truth before sharpness while the new discriminator learns.
    **{name: {"system": "perceptual", "mix": mix, "batch_size": 32, "adversarial_rise": 0.7, "epochs": 40}
       for name, mix in (("finetuned", "training"), ("parts", "parts"))},
    # A further octave for trained weights, --start: finer pictures, and the thin holes that show them.
    "octave": {"system": "octave", "size": 128, "mix": "thin", "batch_size": 16, "epochs": 10, "generator_rate": 3e-4},
    "unmosaic": {"fill": "mosaic"},
    "unmosaic_blind": {"fill": "mosaic", "system": "blind"},  # not told where the mosaic is
    **{name: {"system": name} for name in ("coarse_to_fine", "damaged_only", "nested")},
    # As their papers weigh their own terms; and as narrow as takes the U-Net's seconds for a step, rates by rates.json.
    "context_encoder": {"system": "context_encoder", "fill": "mean", "reconstruction_weight": 0.999,
                        "adversarial_weight": 0.001},
    "wasserstein": {"system": "wasserstein", "reconstruction_weight": 100.0, "adversarial_weight": 1.0},
    "coarse_to_fine_narrow": {"system": "coarse_to_fine", "generator_widths": (12, 16, 32), "generator_rate": 4e-3},
    "sc_fegan": {"system": "sc_fegan", "generator_widths": (12, 16, 32), "generator_rate": 2e-3,
                 "reconstruction_weight": 1.0, "adversarial_weight": 0.001},
    "smoke": {
        "train_images": 48,
        "validation_images": 8,
        "test_images": 8,
        "batch_size": 8,
        "min_epoch_images": 1,
        "generator_widths": (8, 16, 16),
        "discriminator_widths": (8, 16),
        "discriminator_dense": 8,
        "epochs": 2,
    },
}  # fmt: skip

RETIRED = ("generator", "damage_on_device", "average_momentum")  # keys that earlier versions wrote


def preset(name: str, **changes) -> Config:
    """The `Config` called `name`, with `changes` on top. Raises `UserError` for an unknown preset or field."""
    if name not in PRESETS:
        raise UserError(f"preset '{name}': choose one of {', '.join(PRESETS)}")
    return from_dict(PRESETS[name] | changes)


def at_size(config: Config, size: int) -> Config:
    """`config` for pictures of `size` pixels. Each doubling beyond 64 adds a finer scale of half the width, at least 8,
    to both networks, so that their deepest scale sees as much of the face as at 64 pixels. Raises `UserError` when
    `size` is not a multiple of 16, from 128 on of 32, from 256 on of 64 and so forth."""
    doublings = range(int(math.log2(max(size / Config.size, 1))), 0, -1)

    def with_finer(widths):
        return (*(max(widths[0] >> doubling, 8) for doubling in doublings), *widths)

    return dataclasses.replace(
        config,
        size=size,
        generator_widths=with_finer(config.generator_widths),
        discriminator_widths=with_finer(config.discriminator_widths),
    )


def from_dict(fields: dict) -> Config:
    """A `Config` from JSON-like `fields`. Raises `UserError` naming any key that is not a field, or has another kind of
    value."""
    known = {field.name: field.default for field in dataclasses.fields(Config)}
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise UserError(f"config: unknown key '{unknown[0]}'; the keys are {', '.join(known)}")
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    for key, value in fields.items():
        if not _is_kin(value, known[key]):
            raise UserError(f"config: {key} {value!r}: not of the kind of {known[key]!r}")
    return Config(**fields)


def _is_kin(value, default) -> bool:
    """Whether `value` is of the kind of a field's `default`."""
    if default is None:
        return value is None or isinstance(value, bool)
    if isinstance(default, tuple):
        return isinstance(value, tuple) and value != () and all(type(side) is int and side > 0 for side in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(default)


def to_json(config: Config) -> str:
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def revived(fields: dict, where: Path) -> Config:
    """The `Config` of `fields` that this or an earlier version wrote at `where`.

    Prints a line about the keys that are retired. Raises `UserError` naming `where` and any other key that is not a
    field.
    """
    retired = [key for key in RETIRED if key in fields]
    if retired:
        print(f"{where}: {', '.join(retired)}: retired since this run was made, and left out")
    try:
        return from_dict({key: value for key, value in fields.items() if key not in RETIRED})
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def read(path: Path) -> Config:
    """The `Config` in the JSON file `path`. Raises `UserError` when it cannot be read as one."""
    if not path.is_file():
        raise UserError(f"{path}: not there; restore it, for it says what the run's networks are")
    try:
        return revived(dict(json.loads(path.read_text())), path)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not a faceinpaint config ({error}); delete it or restore it") from error
