"""What happens between the steps and epochs of a training: it is recorded, shown, and stopped when it must."""

import time
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from faceinpaint import figures
from faceinpaint.config import UserError
from faceinpaint.runs import checkpoint, grids
from faceinpaint.runs.folder import TIMES, Record, lines, times_before
from faceinpaint.system.files import replacing, write_image, write_text


def save_generator(folder: Path, inpainter):
    """Writes the averaged generator of `inpainter` to a run directory."""
    with replacing(folder / "generator.keras") as temporary:
        inpainter.averaged_generator.save(temporary)


class Recorder(keras.callbacks.Callback):
    """After each epoch: grid, generator, loss graph, then the checkpoint, and from it the history."""

    def __init__(self, folder: Path, record: Record, examples):
        """folder: the run directory; record: the run's, which grows with each epoch; examples: `grids.examples`."""
        super().__init__()
        self.folder, self.record, self.examples = folder, record, examples

    def draw_grid(self, epoch):
        write_image(grids.path_of(self.folder, epoch), grids.drawn(self.model, *self.examples))

    def on_train_begin(self, logs=None):
        if not self.record.history:
            self.draw_grid(0)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.time()

    def on_epoch_end(self, epoch, logs=None):
        epoch += 1  # Keras counts the epochs that are behind it
        seconds = round(time.time() - self.started, 1)
        self.record.history.append({"epoch": epoch, **{name: float(value) for name, value in logs.items()}})
        self.draw_grid(epoch)
        save_generator(self.folder, self.model)
        self._draw_losses()
        checkpoint.save(self.folder / "checkpoint", self.model.state_variables, self.record.to_dict())
        write_text(self.folder / "history.jsonl", lines(self.record.history))
        timed = {"epoch": epoch, "seconds": seconds, "ended": datetime.now(UTC).isoformat(timespec="seconds")}
        write_text(self.folder / TIMES, lines([*times_before(self.folder, epoch), timed]))

    def _draw_losses(self):
        figure = figures.loss_figure(self.record.history)
        with replacing(self.folder / "losses.png") as temporary:
            figure.savefig(temporary, dpi=110)
        figures.plt.close(figure)


class Progress(keras.callbacks.Callback):
    """One bar for the whole run, with the time left, and a line for each epoch."""

    def __init__(self, first_epoch, epochs, steps, lines=50):
        """lines: about how many of the epochs' lines are printed at most."""
        super().__init__()
        self.first, self.epochs, self.steps = first_epoch, epochs, steps
        self.each = -(-epochs // lines)  # a line for each so many epochs

    def on_train_begin(self, logs=None):
        begun = {"total": self.epochs * self.steps, "initial": self.first * self.steps}
        self.bar = tqdm(**begun, unit="step", disable=None, dynamic_ncols=True)
        self.started = time.time()

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        epoch += 1
        left = (time.time() - self.started) / (epoch - self.first) * (self.epochs - epoch)
        if epoch % self.each and epoch < self.epochs:
            return
        tqdm.write(
            f"epoch {epoch}/{self.epochs}  generator {logs['generator_loss']:.4f}  "
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
    """Calls `heed` of `signals.between_steps` after every step, of training and of validation."""

    def __init__(self, heed):
        super().__init__()
        self.heed = heed

    def on_train_batch_end(self, batch, logs=None):
        self.heed()

    def on_test_batch_end(self, batch, logs=None):
        self.heed()
