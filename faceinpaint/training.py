"""Trainings: with `runs`, the only modules that write run directories.

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
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from faceinpaint import pipeline
from faceinpaint.celeba import Faces, prepare
from faceinpaint.config import Config, UserError, to_json
from faceinpaint.inpainter import Inpainter
from faceinpaint.lite import export
from faceinpaint.runs import EXPORTED, Record, callbacks, checkpoint, environment, folder, grids
from faceinpaint.system import devices, signals
from faceinpaint.variations import build, check_start, load


@dataclass
class Run:
    """One training: of what, on what, where it is kept, and how far it has come.

    Attributes:
        config, faces, strategy: what is trained, on what, on which devices.
        folder, record: the run directory and its record; None on a worker that is not the first.
        values: those of the last whole checkpoint; None before the first.
        finished: the number of epochs behind it.
    """

    config: Config
    faces: Faces
    strategy: tf.distribute.Strategy
    folder: Path | None = None
    record: Record | None = None
    values: list[np.ndarray] | None = None
    finished: int = 0

    @property
    def steps(self) -> int:
        """Training steps in an epoch."""
        return pipeline.steps_per_epoch(self.faces.train, self.config)


def begin(config: Config, faces: Faces, run_dir: Path, strategy=None, start: str | Path | None = None) -> Run:
    """Opens the run directory `run_dir`, new or as an earlier training left it, and repairs what is spoiled there.

    strategy: one of `devices.chosen`, one device unless given; start: see `train`.
    Raises `UserError` when it was begun with other settings or cannot go on.
    """
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():  # the environment tells of it
        now = environment.of(faces)
    record, values = folder.find(run_dir, config, now, start)
    check_start(config, record.environment.get("start"))
    folder.check_same(run_dir, record, config, now, start)
    for part in ("grids", "checkpoint"):
        (run_dir / part).mkdir(parents=True, exist_ok=True)
    folder.cut_back(run_dir, len(record.history))
    folder.write_record(run_dir, record)
    return Run(config, faces, strategy, run_dir, record, values, len(record.history))


def resume(run: Run, inpainter: Inpainter):
    """Gives the compiled `inpainter` the weights and optimizers of the run's last checkpoint.

    Before the first checkpoint it gets the generator of the run directory from which this one starts, if it does.
    """
    start = folder.start_of(run.record) if run.record else None
    if run.values:
        checkpoint.assign(inpainter.state_variables, run.values)
    elif start:
        inpainter.start_from(load(start))
    devices.align(run.strategy, inpainter.state_variables)


def _resumed(run: Run) -> Inpainter:
    with run.strategy.scope():
        inpainter = build(run.config)
        inpainter.compile(run.steps)
    resume(run, inpainter)
    return inpainter


def watchers(run: Run, heed, lines=50) -> list:
    """The callbacks of a training: what stops it, and on the first worker what shows and records it.

    heed: of `signals.between_steps`; lines: about how many of the epochs print one, at most.
    """
    stopping = [callbacks.StopOnNaN(), callbacks.Heed(heed)]
    if not run.record:
        return stopping
    recorder = callbacks.Recorder(run.folder, run.record, grids.examples(run.faces, run.config))
    progress = callbacks.Progress(run.finished, run.config.epochs, run.steps, lines)
    return [recorder, progress, *stopping]  # an epoch is kept before it is told: nobody may be listening any more


def fit(run: Run, inpainter: Inpainter, watching=()):
    """Trains all epochs that `run` has not finished. watching: see `train`."""
    if not inpainter.jit_compile:  # Keras leaves uncompiled what is to be deterministic
        tf.config.experimental.enable_op_determinism()
    first_step, draw = run.finished * run.steps, inpainter.training_example
    batches = pipeline.training_batches(run.faces.train, run.config, first_step, draw)
    validation = tf.data.Dataset.from_tensor_slices(tuple(inpainter.fixed_examples(run.faces.validation, run.config)))
    with signals.between_steps() as heed:
        inpainter.fit(
            devices.shares(run.strategy, batches),
            validation_data=devices.copies(run.strategy, validation.batch(run.config.batch_size)),
            initial_epoch=run.finished,
            epochs=run.config.epochs,
            steps_per_epoch=run.steps,
            callbacks=[*watching, *watchers(run, heed)],
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )


def finish(run: Run):
    """Writes what the directory of a finished `run` lacks: generator, filmstrip, export."""
    trained = run.finished < run.config.epochs
    if not (run.folder / "generator.keras").is_file():
        callbacks.save_generator(run.folder, _resumed(run))
    if trained or not (run.folder / "progress.gif").is_file():
        grids.write_filmstrip(run.folder, run.config.epochs)
    if export.possible(run.config) and (trained or not (run.folder / EXPORTED).is_file()):
        export.write(load(run.folder), run.folder / EXPORTED)


def _agree(run: Run):
    """Gives `run` the number of epochs that the first worker has finished. Raises `UserError` when that trains
    something else."""
    told = f"{to_json(run.config)}{environment.identity(run.faces)}"
    task = int(hashlib.sha256(told.encode()).hexdigest()[:15], 16)
    chief_task, run.finished = devices.from_chief(run.strategy, np.array([task, run.finished])).tolist()
    if task != chief_task:
        raise UserError("this worker has other settings, or other faces, than the first one: give both the same")


def _train(run: Run, watching=()):
    """Trains what is left of `run`, on every worker."""
    with devices.explained(run.strategy):
        _agree(run)
        if run.finished < run.config.epochs:
            fit(run, _resumed(run), watching)
        elif run.record:
            print(f"{run.folder}: all {run.config.epochs} epochs are done; --fresh starts over")
        if run.record:
            finish(run)


def train(
    config: Config,
    data="auto",
    run_dir="runs/paper",
    fresh=False,
    strategy="none",
    start: str | Path | None = None,
    split: str | Path = "listed",
    watching: list | tuple = (),
) -> list[dict]:
    """Trains, or goes on with, the run in `run_dir`.

    TensorFlow's operations are made deterministic, and stay so in this process; not where XLA compiles them.
    Whatever ends it, the last finished epoch is kept. KeyboardInterrupt passes through.

    Args:
        config: the experiment; `config.batch_size` images are divided among all devices.
        data, split: see `celeba.prepare`.
        run_dir: the run directory. Of several workers, all of which are given the same, only the first has one.
        fresh: start over, discarding what the run in `run_dir` holds.
        strategy: see `devices.chosen`.
        start: the run directory from whose trained generator a new run begins, in place of random weights.
        watching: further Keras callbacks; what they put into an epoch's `logs` is recorded.

    Returns:
        The history, a dict for each epoch; on a worker that is not the first, [].

    Raises:
        UserError: the data cannot be used; `run_dir` was begun with other settings, holds what no run wrote, lies in
            the data, is in use by another training or cannot be written; a loss becomes NaN; another worker is lost.
    """
    strategy, run_dir = devices.chosen(strategy), Path(run_dir)
    config = devices.checked(devices.resolved(config), strategy)
    if devices.is_chief(strategy):
        folder.check_place(run_dir, fresh)
        if data and run_dir.resolve().is_relative_to(Path(os.path.expanduser(data)).resolve()):
            raise UserError(f"{run_dir}: lies in the data, whose images its grids would become; use another --run")
    if devices.is_chief(strategy) and (fresh or not run_dir.exists()):  # before anything is prepared, or discarded
        if start and run_dir.resolve() == Path(start).resolve():
            raise UserError(f"--start {start}: the run directory itself, which --fresh empties; give another --run")
        check_start(config, folder.told_of(start) if start else None)
    faces = prepare(data, config, split=split)
    if not len(faces.validation):
        raise UserError(f"{faces.description}: no face is left for validation; add images")
    if not devices.is_chief(strategy):
        _train(Run(config, faces, strategy))
        return []
    with folder.owned(run_dir, fresh):
        run = begin(config, faces, run_dir, strategy, start)
        _train(run, watching)
    return run.record.history
