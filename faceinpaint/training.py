"""Training runs: the module that writes run directories.

A run directory is the record of a run: `config.json`, `environment.json`, `history.jsonl` (a line for each epoch),
`timing.jsonl` (when each epoch ended and how long it took), `grids/`, `losses.png`, `filmstrip.png`, `progress.gif`,
`checkpoint/`, `generator.keras` and, when training has ended, `generator.tflite`.

It survives whatever happens. Every file is written under another name first and then moved. An epoch is finished when
its checkpoint is there: that is written last, holds config, environment and history too, and repairs their files. A
run goes on from its last whole checkpoint as if it had never stopped, since all that is random is a function of (seed,
step). The same config on the same machine gives the same bits, checkpoints and history included; only `timing.jsonl`
and what Keras and the plots write about themselves differ.
"""

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from faceinpaint import celeba, figures, pipeline
from faceinpaint.config import Config, UserError, to_json
from faceinpaint.inpainter import Inpainter, load, resolved
from faceinpaint.lite import export
from faceinpaint.runs import checkpoint, environment
from faceinpaint.runs import folder as runs
from faceinpaint.runs.folder import EXPORTED
from faceinpaint.system import devices as distribution
from faceinpaint.system.files import explained, locked, replacing, write_image, write_text
from faceinpaint.system.signals import between_steps

GRID_FAMILIES = ("centre", "half", "eyes", "nose", "mouth", "boxes", "strokes_20_40", "pixels")


class Record(keras.callbacks.Callback):
    """After each epoch: grid, generator, loss graph, then the checkpoint, and from it the history.

    record: the run's "config", "environment" and "history"; see `checkpoint.save`.
    """

    def __init__(self, run_dir: Path, record: dict, examples):
        super().__init__()
        self.run_dir, self.record, self.examples = run_dir, record, examples

    def draw_grid(self, epoch):
        image, mask, filled_image = self.examples
        generated = self.model.generate(filled_image, mask)
        restored = self.model.restore(pipeline.to_uint8(image).numpy(), mask.numpy())
        stages = (pipeline.to_uint8(stage).numpy() for stage in (filled_image, generated))
        grid = figures.output_grid(pipeline.to_uint8(image).numpy(), mask.numpy(), *stages, restored)
        write_image(self.run_dir / "grids" / f"epoch_{epoch:03d}.png", grid)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.time()

    def on_epoch_end(self, epoch, logs=None):
        epoch += 1  # Keras counts the epochs that are behind it
        seconds = round(time.time() - self.started, 1)
        history = self.record["history"]
        history.append({"epoch": epoch, **{name: float(value) for name, value in logs.items()}})
        self.draw_grid(epoch)
        _save_generator(self.run_dir, self.model)
        figure = figures.loss_figure(history)
        with replacing(self.run_dir / "losses.png") as temporary:
            figure.savefig(temporary, dpi=110)
        figures.plt.close(figure)
        checkpoint.save(self.run_dir / "checkpoint", self.model.state_variables, self.record)
        write_text(self.run_dir / "history.jsonl", runs.lines(history))
        timing = self.run_dir / "timing.jsonl"
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        with explained(timing), timing.open("a") as file:
            file.write(runs.lines([{"epoch": epoch, "seconds": seconds, "ended": ended}]))


class Progress(keras.callbacks.Callback):
    """One bar for the whole run, with the time left, and a line for each epoch."""

    def __init__(self, first_epoch, epochs, steps):
        super().__init__()
        self.bar = tqdm(
            total=epochs * steps, initial=first_epoch * steps, unit="step", disable=None, dynamic_ncols=True
        )
        self.epochs, self.finished, self.started = epochs, 0, time.time()

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self.finished += 1
        left = (time.time() - self.started) / self.finished * (self.epochs - epoch - 1)
        tqdm.write(
            f"epoch {epoch + 1}/{self.epochs}  generator {logs['generator_loss']:.4f}  "
            f"discriminator {logs['discriminator_loss']:.4f}  validation PSNR {logs['val_psnr']:.2f} dB, "
            f"in the hole {logs['val_hole_psnr']:.2f} dB  about {left / 60:.0f} min left"
        )

    def on_train_end(self, logs=None):
        self.bar.close()


class StopOnNaN(keras.callbacks.Callback):
    """Ends training when a loss is not a finite number. The last checkpoint is from before."""

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["generator_loss"] + logs["discriminator_loss"]):
            raise UserError(
                f"step {batch + 1}: a loss is not a finite number; the last finished epoch's checkpoint is kept; "
                "try a lower generator_rate, or precision float32"
            )


class Heed(keras.callbacks.Callback):
    """Calls `heed` of `between_steps` after every step, of training and of validation."""

    def __init__(self, heed):
        super().__init__()
        self.heed = heed

    def on_train_batch_end(self, batch, logs=None):
        self.heed()

    def on_test_batch_end(self, batch, logs=None):
        self.heed()


def _grid_examples(faces: celeba.Faces, config: Config):
    """The faces of every grid: unseen, one for each of `GRID_FAMILIES`."""
    rows = [
        pipeline.fixed_examples(faces.validation[i : i + 1], config, family, first=i)
        for i, family in enumerate(GRID_FAMILIES)
        if i < len(faces.validation)
    ]
    return [tf.concat(stage, axis=0) for stage in zip(*rows, strict=True)]


def _read_grid(path: Path, like: np.ndarray | None) -> np.ndarray | None:
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


def write_filmstrip(run_dir: Path, last: int):
    """The same faces at successive epochs, as a strip and as a moving picture, from the grids in `run_dir`."""
    grids: dict[int, np.ndarray] = {}
    for epoch in reversed(range(last + 1)):  # the last one is this program's, just drawn
        path = run_dir / "grids" / f"epoch_{epoch:03d}.png"
        if path.is_file() and (grid := _read_grid(path, next(iter(grids.values()), None))) is not None:
            grids[epoch] = grid
    grids = dict(sorted(grids.items()))
    chosen = {epoch: grids[epoch] for epoch in figures.filmstrip_epochs(last) if epoch in grids}
    write_image(run_dir / "filmstrip.png", figures.filmstrip(chosen))
    frames = [Image.fromarray(grid).quantize() for grid in grids.values()]
    with replacing(run_dir / "progress.gif") as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=300, loop=0)


def _go_on(
    run_dir: Path, config: Config, faces: celeba.Faces, spread: tf.distribute.Strategy, start: str | Path | None
) -> list[dict]:
    """Trains the epochs that `run_dir` has not finished."""
    for folder in ("grids", "checkpoint"):
        (run_dir / folder).mkdir(exist_ok=True)
    with spread.scope():  # the environment tells of it
        record, values = environment.find(run_dir, config, faces, start)
        environment.check_same(run_dir, record, config, faces, start)
    finished = len(record["history"])
    runs.cut_back(run_dir, finished)
    runs.write(run_dir, record)
    _agree(config, faces, spread, finished)
    if finished < config.epochs:
        recording = Record(run_dir, record, _grid_examples(faces, config))
        _fit(config, faces, spread, finished, values, recording, environment.start_of(record))
    else:
        print(f"{run_dir}: all {config.epochs} epochs are done; --fresh starts over")
    if not (run_dir / "generator.keras").is_file():
        _save_generator(run_dir, _inpainter(config, faces, values))
    if finished < config.epochs or not (run_dir / "progress.gif").is_file():
        write_filmstrip(run_dir, config.epochs)
    if finished < config.epochs or not (run_dir / EXPORTED).is_file():
        export.write(load(run_dir), run_dir / EXPORTED)
    return record["history"]


def _inpainter(
    config: Config, faces: celeba.Faces, values: list[np.ndarray] | None = None, start: str | None = None
) -> Inpainter:
    """Networks and optimizers with the `values` of a checkpoint. As they begin without them: at random, or with the
    generator of the run directory `start`."""
    inpainter = Inpainter(config)
    inpainter.compile(pipeline.steps_per_epoch(faces.train, config))
    if values:
        checkpoint.assign(inpainter.state_variables, values)
    elif start:
        for network in (inpainter.generator, inpainter.averaged_generator):
            checkpoint.assign(network.weights, load(start).averaged_generator.get_weights())
    return inpainter


def _save_generator(run_dir: Path, inpainter: Inpainter):
    with replacing(run_dir / "generator.keras") as temporary:
        inpainter.averaged_generator.save(temporary)


def _agree(config: Config, faces: celeba.Faces, spread: tf.distribute.Strategy, finished: int = 0) -> int:
    """The number of epochs that the chief has `finished`. Raises `UserError` when it trains something else."""
    task = int(hashlib.sha256(f"{to_json(config)}{environment.identity(faces)}".encode()).hexdigest()[:15], 16)
    chief_task, finished = distribution.from_chief(spread, np.array([task, finished])).tolist()
    if task != chief_task:
        raise UserError("this worker has other settings, or other faces, than the first one: give both the same")
    return finished


def _fit(
    config: Config,
    faces: celeba.Faces,
    spread: tf.distribute.Strategy,
    finished: int,
    values: list[np.ndarray] | None = None,
    recording: Record | None = None,
    start: str | None = None,
):
    """Trains all epochs after `finished`, from the state `values` of the chief's last checkpoint, from the beginning,
    or the generator of the run `start`, without one. The chief is `recording`."""
    if not config.jit_compile:  # Keras leaves uncompiled what is to be deterministic
        tf.config.experimental.enable_op_determinism()
    steps, callbacks = pipeline.steps_per_epoch(faces.train, config), [StopOnNaN()]
    with spread.scope():
        inpainter = _inpainter(config, faces, values, start)
    distribution.align(spread, inpainter.state_variables)
    if recording:
        recording.set_model(inpainter)
        if not finished:
            recording.draw_grid(0)
        callbacks += [Progress(finished, config.epochs, steps), recording]
    draw = pipeline.undrawn if config.damage_on_device else pipeline.training_example
    batches = pipeline.training_batches(faces.train, config, first_step=finished * steps, draw=draw)
    validation = tf.data.Dataset.from_tensor_slices(tuple(pipeline.fixed_examples(faces.validation, config)))
    with between_steps() as heed:
        inpainter.fit(
            distribution.shares(spread, batches),
            validation_data=distribution.copies(spread, validation.batch(config.batch_size)),
            initial_epoch=finished,
            epochs=config.epochs,
            steps_per_epoch=steps,
            callbacks=[*callbacks, Heed(heed)],
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )


def train(
    config: Config, data="auto", run_dir="runs/paper", fresh=False, strategy="none", start: str | Path | None = None
) -> list[dict]:
    """Trains, or goes on with, the run in `run_dir`, and returns its history, a dict for each epoch.

    data: see `celeba.prepare`. fresh: start over, discarding what `run_dir` holds. strategy: see
    `distribution.strategy`; `config.batch_size` images are divided among all devices. Of several workers, all of which
    are given the same, only the first has a run directory and returns the history; the others return []. start: the run
    directory from whose trained generator a new run begins, in place of random weights.
    TensorFlow's operations are made deterministic, and stay so in this process; not with `config.jit_compile`.
    Raises `UserError` when the data cannot be used, when `run_dir` was begun with other settings, is in use by another
    training or cannot be written, when a loss becomes NaN, and when another worker is lost. KeyboardInterrupt passes
    through. Whatever ends it, the last finished epoch is kept.
    """
    spread = distribution.strategy(strategy)
    run_dir, config = Path(run_dir), distribution.checked(resolved(config), spread)
    faces = celeba.prepare(data, config)
    if not len(faces.validation):
        raise UserError(f"{faces.description}: no face is left for validation; add images")
    if not distribution.is_chief(spread):
        return _assist(config, faces, spread)
    if fresh:
        runs.check_discardable(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    with locked(run_dir), distribution.explained(spread):
        if fresh:
            runs.discard(run_dir)
        return _go_on(run_dir, config, faces, spread, start)


def _assist(config: Config, faces: celeba.Faces, spread: tf.distribute.Strategy) -> list[dict]:
    """What a worker that is not the chief does in a training. It writes nothing."""
    with distribution.explained(spread):
        finished = _agree(config, faces, spread)
        if finished < config.epochs:
            _fit(config, faces, spread, finished)
    return []
