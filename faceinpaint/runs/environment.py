"""What a result depends on besides the config: data, code, machine."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from faceinpaint.celeba import Faces


def identity(faces: Faces) -> str:
    """Changes when other faces, or the same ones in another order, are trained on, validated on or tested on."""
    return hashlib.sha256(json.dumps([faces.train.shape, faces.names]).encode()).hexdigest()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    return model[1] if model else platform.processor()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def commit() -> str:
    """The commit of the code, "-dirty" when it was changed since, or "unknown" outside a git checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    found = subprocess.run(git, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    return found or "unknown"


def _devices() -> str:
    """The GPUs of this machine or, where there is none, its processor."""
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return ", ".join(gpu.get("device_name", "GPU") for gpu in gpus) or f"{_processor()}, {_cores()} cores"


def line(preset: str) -> str:
    """What made the figures of a notebook, in one line: commit, preset, versions, device."""
    python, numpy = f"Python {platform.python_version()}", f"NumPy {np.__version__}"
    versions = f"{python}, TensorFlow {tf.__version__}, Keras {keras.__version__}, {numpy}, OpenCV {cv2.__version__}"
    return f"made by commit {commit()}, preset {preset}; {versions}; {_devices()}"


def of(faces: Faces) -> dict:
    """The environment of a training on `faces` by this process, under the present strategy."""
    threading, replicas = tf.config.threading, tf.distribute.get_strategy().num_replicas_in_sync
    return {
        "data": faces.description,
        "faces": identity(faces),
        "commit": commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": _cores(),
        "threads": [threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()],
        "gpus": [gpu.name for gpu in tf.config.list_physical_devices("GPU")],
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        **({"replicas": replicas} if replicas > 1 else {}),
    }
