"""The system of the paper: a generator that fills holes, a discriminator that judges, and how they are trained."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from faceinpaint import losses, metrics
from faceinpaint.adam import FusedAdam
from faceinpaint.config import Config, UserError, read
from faceinpaint.contract import checked
from faceinpaint.fills import FILLS
from faceinpaint.networks import GENERATORS, build_discriminator
from faceinpaint.pipeline import to_float, to_uint8, training_example
from faceinpaint.runs.folder import trained_file
from faceinpaint.system import devices as distribution

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"faceinpaint needs Keras on TensorFlow, not on {keras.backend.backend()}: set KERAS_BACKEND=tensorflow"
    )


def resolved(config: Config) -> Config:
    """`config` with precision "auto" replaced by what this machine multiplies fast: bfloat16 on processors with
    AVX512-BF16 or AMX and on GPUs from compute capability 8.0, else float32."""
    if config.precision != "auto":
        return config
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        fast = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0)) >= (8, 0)
    else:
        cpuinfo = Path("/proc/cpuinfo")
        flags = cpuinfo.read_text() if cpuinfo.is_file() else ""
        fast = "avx512_bf16" in flags or "amx_bf16" in flags
    return replace(config, precision="mixed_bfloat16" if fast else "float32")


def composite(image, generated, mask):
    """restored = mask * generated + (1 - mask) * image: known pixels are never touched."""
    return mask * generated + (1.0 - mask) * image


def _stages(generator, filled_image, mask):
    """A generator's outputs, the last of them final: one of a U-Net, two of a coarse-to-fine network."""
    return tf.nest.flatten(generator(tf.concat([filled_image, mask], axis=-1)))


def _finite(values):
    """`values` without those of images restored to the last bit (infinite PSNR) or without a hole (no PSNR)."""
    return tf.boolean_mask(values, tf.math.is_finite(values))


def _adam(config: Config, rate, total_steps):
    schedule = keras.optimizers.schedules.CosineDecay(rate, decay_steps=total_steps)
    return FusedAdam(schedule, beta_1=config.beta_1, beta_2=0.999)


class Inpainter(keras.Model):
    """Generator and discriminator, trained against each other by `fit`, and `restore` for everybody else.

    `averaged_generator`, in float32, holds the exponential average of the generator's weights: it validates, draws
    the grids and restores.
    """

    def __init__(self, config: Config):
        super().__init__(name="inpainter")
        config = resolved(config)
        build = GENERATORS[config.generator]
        keras.utils.set_random_seed(config.seed)
        self.config = config
        self.generator = build(config, config.precision)
        self.discriminator = build_discriminator(config, config.precision)
        self.averaged_generator = build(config)
        self.averaged_generator.trainable = False
        self.averaged_generator.set_weights(self.generator.get_weights())
        self.training_metrics = {
            name: keras.metrics.Mean(name=name)
            for name in ("generator_loss", "discriminator_loss", "reconstruction_loss", "adversarial_loss",
                         "real_accuracy", "fake_accuracy")
        }  # fmt: skip
        self.validation_metrics = {name: keras.metrics.Mean(name=name) for name in ("psnr", "hole_psnr")}
        self.built = True  # `fit` would not build it, and then nothing could be saved

    @property
    def state_variables(self):
        """Everything that training changes, in a fixed order: three networks and both optimizers."""
        networks = (self.generator, self.discriminator, self.averaged_generator)
        optimizers = (self.generator_optimizer, self.discriminator_optimizer)
        return [variable for part in (*networks, *optimizers) for variable in part.variables]

    def compile(self, steps_per_epoch):
        """Builds both optimizers for `config.epochs` epochs of `steps_per_epoch` steps."""
        super().compile(optimizer=None, jit_compile=self.config.jit_compile)
        total_steps = self.config.epochs * steps_per_epoch
        self.generator_optimizer = _adam(self.config, self.config.generator_rate, total_steps)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer = _adam(self.config, self.config.discriminator_rate, total_steps)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def _maybe_symbolic_build(self, **_):
        """Nothing is left to build. Keras would try it on a batch, and fail where there are several workers."""

    @property
    def metrics(self):
        return [*self.training_metrics.values(), *self.validation_metrics.values()]

    def call(self, inputs):
        """image [B, H, W, 3] with its `mask` and `filled_image` → restored [B, H, W, 3]."""
        image, mask, filled_image = inputs
        return composite(image, self.generate(filled_image, mask), mask)

    def generate(self, filled_image, mask):
        """The averaged generator's raw output [B, H, W, 3], known pixels included: the mean of what it makes of a
        picture and of its mirror image. What the two agree on stays, what each invented for itself is halved
        (self-ensemble: Timofte et al. 2016, "Seven ways to improve example-based single image super resolution")."""
        pictures = [tf.concat([x, tf.reverse(x, [2])], axis=0) for x in (filled_image, mask)]
        straight, mirrored = tf.split(_stages(self.averaged_generator, *pictures)[-1], 2)
        return (straight + tf.reverse(mirrored, [2])) / 2.0

    def train_step(self, batch):
        """One step of both networks on (image, mask, filled_image), the two looking at the same restored images. With
        `config.damage_on_device` the batch is (images, seed), of which `training_example` makes the three here."""
        image, mask, filled_image = training_example(batch[0], self.config, batch[1]) if len(batch) == 2 else batch
        generator_variables = [v.value for v in self.generator.trainable_variables]
        discriminator_variables = [v.value for v in self.discriminator.trainable_variables]

        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch(generator_variables)
            stages = [composite(image, stage, mask) for stage in _stages(self.generator, filled_image, mask)]
            restored = stages[-1]
            errors = [losses.hole_error(image, stage, mask) for stage in stages]
            reconstruction_loss = tf.reduce_mean([losses.reconstruction_loss(error) for error in errors])
            weighted_loss = self.config.reconstruction_weight * reconstruction_loss
        with tf.GradientTape(watch_accessed_variables=False) as discriminator_tape:
            discriminator_tape.watch([*discriminator_variables, restored])
            # One pass over real and restored images: half the calls, larger and so faster matrix products.
            pictures = tf.concat([image, restored], axis=0)
            logits = self.discriminator(tf.concat([pictures, tf.tile(mask, [2, 1, 1, 1])], -1), training=True)
            real_logits, fake_logits = tf.split(logits, 2)
            discriminator_loss = losses.discriminator_loss(real_logits, fake_logits)
        adversarial_loss = losses.adversarial_loss(fake_logits)
        # Without the reconstruction term the generator is to know nothing of the error.
        balance = losses.balance(errors[-1], mask) if self.config.reconstruction_weight else 1.0
        generator_loss = weighted_loss + self.config.adversarial_weight * tf.reduce_mean(balance * adversarial_loss)

        share = distribution.loss_share()
        *discriminator_gradients, restored_gradient = discriminator_tape.gradient(
            discriminator_loss, [*discriminator_variables, restored], share
        )
        # One way back through it as well: for a restored image its loss and the generator's differ by a factor.
        factor = self.config.adversarial_weight * balance * losses.adversarial_factor(fake_logits)
        generator_gradients = generator_tape.gradient(
            [weighted_loss, restored], generator_variables, [share, factor[:, None, None, None] * restored_gradient]
        )
        self.generator_optimizer.apply(generator_gradients, self.generator.trainable_variables)
        self.discriminator_optimizer.apply(discriminator_gradients, self.discriminator.trainable_variables)
        self._average_generator()
        return self._update(
            self.training_metrics,
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            reconstruction_loss=reconstruction_loss,
            adversarial_loss=adversarial_loss,
            real_accuracy=tf.cast(real_logits > 0, tf.float32),
            fake_accuracy=tf.cast(fake_logits < 0, tf.float32),
        )

    def test_step(self, batch):
        """Validation: PSNR in dB of the restored images, whole and in the hole, averaged over images."""
        image, mask, _ = batch
        restored = self(batch)
        return self._update(
            self.validation_metrics,
            psnr=_finite(metrics.psnr(image, restored)),
            hole_psnr=_finite(metrics.psnr(image, restored, mask)),
        )

    def _average_generator(self):
        """average ← m * average + (1 - m) * weight, m rising to its full value over the first steps, so that the
        random start is forgotten (as in tf.train.ExponentialMovingAverage)."""
        step = tf.cast(self.generator_optimizer.iterations, tf.float32)
        momentum = tf.minimum(self.config.average_momentum, (1.0 + step) / (10.0 + step))

        def follow(average, weight, momentum):
            average.assign_sub((1.0 - momentum) * (average - weight))

        pairs = zip(self.averaged_generator.weights, self.generator.weights, strict=True)
        distribution.update_each(follow, pairs, momentum)

    def _update(self, trackers, **values):
        for name, value in values.items():
            trackers[name].update_state(value)
        return {name: distribution.reported(tracker.result()) for name, tracker in trackers.items()}

    def restore(self, images, masks, batch_size=64):
        """Repairs damaged images.

        images: uint8 [N, H, W, 3] RGB or one [H, W, 3], H = W = `config.size`; masks: [N, H, W] or [N, H, W, 1] (or
        without N), nonzero = hole → uint8 of the images' shape, known pixels bit-identical to `images`.
        Raises ValueError when type, shape or size is another, or the batch is empty.
        """
        images, masks, single = checked(images, masks, self.config.size)
        parts = []
        for start in range(0, len(images), batch_size):
            image, mask = to_float(images[start : start + batch_size]), masks[start : start + batch_size]
            filled_image = FILLS[self.config.fill](image, mask, tf.constant([self.config.seed, 3 + start]))
            parts.append(to_uint8(self([image, mask, filled_image])).numpy())
        restored = np.where(masks > 0, np.concatenate(parts), images)
        return restored[0] if single else restored


def load(run: str | Path | None = None) -> Inpainter:
    """The trained `Inpainter` of a run directory, of the weights that come with the package by default, ready to
    restore. Raises `UserError` when there is none or it is damaged."""
    path = trained_file(run, "generator.keras", f"train one with: python -m faceinpaint train --run {run}")
    inpainter = Inpainter(read(path.with_name("config.json")))
    try:
        foreign = _foreign_parts(path, inpainter.averaged_generator)
        if not foreign:
            trained = keras.models.load_model(path, compile=False, safe_mode=True)
            inpainter.averaged_generator.set_weights(trained.get_weights())
    except Exception as error:  # Keras raises many kinds for a damaged or foreign file
        again = "delete it and train again (a finished run makes it anew from its checkpoint)"
        raise UserError(f"{path}: not a generator of this config ({type(error).__name__}); {again}") from error
    if foreign:
        parts = ", ".join(foreign)
        raise UserError(f"{path}: refused: {parts} inside, of which no generator of this config is made; delete it")
    return inpainter


def _parts(config) -> set[str]:
    """Every class and function that a Keras `config`, a tree of dicts and sequences, names."""
    if not isinstance(config, dict | list | tuple):
        return set()
    inner = config.values() if isinstance(config, dict) else config
    named = isinstance(config, dict) and "class_name" in config
    own = {".".join(filter(None, (config.get("module"), config["class_name"])))} if named else set()
    return own.union(*map(_parts, inner))


def _foreign_parts(path: Path, generator) -> list[str]:
    """What the .keras file `path` is made of and `generator` is not. Such a file may hold code (a Lambda layer) or have
    some imported, read or fetched (a class of another module): it is not to be loaded."""
    with zipfile.ZipFile(path) as archive:
        found = _parts(json.loads(archive.read("config.json")))
    return sorted(found - _parts(keras.saving.serialize_keras_object(generator)) - {"__keras_tensor__"})
