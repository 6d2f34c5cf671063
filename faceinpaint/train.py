"""Training runs: the module that writes run directories.

A run directory is the record of a run: `config.json`, `environment.json`, `history.jsonl` (a line for each epoch),
`grids/`, `losses.png`, `filmstrip.png`, `progress.gif`, `checkpoint.npz` and `generator.keras`. Every file is written
under another name first and then moved, so that a run stopped at any moment leaves whole files.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
import zipfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from faceinpaint import celeba, figures, pipeline
from faceinpaint.config import Config, UserError, read, to_json
from faceinpaint.inpainter import Inpainter, resolved

GRID_FAMILIES = ("centre", "half", "eyes", "nose", "mouth", "boxes", "strokes_20_40", "pixels")


@contextmanager
def _replacing(path: Path):
    """A name to write to; what was written takes `path`'s place only when all of it is there."""
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str):
    """`text` as a file that appears whole or not at all."""
    with _replacing(path) as temporary:
        temporary.write_text(text)


def write_image(path: Path, image):
    """`image`, uint8 RGB, as a file that appears whole or not at all. Raises OSError when it cannot be written."""
    with _replacing(path) as temporary:
        if not cv2.imwrite(str(temporary), image[..., ::-1]):
            raise OSError(f"{path}: cannot be written")


def _identity(faces: celeba.Faces) -> str:
    """Changes when other faces, or the same ones in another order, are trained on, validated on or tested on."""
    return hashlib.sha256(json.dumps([faces.train.shape, faces.names]).encode()).hexdigest()


def _environment(faces: celeba.Faces) -> dict:
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    return {
        "data": faces.description,
        "faces": _identity(faces),
        "commit": commit or "unknown",
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "gpus": [gpu.name for gpu in tf.config.list_physical_devices("GPU")],
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
    }


def save_checkpoint(path: Path, inpainter: Inpainter, epoch: int):
    """Everything training changes, with the number of finished epochs. A zip: damage shows in its checksums."""
    state = {f"{index:04d}": variable.numpy() for index, variable in enumerate(inpainter.state_variables)}
    with _replacing(path) as temporary:
        np.savez(temporary, epoch=epoch, **state)


def load_checkpoint(path: Path, inpainter: Inpainter) -> int:
    """Puts the state in `path` into `inpainter` and returns the number of finished epochs.

    Raises `UserError` when the file is damaged or another network's.
    """
    try:
        with np.load(path, allow_pickle=False) as state:
            values = [state[f"{index:04d}"] for index in range(len(inpainter.state_variables))]
            epoch = int(state["epoch"])
        for variable, value in zip(inpainter.state_variables, values, strict=True):
            variable.assign(value)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: damaged checkpoint ({error}); start over with --fresh") from error
    return epoch


class Record(keras.callbacks.Callback):
    """After each epoch: history line, loss graph, grid, generator and, last of all, the checkpoint."""

    def __init__(self, run_dir: Path, history: list[dict], examples):
        super().__init__()
        self.run_dir, self.history, self.examples = run_dir, history, examples

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
        self.history.append({"epoch": epoch, **{k: float(v) for k, v in logs.items()}, "seconds": seconds})
        self.draw_grid(epoch)
        with _replacing(self.run_dir / "generator.keras") as temporary:
            self.model.averaged_generator.save(temporary)
        write_text(self.run_dir / "history.jsonl", "".join(json.dumps(line) + "\n" for line in self.history))
        figure = figures.loss_figure(self.history)
        with _replacing(self.run_dir / "losses.png") as temporary:
            figure.savefig(temporary, dpi=110)
        figures.plt.close(figure)
        save_checkpoint(self.run_dir / "checkpoint.npz", self.model, epoch)


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


def _start_over(run_dir: Path):
    files = sorted(path.name for path in run_dir.iterdir()) if run_dir.is_dir() else []
    if files and "config.json" not in files:
        raise UserError(f"{run_dir}: not a run directory (it has no config.json); --fresh will not empty it")
    if files:
        print(f"{run_dir}: discarding {', '.join(files)}")
        shutil.rmtree(run_dir)


def read_environment(run_dir: Path) -> dict:
    """What `environment.json` says of the training in `run_dir`. Raises `UserError` when it cannot be read."""
    path = run_dir / "environment.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); use another --run, or --fresh") from error


def _check_same(run_dir: Path, config: Config, faces: celeba.Faces):
    """Refuses to go on with a run that was begun with other settings or other data."""
    old, new = asdict(read(run_dir / "config.json")), asdict(config)
    changed = [f"{key} {old[key]} there, {new[key]} asked" for key in new if old[key] != new[key]]
    begun = read_environment(run_dir)
    if begun.get("faces") != _identity(faces):
        changed.append(f"data «{begun.get('data')}» there, «{faces.description}» asked")
    if changed:
        raise UserError(f"{run_dir}: begun with other settings ({'; '.join(changed)}); use another --run, or --fresh")


def read_history(run_dir: Path, epochs: int | None = None) -> list[dict]:
    """The first `epochs` lines, all unless given, of the history in `run_dir`, a dict for each epoch."""
    path = run_dir / "history.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines[:epochs]]


def _grid_examples(faces: celeba.Faces, config: Config):
    """The faces of every grid: unseen, one for each of `GRID_FAMILIES`."""
    rows = [
        pipeline.fixed_examples(faces.validation[i : i + 1], config, family, first=i)
        for i, family in enumerate(GRID_FAMILIES)
        if i < len(faces.validation)
    ]
    return [tf.concat(stage, axis=0) for stage in zip(*rows, strict=True)]


def write_filmstrip(run_dir: Path, last: int):
    """The same faces at successive epochs, as a strip and as a moving picture, from the grids in `run_dir`."""
    paths = {epoch: run_dir / "grids" / f"epoch_{epoch:03d}.png" for epoch in range(last + 1)}
    grids = {epoch: cv2.imread(str(path))[..., ::-1] for epoch, path in paths.items() if path.is_file()}
    chosen = {epoch: grids[epoch] for epoch in figures.filmstrip_epochs(last) if epoch in grids}
    write_image(run_dir / "filmstrip.png", figures.filmstrip(chosen))
    frames = [Image.fromarray(grid).quantize() for grid in grids.values()]
    with _replacing(run_dir / "progress.gif") as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=300, loop=0)


def _begin(run_dir: Path, config: Config, faces: celeba.Faces):
    (run_dir / "grids").mkdir(parents=True, exist_ok=True)
    write_text(run_dir / "environment.json", json.dumps(_environment(faces), indent=2) + "\n")
    write_text(run_dir / "config.json", to_json(config))


def train(config: Config, data="auto", run_dir="runs/paper", fresh=False) -> list[dict]:
    """Trains, or goes on with, the run in `run_dir`, and returns its history, a dict for each epoch.

    data: see `celeba.prepare`. fresh: start over, discarding what `run_dir` holds.
    Raises `UserError` when the data cannot be used, when `run_dir` was begun with other settings, and when a loss
    becomes NaN; KeyboardInterrupt passes through, the last finished epoch kept.
    """
    run_dir, config = Path(run_dir), resolved(config)
    faces = celeba.prepare(data, config)
    steps = pipeline.steps_per_epoch(faces.train, config)
    if not len(faces.validation):
        raise UserError(f"{faces.description}: no face is left for validation; add images")
    if fresh:
        _start_over(run_dir)
    if (run_dir / "config.json").is_file():
        _check_same(run_dir, config, faces)
    else:
        _begin(run_dir, config, faces)

    inpainter = Inpainter(config)
    inpainter.compile(steps)
    checkpoint = run_dir / "checkpoint.npz"
    finished = load_checkpoint(checkpoint, inpainter) if checkpoint.is_file() else 0
    history = read_history(run_dir, finished)
    if finished >= config.epochs:
        print(f"{run_dir}: all {config.epochs} epochs are done; --fresh starts over")
        return history
    record = Record(run_dir, history, _grid_examples(faces, config))
    record.set_model(inpainter)
    if not finished:
        record.draw_grid(0)
    validation = pipeline.fixed_examples(faces.validation, config)
    inpainter.fit(
        pipeline.training_batches(faces.train, config, first_step=finished * steps),
        validation_data=tf.data.Dataset.from_tensor_slices(tuple(validation)).batch(config.batch_size),
        initial_epoch=finished,
        epochs=config.epochs,
        steps_per_epoch=steps,
        callbacks=[StopOnNaN(), Progress(finished, config.epochs, steps), record],
        shuffle=False,  # the batches come shuffled
        verbose=0,
    )
    write_filmstrip(run_dir, config.epochs)
    return history
