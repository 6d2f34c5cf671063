"""What a training runs on: the precision that the hardware multiplies fast, one device or several, or several machines.

With several devices (`tf.distribute`) every replica holds all weights and takes its own share of each global batch.
Gradients are added up over all replicas before the optimizers use them. The batch is drawn whole, as for one device,
and then divided: together the replicas see the faces, holes and fills that one device sees, and the losses are the same
but for rounding. Every machine therefore draws the examples of all.
"""

import json
import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from faceinpaint.config import Config, UserError
from faceinpaint.system.signals import STOPPING, handled

EXAMPLE = """{"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": "worker", "index": 0}}"""
LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


def _check_cluster():
    """Refuses to wait for ever for a cluster that TF_CONFIG does not describe."""
    try:
        described = json.loads(os.environ["TF_CONFIG"])
        workers, task = described["cluster"]["worker"], described["task"]
        if task["type"] != "worker" or not 0 <= task["index"] < len(workers):
            raise ValueError("task is none of the workers")
    except (KeyError, TypeError, ValueError) as error:
        problem = "malformed" if "TF_CONFIG" in os.environ else "not set"
        raise UserError(f"strategy multiworker: TF_CONFIG is {problem}; for the first of two: {EXAMPLE}") from error


def _interruptible():
    """Lets Ctrl-C and SIGTERM end the process at once where TensorFlow, waiting for the other workers, would not listen
    to Python's; afterwards they are Python's again, for TensorFlow takes SIGTERM for itself."""
    return handled(dict.fromkeys(STOPPING, signal.SIG_DFL))


def chosen(name: str) -> tf.distribute.Strategy:
    """How a training is distributed.

    Args:
        name: "none": all on one device. "mirrored": over the GPUs of this machine, or over its logical processors
            where it has none. "multiworker": over the machines in TF_CONFIG and their GPUs; it waits for the others,
            and must be the first that a process asks of TensorFlow.

    Raises:
        UserError: another name, or TF_CONFIG is missing or does not describe the cluster.
    """
    if name == "multiworker":
        _check_cluster()
        print("strategy multiworker: waiting for the others", flush=True)
        with _interruptible():
            return tf.distribute.MultiWorkerMirroredStrategy()
    if name not in ("none", "mirrored"):
        raise UserError(f"strategy '{name}': choose one of none, mirrored, multiworker")
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) > 1:
            return tf.distribute.MirroredStrategy([device.name for device in devices])
        print("strategy mirrored: there is only one device; training on it alone")
    return tf.distribute.get_strategy()  # TensorFlow's own, of one device: it does nothing


def resolved(config: Config) -> Config:
    """`config` with precision "auto" replaced by what this machine multiplies fast.

    That is bfloat16 on processors with AVX512-BF16 or AMX and on GPUs from compute capability 8.0, else float32.
    """
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


def compiles(config: Config) -> bool:
    """Whether XLA compiles the steps of a training here: unless `config` says, on one GPU."""
    if config.jit_compile is not None:
        return config.jit_compile
    return bool(tf.config.list_physical_devices("GPU")) and tf.distribute.get_strategy().num_replicas_in_sync == 1


def checked(config: Config, strategy: tf.distribute.Strategy) -> Config:
    """`config` as `strategy` can train it. Raises `UserError` when its batches cannot be divided equally."""
    replicas = strategy.num_replicas_in_sync
    if config.batch_size % replicas:
        advice = "use as many devices as divide it (CUDA_VISIBLE_DEVICES)"
        raise UserError(f"batch_size {config.batch_size}: cannot be divided among {replicas} replicas; {advice}")
    if replicas > 1 and config.jit_compile:
        print("jit_compile: switched off, for TensorFlow cannot compile a step of several replicas")
        config = replace(config, jit_compile=False)
    return config


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that reads and writes the run directory."""
    return strategy.extended.should_checkpoint


def from_chief(strategy: tf.distribute.Strategy, value: np.ndarray) -> np.ndarray:
    """The chief's `value` on every worker; theirs must be of its shape and type."""
    if not strategy.cluster_resolver:
        return value
    with strategy.scope():
        return tf.Variable(value, trainable=False).numpy()  # a variable begins with the chief's value everywhere


def align(strategy: tf.distribute.Strategy, variables):
    """Gives `variables` the values that they have on the chief."""
    for variable in variables if strategy.cluster_resolver else ():
        variable.assign(from_chief(strategy, variable.numpy()))


@contextmanager
def explained(strategy: tf.distribute.Strategy):
    """Turns the loss of another worker, and memory that does not suffice, into one line."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise UserError("out of memory; free some, or give a smaller --size and another --run") from error
    except LOST as error:
        if not strategy.cluster_resolver:
            raise
        reason = f"another worker was lost ({type(error).__name__})"
        raise UserError(f"{reason}; give the same commands again on all: they go on from what is finished") from error


def shares(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> tf.data.Dataset:
    """The endless `batches`, each divided equally: replica i takes the i-th part."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches

    def of_machine(context):  # its replicas take the elements of its dataset in turn
        own = replicas // context.num_input_pipelines
        first = own * context.input_pipeline_id

        def parts(*batch):
            divided = (tf.reshape(part, [replicas, -1, *part.shape[1:]])[first : first + own] for part in batch)
            return tf.data.Dataset.from_tensor_slices(tuple(divided))

        return batches.flat_map(parts).repeat()  # known to be endless: nobody need ask in each step whether it is

    return strategy.distribute_datasets_from_function(of_machine)


def copies(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> tf.data.Dataset:
    """All of `batches` for every replica: what is measured on them is then what one device measures."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches

    def of_machine(context):
        own = replicas // context.num_input_pipelines
        return batches.flat_map(lambda *batch: tf.data.Dataset.from_tensors(batch).repeat(own))

    return strategy.distribute_datasets_from_function(of_machine)


def loss_share():
    """1 / replicas: the weight of a replica's gradient, of a mean over its own examples, in the sum over all replicas.
    For a training step."""
    return tf.constant(1 / tf.distribute.get_strategy().num_replicas_in_sync)


def update_each(change, pairs, *values):
    """In a training step: `change(variable, other, *values)` for each of the `pairs` of variables. Every replica does
    it with its own copies; what is assigned must be the same on all."""
    if not tf.distribute.has_strategy():
        for pair in pairs:
            change(*pair, *values)
        return

    def merged(strategy, *values):
        for variable, other in pairs:
            strategy.extended.update(variable.value, change, args=(other.value, *values))

    tf.distribute.get_replica_context().merge_call(merged, args=values)


def reported(value):
    """A step's scalar result as Keras can take its mean over workers: it fails for scalars (tensorflow#72388)."""
    workers = isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
    return value[None] if workers else value
