"""The paper's claims at full length, and the systems that it reviews: what `make variations` trains and measures.

    python -m faceinpaint.studies claims [NAME ...] [--data PATH] [--part validation|test] [--epochs N] [--faces N]

One trial after the other, in the order of `PLAN`: a preset and a seed, or a method that needs no training. Each
training has its directory in runs/variations, and goes on where it stopped. As a trial ends, notebooks/variations
receives NAME-SEED.json and, beside it, the values of each image and a strip of restored faces of the sample; what is
there is skipped. With --epochs or --faces it is a rehearsal, and all of it goes to runs/rehearsal.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from faceinpaint import pipeline, training
from faceinpaint.baselines import symmetric_crop
from faceinpaint.celeba import Faces, shown_faces
from faceinpaint.config import Config, UserError, preset
from faceinpaint.evaluation import Restore, damaged_examples, perceptual, unseen_faces
from faceinpaint.runs import checkpoint, folder
from faceinpaint.studies import trials
from faceinpaint.studies.mirror import fitted_crop
from faceinpaint.studies.results import as_json, measured_on, shown_damage, without_values, write_values
from faceinpaint.system import files
from faceinpaint.variations import build, load, unmosaic
from faceinpaint.variations.deep_image_prior import DeepImagePrior

RUNS, RESULTS, REHEARSAL = Path("runs/variations"), Path("notebooks/variations"), Path("runs/rehearsal")
EPOCHS = 12  # so many draw eyes and mouths
AS_LONG = 36_800  # images that the coarse-to-fine network sees while the U-Net sees 12 epochs of 19,000 (bench.json)
REHEARSED = 50  # faces that a rehearsal is measured on
WATCHED = 112  # validation faces whose LPIPS is recorded after every epoch
TIMED, UNTIMED = 5, 2  # training steps that are timed, after those that compile

# What needs no training: name → what makes its `restore` for a config, and the number of faces, None for all.
METHODS: dict[str, tuple[Callable[[Config], Restore], int | None]] = {
    "symmetric_crop": (lambda config: symmetric_crop, None),
    "fitted_crop": (lambda config: fitted_crop, None),
    "block_means": (lambda config: unmosaic.block_means, None),
    "bicubic": (lambda config: unmosaic.bicubic, None),
    "deep_image_prior": (lambda config: DeepImagePrior(config).restore, 20),
}


@dataclass(frozen=True)
class Trial:
    """One training, or one of `METHODS`.

    Attributes:
        name: of its files and its rows; the preset's, unless that is given.
        seed: of all that is random in its training.
        preset: whose training it is.
        length: what its config has instead of `EPOCHS`: how long it is trained.
    """

    name: str
    seed: int = 0
    preset: str | None = None
    length: dict = field(default_factory=dict)

    def config(self, shorter: dict) -> Config:
        """Its settings; of a rehearsal, as long as `shorter` says."""
        if self.name in METHODS:
            return preset("paper")
        length = shorter or self.length
        return preset(self.preset or self.name, seed=self.seed, **({"epochs": EPOCHS} | length))

    def __str__(self):
        return f"{self.name}-{self.seed}"


def _trials(*names, seeds=(0,), **about) -> list[Trial]:
    return [Trial(name, seed, **about) for seed in seeds for name in names]


PLAN = [
    # (a) known values against noise, mean, constant; (c) the symmetric crop; (d) cross-entropy alone; turned heads
    *_trials("paper", "noise_fill", "mean_fill", "constant_fill", seeds=(0, 1)),
    *_trials("symmetric_crop", "fitted_crop"),
    *_trials("bce_only", length={"epochs": 2 * EPOCHS}),
    *_trials("rotated"),
    # the systems that the paper reviews, with the U-Net
    *_trials("context_encoder", "damaged_only", "wasserstein", "nested"),
    *_trials("unmosaic", "unmosaic_blind", "block_means", "bicubic"),
    *_trials("deep_image_prior"),
    # other noise
    *_trials("uniform_fill", "salt_and_pepper_fill", "shuffle_fill", "patch_fill"),
    # the loss that the weights of the package have besides the paper's
    *_trials("perceptual"),
    # (b) coarse to fine: as narrow as takes the U-Net's time, whole for as long, and whole for some epochs
    *_trials("coarse_to_fine_narrow", "sc_fegan", seeds=(0, 1)),
    *_trials("coarse_to_fine_as_long", preset="coarse_to_fine", length={"epochs": 1, "min_epoch_images": AS_LONG}),
    *_trials("coarse_to_fine", length={"epochs": 4}),
]
TURNED = ("paper", "rotated")  # also measured in turned heads


class Watch(keras.callbacks.Callback):
    """Records val_lpips after every epoch: LPIPS of some validation faces, the families of damage taking turns."""

    def __init__(self, faces, config: Config):
        super().__init__()
        self.images, self.holes = damaged_examples(faces[:WATCHED], replace(config, seed=0), None)
        self.lpips = perceptual(config.size)[0].get("lpips")

    def on_epoch_end(self, epoch, logs=None):
        if self.lpips:
            pair = [pipeline.to_float(x) for x in (self.images, self.model.restore(self.images, self.holes))]
            logs["val_lpips"] = float(np.mean(self.lpips(*pair)))


def seconds_for_a_step(config: Config, faces: Faces) -> float:
    """What one training step of `config` takes here and now, its examples included."""
    inpainter = build(config)
    inpainter.compile(UNTIMED + TIMED)
    batches = pipeline.training_batches(faces.train, config, draw=inpainter.training_example)
    step, taken = tf.function(inpainter.train_step), []
    for batch in batches.take(UNTIMED + TIMED):
        begun = time.perf_counter()
        step(batch)["generator_loss"].numpy()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[UNTIMED:])


def announce(trial: Trial, config: Config, faces: Faces, run: Path):
    """Prints how long a training will take, before it starts."""
    finished = checkpoint.finished(run / "checkpoint")
    steps = (config.epochs - finished) * pipeline.steps_per_epoch(faces.train, config)
    if steps > 0:
        seconds = seconds_for_a_step(config, faces)
        left = f"{config.epochs - finished} epochs, {steps:,} steps of {1000 * seconds:.0f} ms"
        print(f"{trial}: {left}: about {steps * seconds / 60:.0f} min, then some to measure", flush=True)


def announce_method(trial: Trial, restore: Restore, pictures, turned: bool) -> float:
    """Prints how long a method will take, before it is measured: the seconds of one picture."""
    image, hole = damaged_examples(pictures[:1], preset("paper"), "eye")
    restore(image, hole)  # what is compiled is compiled once
    begun = time.perf_counter()
    restore(image, hole)
    seconds = time.perf_counter() - begun
    count = len(pictures) * len(trials.cases(turned))
    print(f"{trial}: {count:,} pictures: about {count * seconds / 60:.0f} min, then some to measure", flush=True)
    return seconds


def trained(trial: Trial, config: Config, data: str, faces: Faces, run: Path, part: str) -> tuple[Restore, dict]:
    """`restore` of what `trial` trains, and what is to be told of its training.

    On test faces only that is measured which is trained already: `UserError` where it is not.
    """
    if part == "validation":
        announce(trial, config, faces, run)
        training.train(config, data, run, watching=[Watch(faces.validation, config)])
    inpainter, record = load(run), folder.record_in(run).to_dict()
    seconds = [epoch["seconds"] for epoch in folder.read_times(run)]
    history = record.pop("history")
    about = {"parameters": inpainter.generator.count_params(), "epoch_seconds": statistics.median(seconds or [np.nan])}
    return inpainter.restore, {"trained": record, **about, "history": history}


def carry_out(trial: Trial, data: str, part: str, shorter: dict):
    """Trains what `trial` asks for, measures it and writes what came out; `shorter`: see `Trial.config`."""
    config, turned = trial.config(shorter), trial.name in TURNED
    runs, results = folders(shorter)
    faces, out = unseen_faces(data, config, part), file_of(results, trial, part)
    out.parent.mkdir(parents=True, exist_ok=True)  # before the training, should it be impossible
    pictures = getattr(faces, part)[: REHEARSED if shorter else None]
    if trial.name in METHODS:
        make, first = METHODS[trial.name]
        restore, pictures = make(config), pictures[:first]
        about = {"picture_seconds": announce_method(trial, restore, pictures, turned)}
    else:
        restore, about = trained(trial, config, data, faces, runs / str(trial), part)
    rows = trials.measure(restore, pictures, preset("paper"), turned)
    told = {"name": trial.name, "seed": trial.seed, **measured_on(faces, part)}
    write_values(out.with_suffix(".npz"), [trials.key(row) for row in rows], rows, trials.METRICS)
    if part == "validation" and (shown := shown_faces()) is not None:
        files.write_image(out.with_suffix(".png"), np.hstack(restore(*shown_damage(shown, preset("paper")))))
    files.write_text(out, as_json(told | about | {"rows": without_values(rows)}))


def folders(shorter: dict) -> tuple[Path, Path]:
    """Where run directories and results lie; those of a rehearsal by themselves, for each length."""
    rehearsal = REHEARSAL / "_".join(f"{name}_{number}" for name, number in shorter.items())
    return (rehearsal, rehearsal) if shorter else (RUNS, RESULTS)


def file_of(results: Path, trial: Trial, part: str) -> Path:
    """The file of what was measured of `trial`."""
    return results / (f"{trial}.json" if part == "validation" else f"{trial}-{part}.json")


def run(names: list[str], data: str, part: str, shorter: dict):
    """Carries out the trials of these `names`, all of `PLAN` if there are none, but for those that are there."""
    if unknown := set(names) - {trial.name for trial in PLAN}:
        raise UserError(f"{min(unknown)}: no trial; choose of {', '.join(dict.fromkeys(t.name for t in PLAN))}")
    preset("paper", **shorter)  # refuses what no training can have
    _, results = folders(shorter)
    chosen = [trial for trial in PLAN if not names or trial.name in names]
    todo = [trial for trial in chosen if not file_of(results, trial, part).is_file()]
    print(f"{results}: {len(chosen) - len(todo)} of {len(chosen)} trials are there, {len(todo)} to come", flush=True)
    for number, trial in enumerate(todo, start=1):
        print(f"{trial}: number {number} of {len(todo)}", flush=True)
        carry_out(trial, data, part, shorter)
        keras.backend.clear_session()


def main(argv: list[str]):
    """Carries out what `argv` asks for. Raises `UserError` for what the user can mend."""
    parser = argparse.ArgumentParser("python -m faceinpaint.studies claims", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="trials (default: all)")
    parser.add_argument("--data", default="auto", metavar="auto|sample|tfds|PATH", help="as in `faceinpaint train`")
    parser.add_argument("--part", choices=("validation", "test"), default="validation", help="whose faces are measured")
    parser.add_argument("--epochs", type=int, metavar="N", help="a rehearsal of N epochs")
    parser.add_argument("--faces", type=int, metavar="N", help="a rehearsal on the first N faces")
    args = parser.parse_args(argv)
    asked = {"epochs": args.epochs, "train_images": args.faces}
    run(args.names, args.data, args.part, {name: number for name, number in asked.items() if number is not None})
