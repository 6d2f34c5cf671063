"""The system of the paper: a generator that fills holes, a discriminator that judges, and how they are trained."""

import keras
import numpy as np
import tensorflow as tf

from faceinpaint import losses, metrics, pipeline
from faceinpaint.config import Config
from faceinpaint.contract import checked
from faceinpaint.fills import FILLS
from faceinpaint.networks import build_discriminator, build_unet
from faceinpaint.pipeline import to_float, to_uint8
from faceinpaint.system import devices

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"faceinpaint needs Keras on TensorFlow, not on {keras.backend.backend()}: set KERAS_BACKEND=tensorflow"
    )
keras.config.set_image_data_format("channels_last")  # ~/.keras/keras.json may say otherwise
keras.config.set_floatx("float32")

TRAINING_METRICS = ("generator_loss", "discriminator_loss", "reconstruction_loss", "adversarial_loss",
                    "real_accuracy", "fake_accuracy")  # fmt: skip
VALIDATION_METRICS = ("psnr", "hole_psnr")


def composite(image, generated, mask):
    """restored = mask * generated + (1 - mask) * image: known pixels are never touched."""
    return mask * generated + (1.0 - mask) * image


def _finite(values):
    """`values` without those of images restored to the last bit (infinite PSNR) or without a hole (no PSNR)."""
    return tf.boolean_mask(values, tf.math.is_finite(values))


def self_ensembled(generator, inputs):
    """The mean of what `generator` makes of `inputs` [B, H, W, C] and of their mirror images.

    What both agree on stays, what each invented for itself is halved (Timofte et al. 2016, "Seven ways to improve
    example-based single image super resolution", section 3.5).
    """
    straight, mirrored = tf.split(generator(tf.concat([inputs, tf.reverse(inputs, [2])], axis=0)), 2)
    return (straight + tf.reverse(mirrored, [2])) / 2.0


class Inpainter(keras.Model):
    """Generator and discriminator, trained against each other by `fit`, and `restore` for everybody else.

    `averaged_generator`, in float32, holds the exponential average of the generator's weights: it validates, draws
    the grids and restores.
    """

    min_size = 16  # side of the smallest pictures that it can be trained on
    build_generator = staticmethod(build_unet)
    build_discriminator = staticmethod(build_discriminator)
    training_example = staticmethod(pipeline.training_example)
    fixed_examples = staticmethod(pipeline.fixed_examples)
    discriminator_loss = staticmethod(losses.discriminator_loss)
    adversarial_loss = staticmethod(losses.adversarial_loss)

    def __init__(self, config: Config):
        super().__init__(name="inpainter")
        self.config = config = devices.resolved(config)
        keras.utils.set_random_seed(config.seed)
        self.generator = self.build_generator(config, config.precision)
        self.discriminator = self.build_discriminator(config, config.precision)
        self.averaged_generator = self.build_generator(config)
        self.averaged_generator.trainable = False
        self.averaged_generator.set_weights(self.generator.get_weights())
        self.trackers = {name: keras.metrics.Mean(name=name) for name in (*TRAINING_METRICS, *VALIDATION_METRICS)}
        self.built = True  # `fit` would not build it, and then nothing could be saved

    def compile(self, steps_per_epoch):
        """Builds both optimizers for `config.epochs` epochs of `steps_per_epoch` steps."""
        super().compile(optimizer=None, jit_compile=devices.compiles(self.config))
        self.total_steps = self.config.epochs * steps_per_epoch
        self.generator_optimizer = self._adam(self.config.generator_rate, self.generator)
        self.discriminator_optimizer = self._adam(self.config.discriminator_rate, self.discriminator)

    def _adam(self, rate, network):
        schedule = keras.optimizers.schedules.CosineDecay(rate, decay_steps=self.total_steps)
        optimizer = keras.optimizers.Adam(schedule, beta_1=self.config.beta_1, beta_2=0.999)
        optimizer.build(network.trainable_variables)  # what is not built is not saved
        return optimizer

    def _maybe_symbolic_build(self, **_):
        """Nothing is left to build. Keras would try it on a batch, and fail where there are several workers."""

    @classmethod
    def start_of(cls, config):
        """Of which config the generator must be with which a run of `config` may begin."""
        return config

    def start_from(self, trained):
        """Takes over the averaged generator of the `trained` inpainter."""
        for network in (self.generator, self.averaged_generator):
            network.set_weights(trained.averaged_generator.get_weights())

    @property
    def state_variables(self):
        """Everything that training changes, in a fixed order: three networks and both optimizers."""
        networks = (self.generator, self.discriminator, self.averaged_generator)
        optimizers = (self.generator_optimizer, self.discriminator_optimizer)
        return [variable for part in (*networks, *optimizers) for variable in part.variables]

    @property
    def metrics(self):
        return list(self.trackers.values())

    def call(self, inputs):
        """image [B, H, W, 3] with its `mask` and `filled_image` → restored [B, H, W, 3]."""
        image, mask, filled_image = inputs
        return composite(image, self.generate(filled_image, mask), mask)

    def generate(self, filled_image, mask, self_ensemble=True):
        """The averaged generator's raw output [B, H, W, 3], known pixels included.

        self_ensemble: see `self_ensembled`.
        """
        inputs = tf.concat([filled_image, mask], axis=-1)
        return self_ensembled(self.averaged_generator, inputs) if self_ensemble else self.averaged_generator(inputs)

    def train_step(self, batch):
        """One step of both networks on (image, mask, filled_image): Goodfellow et al. 2014, algorithm 1 with k = 1, but
        that both gradients are taken before either network moves."""
        image, mask, filled_image = batch
        with tf.GradientTape(persistent=True) as tape:
            stages = [composite(image, generated, mask) for generated in self.stages(filled_image, mask)]
            restored = stages[-1]
            real_logits, fake_logits = self.judged(image, restored, mask)
            discriminator_loss = self.discriminator_loss(real_logits, fake_logits)
            discriminator_loss += self.penalty(image, restored, mask)
            adversarial_loss = self.adversarial_loss(fake_logits)  # [B]
            reconstruction_loss = self.reconstruction_loss(image, stages, mask)
            balanced = self.balance(image, restored, mask) * adversarial_loss
            adversarial_term = self.adversarial_weight() * tf.reduce_mean(balanced)
            generator_loss = self.config.reconstruction_weight * reconstruction_loss + adversarial_term
        self.descend(self.generator_optimizer, tape, generator_loss, self.generator)
        self.descend(self.discriminator_optimizer, tape, discriminator_loss, self.discriminator)
        self.average_generator()
        return self.tracked(
            generator_loss=generator_loss,
            discriminator_loss=discriminator_loss,
            reconstruction_loss=reconstruction_loss,
            adversarial_loss=adversarial_loss,
            real_accuracy=tf.cast(real_logits > 0, tf.float32),
            fake_accuracy=tf.cast(fake_logits < 0, tf.float32),
        )

    def stages(self, filled_image, mask):
        """What the generator draws in training, [B, H, W, 3] each: one picture, or one for each stage, in order."""
        return [self.generator(tf.concat([filled_image, mask], axis=-1), training=True)]

    def reconstruction_loss(self, image, stages, mask):
        """How far the holes are from the truth: the mean of `losses.reconstruction_loss` over what all `stages` restore
        (Yu et al. 2018, "Generative image inpainting with contextual attention", section 3)."""
        return tf.reduce_mean([losses.reconstruction_loss(losses.hole_error(image, x, mask)) for x in stages])

    def adversarial_weight(self):
        """`config.adversarial_weight`, reached in a straight line over `config.adversarial_rise` of the steps."""
        rise = max(self.config.adversarial_rise * self.total_steps, 1.0)
        step = tf.cast(self.generator_optimizer.iterations + 1, tf.float32)
        return self.config.adversarial_weight * tf.minimum(step / rise, 1.0)

    def balance(self, image, restored, mask):
        """The weight of each image's adversarial loss, [B] or 1: `losses.balance`. Without the reconstruction term the
        generator is to know nothing of the error."""
        weighed = self.config.reconstruction_weight > 0
        return losses.balance(losses.hole_error(image, restored, mask), mask) if weighed else 1.0

    def penalty(self, image, restored, mask):
        """What the discriminator's loss counts besides its logits: nothing."""
        return 0.0

    def judged(self, image, restored, mask):
        """The discriminator's logits of `image` and of `restored`, each [B, 1], in one pass: faster than two."""
        pictures = tf.concat([tf.concat([image, mask], axis=-1), tf.concat([restored, mask], axis=-1)], axis=0)
        return tf.split(self.discriminator(pictures, training=True), 2)

    def descend(self, optimizer, tape, loss, network):
        """One step of `optimizer` down the gradient of `loss`, a mean over the examples of all replicas."""
        gradients = tape.gradient(loss, network.trainable_variables, devices.loss_share())
        optimizer.apply(gradients, network.trainable_variables)

    def average_generator(self):
        """average ← m * average + (1 - m) * weight, with m = 0.5^(1 / (share * steps so far)).

        The half-life of what the average remembers is a fixed share of the training so far (Karras et al. 2024,
        "Analyzing and improving the training dynamics of diffusion models", section 3.1): a short training forgets its
        random start as a long one does.
        """
        steps = tf.cast(self.generator_optimizer.iterations, tf.float32)
        momentum = 0.5 ** (1.0 / (self.config.average_share * steps))

        def follow(average, weight, momentum):
            average.assign_sub((1.0 - momentum) * (average - weight))

        pairs = zip(self.averaged_generator.weights, self.generator.weights, strict=True)
        devices.update_each(follow, pairs, momentum)

    def test_step(self, batch):
        """Validation: PSNR in dB of the restored images, whole and in the hole, averaged over images."""
        image, mask, _ = batch
        restored = self(batch)
        psnr, hole_psnr = metrics.psnr(image, restored), metrics.psnr(image, restored, mask)
        return self.tracked(psnr=_finite(psnr), hole_psnr=_finite(hole_psnr))

    def tracked(self, **values):
        """The means of `values` over the epoch so far, by name."""
        for name, value in values.items():
            self.trackers[name].update_state(value)
        return {name: devices.reported(self.trackers[name].result()) for name in values}

    def restore(self, images, masks, batch_size=64, self_ensemble=True):
        """Repairs damaged images.

        Args:
            images: uint8 [N, H, W, 3] RGB or one [H, W, 3], H = W = `config.size`.
            masks: [N, H, W] or [N, H, W, 1], or without N; nonzero = hole.
            batch_size: images that are worked on at a time.
            self_ensemble: see `generate`.

        Returns:
            uint8 of the images' shape, known pixels bit-identical to `images`.

        Raises:
            ValueError: type, shape or size is another, or the batch is empty.
        """
        images, masks, single = checked(images, masks, self.config.size)
        parts = []
        for start in range(0, len(images), batch_size):
            image, mask = to_float(images[start : start + batch_size]), masks[start : start + batch_size]
            filled_image = FILLS[self.config.fill](image, mask, tf.constant([self.config.seed, 3 + start]))
            generated = self.generate(filled_image, mask, self_ensemble)
            parts.append(to_uint8(composite(image, generated, mask)).numpy())
        restored = np.where(masks > 0, np.concatenate(parts), images)
        return restored[0] if single else restored
